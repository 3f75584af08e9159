package search

import (
	"cmp"
	"context"
	"math"
)

// Unbounded is more than any cost: Cost values and sums must stay below it.
const Unbounded = math.MaxInt64 / 4

// firstTaste is how many nodes the complete search gets before anything else is
// tried; nearly all problems end there.
const firstTaste = 300

// Options steer a Solve.
type Options struct {
	// Solutions is how many of the best assignments are wanted; 0 means one.
	Solutions int
	// Feasible stops at the first assignment found, whatever its cost.
	Feasible bool
	// Slack is by how much costs that mean the same may differ through rounding.
	Slack int64

	taste int // nodes of the first taste of the search; 0 means as many as usual
}

// Solution is one assignment: a value for each variable.
type Solution struct {
	Values []int
	Cost   int64
}

// Outcome is what a Solve found, best first, ties in the order of the values.
type Outcome struct {
	Solutions []Solution
	// Complete says that the search ended by itself: no assignment is better than
	// those found, and none exists if none was found.
	Complete bool
	// Bound is a cost below which no further assignment exists; that of the best
	// when the search is complete. Unbounded if there is none at all, -Unbounded if
	// time was up before anything could be said.
	Bound int64
	Nodes int
}

// Solve searches until it is done or ctx ends. p.Rels' rows are filled in.
func Solve(ctx context.Context, p *Problem, o Options) Outcome {
	s := newSolver(ctx, p, max(o.Solutions, 1))
	root := s.root()
	if root == nil {
		return Outcome{Complete: true, Bound: Unbounded}
	}
	if o.Feasible {
		s.first = true
		s.dive(root, 0)
		return s.outcome(root)
	}
	s.project(root)
	whole := s.child(root) // improve leaves only what is better than the best
	s.improve(root, cmp.Or(o.taste, firstTaste))
	if s.done && !s.loose && !s.out() {
		s.renew(whole)
		s.settleTies(whole, o.Slack)
	}
	return s.outcome(root)
}

func (s *solver) outcome(root *node) Outcome {
	o := Outcome{Solutions: s.found.sorted(), Complete: !s.stopped, Nodes: s.nodes, Bound: Unbounded}
	if s.done || s.first && len(o.Solutions) > 0 {
		o.Complete = true
	}
	if len(o.Solutions) > 0 {
		o.Bound = o.Solutions[0].Cost
	}
	if s.loose {
		o.Complete, o.Bound = false, -Unbounded
		return o
	}
	if !o.Complete {
		o.Bound = min(o.Bound, s.onGrid(max(s.open, root.bound)))
	}
	return o
}

// improve takes turns between ever longer tastes of the complete search, which end
// it when they finish, and looking for something better near the best that is known.
// In between it tightens the costs by what the limits of the packs are worth. It
// returns when the answer is proved, or time is up.
func (s *solver) improve(root *node, first int) {
	s.price(root)
	for taste := first; ; taste *= 3 {
		s.budget = s.nodes + taste
		s.dive(root, 0)
		if s.budget = 0; !s.stopped {
			s.done = true
			return
		}
		if s.out() {
			return
		}
		s.stopped = false
		before := s.limit
		if s.found.k == 1 && taste > first {
			s.neighbourhoods(root)
		}
		if s.out() {
			s.stopped = true
			return
		}
		if taste == first || s.limit < before {
			s.relax(root)
		}
	}
}
