package orchestrator

import "time"

// slowness is by how much sim-slow stretches every step.
const slowness = 10

// state is what a status says, apart from times.
type state struct {
	phase           string // one that the custom resource definition knows
	reason, message string
	started         bool // the container has been up
	ready           bool
	degraded        bool
	stalled         bool // will not get better by waiting
	ended           bool // with exitCode
	exitCode        int64
}

func pending() state {
	return state{phase: "Pending", reason: "Scheduled", message: "waiting for the element"}
}

func starting() state {
	return state{phase: "Starting", reason: "PullingImage", message: "pulling the image"}
}

func running() state {
	return state{phase: "Running", reason: "ContainerRunning", message: "running", started: true, ready: true}
}

func degraded() state {
	return state{phase: "Starting", reason: "ContainerRestarting", message: "restarting the container after a crash",
		started: true, degraded: true}
}

func pullFailed() state {
	return state{phase: "Failed", reason: "ImagePullFailed", message: "the registry has no such image", stalled: true}
}

func removing() state {
	return state{phase: "Removing", reason: "Stopping", message: "stopping the container", started: true}
}

func exited(code int64) state {
	s := state{phase: "Succeeded", reason: "Completed", message: "exit code 0", started: true, ended: true, ready: true}
	if code != 0 {
		s.phase, s.reason, s.message = "Failed", "ContainerExited", "exit code 1"
		s.ready, s.stalled, s.exitCode = false, true, code
	}
	return s
}

// timeline is the course of one component since its spec was first seen.
type timeline struct {
	steps  []step
	repeat time.Duration // if not zero, the course from `from` on is repeated every so often
	from   time.Duration
}

type step struct {
	at time.Duration
	state
}

// course lays out the timeline. pace is the time to Running; changed means that an earlier spec ran before.
func course(p profile, isJob, changed bool, pace time.Duration) timeline {
	if p.slow {
		pace *= slowness
	}
	line := timeline{steps: []step{{0, pending()}, {pace * 3 / 10, starting()}}}
	if changed {
		line.steps = []step{{0, starting()}}
	}
	then := func(at time.Duration, s state) { line.steps = append(line.steps, step{at, s}) }
	if p.ending != fails && p.ending != recovers {
		then(pace, running())
	}
	switch p.ending {
	case fails:
		then(pace, pullFailed())
	case recovers:
		then(pace, pullFailed())
		then(3*pace, running())
	case crashes:
		then(2*pace, exited(1))
	case degrades:
		then(3*pace, degraded())
		then(4*pace, running())
	case flaps:
		then(3*pace, degraded())
		line.from, line.repeat = pace, 3*pace
	case stays:
		if isJob {
			then(2*pace, exited(0))
		}
	}
	return line
}

// at is the state after elapsed, and how long it holds; zero means for good.
func (l timeline) at(elapsed time.Duration) (state, time.Duration) {
	if l.repeat > 0 && elapsed > l.from {
		elapsed = l.from + (elapsed-l.from)%l.repeat
	}
	now := 0
	for now+1 < len(l.steps) && l.steps[now+1].at <= elapsed {
		now++
	}
	var holds time.Duration
	switch {
	case now+1 < len(l.steps):
		holds = l.steps[now+1].at - elapsed
	case l.repeat > 0:
		holds = l.from + l.repeat - elapsed
	}
	return l.steps[now].state, holds
}
