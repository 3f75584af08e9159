package homing

import (
	"context"
	"fmt"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// removed counts, for each demand and each hard constraint on it, the candidates
// for which the constraint leaves no place when nothing else is asked: by what
// they are, or because no candidate of another demand goes with them.
// When ctx has ended, partners are not looked for any more, and a note says so.
func (ev *evaluation) removed(ctx context.Context) map[string]map[string]int {
	counts := make(map[string]map[string]int, len(ev.draws))
	for _, d := range ev.draws {
		counts[d.name] = map[string]int{}
	}
	for _, c := range ev.t.constraints {
		if c.penalty > 0 {
			continue
		}
		for _, name := range c.demands {
			counts[name][c.name] = ev.lost(ctx, c, ev.draws[ev.byName[name]])
		}
	}
	if o := ev.t.objective; o != nil && o.root != nil {
		ev.unvalued(o.root, counts)
	}
	return counts
}

// lost counts the candidates of d that c alone leaves no place for.
func (ev *evaluation) lost(ctx context.Context, c *constraint, d *draw) int {
	live := search.FullBits(len(d.items))
	for a, ok := range ev.verdict(c, d) {
		if !ok {
			live.Unset(a)
		}
	}
	before := true
	for _, name := range c.demands {
		if name == d.name {
			before = false
			continue
		}
		other := ev.draws[ev.byName[name]]
		switch b := c.body.(type) {
		case *zones:
			ev.unmatched(b, d, other, live)
		case pairwise:
			if ctx.Err() != nil {
				ev.noteOnce("constraint "+c.name, "what it removes is not known whole, as time was up")
				continue
			}
			live.And(ev.partnered(ctx, c, b, d, other, before))
		}
	}
	return len(d.items) - live.Len()
}

// unmatched takes out the candidates for which the other demand has no zone.
func (ev *evaluation) unmatched(b *zones, d, other *draw, live search.Bits) {
	labels, places := ev.zoneLabels(b.category, []int{ev.byName[d.name], ev.byName[other.name]})
	there := search.NewBits(places)
	for _, l := range labels[1] {
		if l >= 0 {
			there.Set(int(l))
		}
	}
	count := there.Len()
	for a, l := range labels[0] {
		same := l >= 0 && there.Has(int(l))
		if l < 0 || !b.different && !same || b.different && (count == 0 || count == 1 && same) {
			live.Unset(a)
		}
	}
}

// partnered is the set of d's candidates that go with some candidate of other.
func (ev *evaluation) partnered(ctx context.Context, c *constraint, b pairwise, d, other *draw, otherFirst bool) search.Bits {
	x, y := d, other
	if otherFirst {
		x, y = other, d
	}
	key := tableKey{fmt.Sprint(c.name, otherFirst), x.base.items[0], y.base.items[0]}
	if known, there := ev.partners[key]; there {
		return known
	}
	ok, _ := b.allows(ev, x.base, y.base)
	if ok == nil {
		return search.FullBits(len(d.items))
	}
	live := search.NewBits(len(d.items))
	ev.partners[key] = live
	for a := range d.items {
		if a&63 == 63 && ctx.Err() != nil { // what was not looked at counts as kept
			for ; a < len(d.items); a++ {
				live.Set(a)
			}
			ev.noteOnce("constraint "+c.name, "what it removes is not known whole, as time was up")
			return live
		}
		for b := range other.items {
			if otherFirst && ok(b, a) || !otherFirst && ok(a, b) {
				live.Set(a)
				break
			}
		}
	}
	return live
}

// unvalued counts the candidates that lack a value which the objective needs.
func (ev *evaluation) unvalued(n *node, counts map[string]map[string]int) {
	lack := map[string]search.Bits{}
	var visit func(n *node)
	visit = func(n *node) {
		for _, kid := range n.kids {
			visit(kid)
		}
		if n.op != "function" || n.fn.otherwise != nil || n.fn.name == "spread" || len(n.fn.demands) != 1 && n.fn.name != "utilisation" {
			return
		}
		for _, name := range n.fn.demands {
			d := ev.draws[ev.byName[name]]
			for a, has := range ev.valued(n.fn, d) {
				if !has {
					if lack[name] == nil {
						lack[name] = search.NewBits(len(d.items))
					}
					lack[name].Set(a)
				}
			}
		}
	}
	visit(n)
	for name, set := range lack {
		counts[name][theObjective] = set.Len()
	}
}

// conflict finds a minimal set of constraints that cannot hold together: those that
// can be left out with the rest still impossible are left out, one by one. When ctx
// ends early, the set is one that cannot hold but may not be minimal.
func (ev *evaluation) conflict(ctx context.Context) []string {
	kept := []string{}
	for _, c := range ev.t.constraints {
		if c.penalty == 0 {
			kept = append(kept, c.name)
		}
	}
	kept = append(kept, theObjective)
	for i := 0; i < len(kept); {
		without := map[string]bool{}
		for j, name := range kept {
			without[name] = i != j
		}
		m := newModel(ev, func(name string) bool { return without[name] }, true)
		outcome := search.Solve(ctx, m.p, search.Options{Feasible: true})
		if outcome.Complete && len(outcome.Solutions) == 0 {
			kept = append(kept[:i], kept[i+1:]...)
		} else {
			i++
		}
	}
	return kept
}

// runnerUp finds the best assignment but one, within the time that is left.
func (m *model) runnerUp(ctx context.Context, result *Result, answers search.Outcome, o Options) *RunnerUp {
	var second []int
	if len(answers.Solutions) > 1 && !o.Disjoint {
		second = answers.Solutions[1].Values
	} else {
		two := search.Solve(ctx, m.p, search.Options{Solutions: 2, Slack: m.slack()})
		first := search.Key(answers.Solutions[0].Values)
		for _, s := range two.Solutions {
			if search.Key(s.Values) != first {
				second = s.Values
				break
			}
		}
	}
	if second == nil {
		return nil
	}
	r := m.recommendation(second)
	return &RunnerUp{r.Objective, r.Assignment, r.Terms, why(result.Recommendations[0], r, m.sign, m.ev.t.Demands())}
}
