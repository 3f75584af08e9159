package homing

import (
	"context"
	"errors"
	"slices"
)

// ErrNotConfigured is the answer for a system that nobody configured.
var ErrNotConfigured = errors.New("not configured")

// Systems answers for what is outside: controllers that know capacity, providers
// of licences and of network links. Whatever gives no answer lets nothing fit.
type Systems interface {
	// Answer is called once for each Solve that has questions, with all of them,
	// and returns an answer for each, in their order. It must return when ctx ends.
	Answer(ctx context.Context, questions []Question) []Answer
}

// The types of questions.
const (
	AskVIM      = "vim_fit"
	AskInstance = "instance_fit"
	AskRegion   = "region_fit"
	AskLicense  = "license"
	AskNetwork  = "network"
)

// Question is what one constraint wants to know of an outside system, or what all
// of them want to know of the network.
type Question struct {
	// Type is one of the constants above.
	Type string
	// Controller is the name of the system as the template has it; for a license
	// the licence's id, for the network empty.
	Controller string
	// Constraint is the constraint's name; empty for the network.
	Constraint string
	// Request is the constraint's own; for a license its key, under "key".
	Request map[string]any
	// RequestType is the template's parameter request_type, if it has one.
	RequestType string
	// Amounts are the numbers of the request, quantities of memory and storage in GB.
	Amounts map[string]float64
	// Candidates are ids, in order; for vim_fit the vim-ids of the candidates, for
	// the network the location ids of the candidates and the names of locations.
	Candidates []string
	// Demands is how many demands ask, and could be placed on one of the candidates
	// together.
	Demands int
}

// Answer is an outside system's answer to one question.
type Answer struct {
	// Fits are those of the candidates that fit.
	Fits []string
	// Free, for vim_fit, is what is known to be free on each VIM that fits, by the
	// names of the request; demands then add up. Without it each is looked at alone.
	Free map[string]map[string]float64
	// Links, for the network, are those that are known; also beside an Err.
	Links []Link
	// Err says why there is no answer, or no whole one.
	Err error
}

// asks is a constraint that may have a question.
type asks interface {
	// question is nil when the inventory holds the answer.
	question(ev *evaluation, c *constraint) *Question
}

// inquire puts all questions of the template at once.
func (ev *evaluation) inquire(ctx context.Context, systems Systems) {
	var questions []Question
	for _, c := range ev.t.constraints {
		if b, ok := c.body.(asks); ok {
			if q := b.question(ev, c); q != nil && len(q.Candidates) > 0 {
				questions = append(questions, *q)
			}
		}
	}
	if q := ev.networkQuestion(); q != nil {
		questions = append(questions, *q)
	}
	for i := range questions {
		questions[i].RequestType = ev.t.requestType
	}
	var answers []Answer
	if systems != nil && len(questions) > 0 {
		answers = systems.Answer(ctx, questions)
	}
	for i, q := range questions {
		answer := Answer{Err: ErrNotConfigured}
		if i < len(answers) {
			answer = answers[i]
		}
		ev.take(q, answer)
	}
}

func (ev *evaluation) take(q Question, answer Answer) {
	switch {
	case q.Type == AskNetwork:
		ev.connect(answer.Links)
		if answer.Err != nil {
			ev.noteOnce("network", "links are not known, as a network provider gave no answer: %v", answer.Err)
		}
	case answer.Err != nil:
		ev.noteOnce("constraint "+q.Constraint, "nothing fits, as %s %q gave no answer: %v", q.Type, q.Controller, answer.Err)
	default:
		ev.answers[q.Constraint] = answer
	}
}

// connect makes links known, in both directions unless they say otherwise.
func (ev *evaluation) connect(links []Link) {
	for _, l := range links {
		ev.known = append(ev.known, l)
		ev.links[[2]string{l.From, l.To}] = append(ev.links[[2]string{l.From, l.To}], l)
		if !l.OneWay {
			ev.links[[2]string{l.To, l.From}] = append(ev.links[[2]string{l.To, l.From}], l)
		}
	}
}

// collect lists, in order and each once, what name gives for the candidates of a
// constraint's demands.
func (ev *evaluation) collect(c *constraint, name func(*item) string) []string {
	var names []string
	for _, demand := range c.demands {
		for _, it := range ev.draws[ev.byName[demand]].items {
			if text := name(it); text != "" {
				names = append(names, text)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// networkQuestion asks for the links between all that the template measures, nil
// when it measures none, or the inventory holds them.
func (ev *evaluation) networkQuestion() *Question {
	if ev.inv.Network != nil {
		return nil
	}
	demands, locations := map[string]bool{}, map[string]bool{}
	note := func(names []string, location string) {
		for _, name := range names {
			demands[name] = true
		}
		if location != "" {
			locations[location] = true
		}
	}
	for _, c := range ev.t.constraints {
		if b, ok := c.body.(*links); ok {
			note(c.demands, b.location)
		}
	}
	if o := ev.t.objective; o != nil && o.root != nil {
		o.root.each(func(f *function) {
			if f.name == "latency_between" {
				note(f.demands, f.location)
			}
		})
	}
	if len(demands) == 0 {
		return nil
	}
	sites := ev.collect(&constraint{demands: sortedKeys(demands)}, (*item).site)
	return &Question{Type: AskNetwork, Candidates: append(sites, sortedKeys(locations)...), Demands: len(demands)}
}

// each hands over every function in the tree.
func (n *node) each(f func(*function)) {
	if n.fn != nil {
		f(n.fn)
	}
	for _, kid := range n.kids {
		kid.each(f)
	}
}
