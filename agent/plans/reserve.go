package plans

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// reserveFor reserves what the template asks for, on the first recommendation for
// which that succeeds. Which candidates may be reserved is written first, so that
// an agent that dies meanwhile can release them.
func (b *Book) reserveFor(ctx context.Context, p *plan, o *order, t *homing.Template, r homing.Result, message string, counted claims.Counted) error {
	p.Status = Solved
	if err := b.save(ctx, p); err != nil {
		return gone(err)
	}
	text, err := compact(outcome{Reserved: candidates(t, r.Recommendations)})
	if err != nil {
		return err
	}
	p.Status, p.Outcome = Reserving, text
	if err := b.save(ctx, p, attrOutcome); err != nil {
		return gone(err)
	}
	with := b.Systems.Reserver(p.ID)
	chosen, err := homing.Reserve(ctx, t, r.Recommendations, with)
	if ctx.Err() != nil { // the next start, if the plan is still there, begins with releasing
		return errors.Join(err, ctx.Err())
	}
	if errors.Is(err, ngsild.ErrRetry) { // it was not sent
		return err
	}
	if err != nil {
		return b.fail(ctx, p, outcome{Notes: r.Notes}, "nothing could be reserved: "+err.Error())
	}
	if chosen > 0 {
		if err := b.hold(ctx, p, t, r.Recommendations[chosen], counted); err != nil {
			if errors.Is(err, claims.ErrTaken) {
				b.releaseAll(ctx, t, p)
			}
			return err
		}
	}
	last := min(chosen+o.Solutions, len(r.Recommendations))
	r.Recommendations = r.Recommendations[chosen:last]
	out := outcomeOf(t, r)
	if chosen > 0 {
		out.Optimal, out.Bound, out.Gap, out.RunnerUp = new(bool), nil, nil, nil
		message = "what is better could not be reserved"
	}
	return b.end(ctx, p, Done, out, message)
}

// candidates are those that reservations may be about, by their names.
func candidates(t *homing.Template, recs []homing.Recommendation) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, r := range t.Reservations() {
		all[r.Name] = map[string]bool{}
		for _, rec := range recs {
			all[r.Name][rec.Assignment[r.Demand]] = true
		}
	}
	return all
}

// releaseAll releases whatever an earlier attempt may have reserved. That fails
// quietly: the controller may not know of it.
func (b *Book) releaseAll(ctx context.Context, t *homing.Template, p *plan) {
	var out outcome
	if json.Unmarshal([]byte(p.Outcome), &out) != nil {
		return
	}
	with := b.Systems.Reserver(p.ID)
	for _, r := range t.Reservations() {
		for candidate := range out.Reserved[r.Name] {
			if err := with.Release(ctx, r, candidate); err != nil && !errors.Is(err, ngsild.ErrRetry) {
				b.Log.Warn("a reservation could not be released", "plan", p.ID, "reservation", r.Name, "candidate", candidate, "err", err)
			}
		}
	}
}
