package homing

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// AllSolutions asks for every assignment, up to MostSolutions.
const (
	AllSolutions  = -1
	MostSolutions = 10_000
)

// Options steer Solve.
type Options struct {
	// Solutions is how many recommendations are wanted; 0 means one.
	Solutions int
	// Disjoint wants recommendations that differ for every demand whose candidates
	// are unique, each the best of what the ones before it left over.
	Disjoint bool
	// RunnerUp also looks for the best assignment but one.
	RunnerUp bool
	// Systems answers for outside systems; nil means that none is configured.
	Systems Systems
	// Now tells the time for ElapsedMillis; nil leaves it at 0.
	Now func() time.Time
}

// Solve finds the best assignments of t on inv and proves that they are, or stops
// when ctx ends and says how far off they can be. It never says "not found" unless
// that is proved. Several may run at once on the same arguments.
func Solve(ctx context.Context, t *Template, inv *Inventory, o Options) Result {
	if o.Now == nil {
		o.Now = func() time.Time { return time.Time{} }
	}
	start := o.Now()
	result := solve(ctx, t, inv, o)
	result.ElapsedMillis = float64(o.Now().Sub(start)) / float64(time.Millisecond)
	return result
}

func solve(ctx context.Context, t *Template, inv *Inventory, o Options) Result {
	found := &findings{}
	ev := newEvaluation(ctx, t, inv, o.Systems, found)
	if len(found.list) > 0 {
		return Rejected(found.sorted())
	}
	m := newModel(ev, everything, false)
	result := Rejected([]*PathError{})
	answers := m.answers(ctx, o)
	if len(answers.Solutions) == 0 {
		m.nothing(ctx, &result, answers)
	} else {
		m.something(ctx, &result, answers, o)
	}
	result.Removed = ev.removed(ctx)
	result.Notes = ev.noted()
	for _, w := range t.Warnings {
		result.Notes = append(result.Notes, "template: "+w.Error())
	}
	return result
}

func everything(string) bool { return true }

// nothing fills in the result when no assignment was found.
func (m *model) nothing(ctx context.Context, result *Result, answers search.Outcome) {
	if !answers.Complete {
		result.Proof = ProofBound
		if answers.Bound < search.Unbounded && answers.Bound > -search.Unbounded {
			result.Bound = finite(m.units(answers.Bound))
		}
		result.Errors = []*PathError{{"", "the time limit was reached before an assignment was found, or proved impossible: accepted is more time, or a template that asks for less"}}
		return
	}
	result.Status, result.Proof = StatusNotFound, ProofOptimal
	result.Conflict = m.ev.conflict(ctx)
}

func (m *model) something(ctx context.Context, result *Result, answers search.Outcome, o Options) {
	result.Status, result.Proof = StatusDone, ProofOptimal
	for _, s := range answers.Solutions {
		result.Recommendations = append(result.Recommendations, m.recommendation(s.Values))
	}
	best := result.Recommendations[0].Objective
	bound := best
	if !answers.Complete {
		result.Proof = ProofBound
		bound = m.units(answers.Bound)
		if (bound-best)*m.sign > 0 { // rounding
			bound = best
		}
	}
	result.Objective = finite(best)
	if !answers.Complete && answers.Bound <= -search.Unbounded {
		return // time was up before anything could be said
	}
	result.Bound = finite(bound)
	result.Gap = finite(math.Abs(best-bound) / max(math.Abs(best), 1e-9))
	if best == bound {
		result.Gap = finite(0)
	}
	if o.RunnerUp {
		result.RunnerUp = m.runnerUp(ctx, result, answers, o)
	}
}

func finite(v float64) *float64 { return &v }

func (o Options) count() int {
	if o.Solutions == AllSolutions || o.Solutions > MostSolutions {
		return MostSolutions
	}
	return max(1, o.Solutions)
}

// answers searches for as many assignments as are wanted.
func (m *model) answers(ctx context.Context, o Options) search.Outcome {
	if !o.Disjoint || o.count() == 1 {
		return search.Solve(ctx, m.p, search.Options{Solutions: o.count(), Slack: m.slack()})
	}
	first := search.Outcome{Complete: true, Bound: search.Unbounded}
	seen := map[string]bool{}
	left := *m.p
	left.Live = make([]search.Bits, len(m.p.Live))
	for v, live := range m.p.Live {
		left.Live[v] = live.Clone()
	}
	for len(first.Solutions) < o.count() {
		next, outcome := m.unseen(ctx, &left, seen)
		if len(first.Solutions) == 0 {
			first.Bound, first.Complete = outcome.Bound, outcome.Complete
		}
		if next == nil {
			break
		}
		first.Complete = first.Complete && outcome.Complete
		first.Solutions = append(first.Solutions, *next)
		for v, a := range next.Values {
			if u, _ := m.ev.draws[v].items[a].field("uniqueness"); u != "false" {
				left.Live[v].Unset(a)
			}
		}
	}
	return first
}

// unseen returns the best assignment of what is left that was not given before;
// where no candidate is unique the same would be found again and again.
func (m *model) unseen(ctx context.Context, left *search.Problem, seen map[string]bool) (*search.Solution, search.Outcome) {
	for k := 1; ; k *= 2 {
		outcome := search.Solve(ctx, left, search.Options{Solutions: min(k, len(seen)+1), Slack: m.slack()})
		for _, s := range outcome.Solutions {
			if key := search.Key(s.Values); !seen[key] {
				seen[key] = true
				return &s, outcome
			}
		}
		if len(outcome.Solutions) < k || k > len(seen) {
			return nil, outcome
		}
	}
}

// chosen are the items of an assignment.
func (m *model) chosen(values []int) []*item {
	all := make([]*item, len(values))
	for v, a := range values {
		all[v] = m.ev.draws[v].items[a]
	}
	return all
}

func (m *model) recommendation(values []int) Recommendation {
	all := m.chosen(values)
	r := Recommendation{Assignment: map[string]string{}, Candidates: map[string]map[string]any{}}
	for v, it := range all {
		d := m.ev.draws[v]
		r.Assignment[d.name] = it.id
		r.Candidates[d.name] = m.ev.described(d, it)
	}
	r.Objective, r.Terms = m.terms(values, all)
	return r
}

// described is all that is known of a chosen candidate.
func (ev *evaluation) described(d *draw, it *item) map[string]any {
	fields := make(map[string]any, len(it.c.Fields)+len(it.extra)+4)
	for key, v := range it.c.Fields {
		fields[key] = v
	}
	for key, v := range it.extra {
		fields[key] = v
	}
	fields["candidate_id"], fields["inventory_type"], fields["cost"] = it.id, it.kind, it.cost
	if it.provider != "" {
		fields["inventory_provider"] = it.provider
	}
	if cloudLike(it.kind) || serviceLike(it.kind) || it.kind == "vfmodule" {
		fields["existing_placement"], _ = (&item{c: &Candidate{}, existing: it.existing}).field("existing_placement")
	}
	names, ids, directives := map[string]any{}, map[string]any{}, []any{}
	for _, c := range ev.t.constraints {
		b, ok := c.body.(*hpa)
		if !ok || !slices.Contains(c.demands, d.name) || !cloudLike(it.kind) {
			continue
		}
		h := ev.hardware(c, b, d, it)
		for label, name := range h.names {
			names[label], ids[label] = name, h.ids[label]
		}
		directives = append(directives, h.directives...)
		fields["flavor_map"], fields["flavor_ids"], fields["all_directives"] = names, ids, directives
		fields["hpa_score"] = ev.hpaScore(d, it)
	}
	return fields
}
