package orchestrator

import "strings"

// Word is a word that changes how a component behaves when it occurs anywhere in its image.
type Word struct{ Word, Effect string }

// Words are all words, in the order in which people should read them. The first of those that decide how it
// ends (fails, recovers, job-fails, degrades, flaps) wins.
func Words() []Word {
	return []Word{
		{"sim-slow", "every step takes ten times as long"},
		{"sim-fails", "fails instead of running: the image cannot be had"},
		{"sim-recovers", "fails first, then runs"},
		{"sim-job-fails", "runs, then ends with exit code 1"},
		{"sim-degrades", "runs, is degraded once, runs again"},
		{"sim-flaps", "runs and is degraded by turns, for ever"},
		{"sim-silent", "never has a status"},
		{"sim-no-generation", "its status lacks observedGeneration"},
		{"sim-conditions", "its status has only the conditions Ready and Stalled, no phase"},
		{"sim-holds-delete", "a finalizer holds its deletion for 5 s"},
	}
}

// profile is what the words of one image ask for.
type profile struct {
	slow, silent, noGeneration, conditionsOnly, holdsDelete bool

	ending ending
}

type ending uint8

const (
	stays ending = iota
	fails
	recovers
	crashes
	degrades
	flaps
)

func profileOf(image string) profile {
	has := func(word string) bool { return strings.Contains(image, word) }
	p := profile{
		slow:           has("sim-slow"),
		silent:         has("sim-silent"),
		noGeneration:   has("sim-no-generation"),
		conditionsOnly: has("sim-conditions"),
		holdsDelete:    has("sim-holds-delete"),
	}
	switch {
	case has("sim-fails"):
		p.ending = fails
	case has("sim-recovers"):
		p.ending = recovers
	case has("sim-job-fails"):
		p.ending = crashes
	case has("sim-degrades"):
		p.ending = degrades
	case has("sim-flaps"):
		p.ending = flaps
	}
	return p
}
