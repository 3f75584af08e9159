package plans

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// spare is how many recommendations are looked for at least where something is to
// be reserved, so that there is another when one cannot be.
const spare = 5

// work brings a plan to its end. An error means that it is to be tried again:
// the broker gave no answer. Nothing is written when ctx ends.
func (b *Book) work(ctx context.Context, id string) (err error) {
	p, err := b.load(ctx, id)
	if errors.Is(err, ngsild.ErrNotFound) {
		return nil
	}
	if err != nil || p.Status.final() {
		return err
	}
	defer func() {
		if cause := recover(); cause != nil { // a defect of the solver fails one plan, not the agent
			b.Log.Error("working on a plan panicked", "plan", id, "err", cause, "stack", string(debug.Stack()))
			err = b.fail(ctx, &p, outcome{}, "internal error: this plan cannot be solved")
		}
	}()
	var o order
	if err := json.Unmarshal([]byte(p.Order), &o); err != nil {
		return b.fail(ctx, &p, outcome{}, "the plan's entity was changed by somebody else, and cannot be read")
	}
	t, wrong := o.parse()
	if len(wrong) > 0 { // it was right once: the agent is another one now
		return b.fail(ctx, &p, outcome{Errors: wrong}, "the template is not accepted any more")
	}
	if p.Status == Reserving {
		b.releaseAll(ctx, t, &p)
	}
	if p.Attempts >= mostAttempts {
		return b.fail(ctx, &p, outcome{}, fmt.Sprintf("given up: the agent ended %d times while it worked on it", p.Attempts))
	}
	inv, counted, err := b.inventory(ctx, &p, &o)
	if err != nil {
		return err
	}
	if _, wrong := homing.Translate(t, inv); len(wrong) > 0 {
		wrong = within(wrong)
		return b.fail(ctx, &p, outcome{Errors: wrong}, summary(wrong))
	}
	for _, p.Status = range []Status{Translated, Solving} {
		if p.Status == Solving {
			p.Attempts++
		}
		if err := b.save(ctx, &p, attrAttempts); err != nil {
			return gone(err)
		}
	}
	for n := 1; ; n++ {
		err := b.solve(ctx, &p, &o, t, inv, counted)
		switch {
		case !errors.Is(err, claims.ErrTaken):
			return gone(err)
		case n == mostContests:
			return b.fail(ctx, &p, outcome{}, fmt.Sprintf("%v, %d times: ask again", claims.ErrTaken, n))
		}
		if inv, counted, err = b.inventory(ctx, &p, &o); err != nil {
			return err
		}
	}
}

// inventory reads what there is to choose from, and which room of it others have.
func (b *Book) inventory(ctx context.Context, p *plan, o *order) (*homing.Inventory, claims.Counted, error) {
	taken, err := b.Claims(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read what others claim: %w", err)
	}
	inv, err := b.Inventory(ctx, o.Template)
	if err != nil {
		return nil, nil, fmt.Errorf("read the inventory: %w", err)
	}
	taken = slices.DeleteFunc(taken, func(c claims.Claim) bool { return c.For == string(entityID(p.ID)) })
	if inv != nil {
		inv.CapacityInUse = taken.Sums()
	}
	return inv, taken.Counted(), nil
}

func (b *Book) solve(ctx context.Context, p *plan, o *order, t *homing.Template, inv *homing.Inventory, counted claims.Counted) error {
	wanted := o.Solutions
	if len(t.Reservations()) > 0 {
		wanted = max(wanted, spare)
	}
	limited, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	r := homing.Solve(limited, t, inv, homing.Options{Solutions: wanted, Disjoint: o.Disjoint, RunnerUp: true, Systems: b.Systems, Now: b.Now})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := outcomeOf(t, r)
	switch {
	case r.Status == homing.StatusNotFound:
		return b.end(ctx, p, NotFound, out, "no assignment satisfies the constraints; these cannot hold together: "+strings.Join(r.Conflict, ", "))
	case r.Status != homing.StatusDone:
		return b.fail(ctx, p, out, summary(r.Errors))
	}
	message := ""
	if r.Proof == homing.ProofBound {
		message = fmt.Sprintf("stopped after %d s with the best answer so far", o.Seconds)
		if r.Bound != nil {
			message += fmt.Sprintf("; nothing is better than %.6g", *r.Bound)
		}
	}
	if err := b.hold(ctx, p, t, r.Recommendations[0], counted); err != nil {
		return err
	}
	if len(t.Reservations()) == 0 {
		return b.end(ctx, p, Done, out, message)
	}
	return b.reserveFor(ctx, p, o, t, r, message, counted)
}

// outcomeOf is a result as it is kept.
func outcomeOf(t *homing.Template, r homing.Result) outcome {
	out := outcome{Bound: r.Bound, Gap: r.Gap, RunnerUp: r.RunnerUp, Removed: r.Removed, Conflict: r.Conflict, Errors: r.Errors, Notes: r.Notes, Elapsed: r.ElapsedMillis}
	for _, rec := range r.Recommendations {
		out.Recommendations = append(out.Recommendations, t.Placements(rec))
		out.Objectives = append(out.Objectives, objective{rec.Objective, rec.Terms})
	}
	if r.Status == homing.StatusDone {
		optimal := r.Proof == homing.ProofOptimal
		out.Optimal = &optimal
	}
	return out
}

// summary is what is wrong in one line.
func summary(wrong []*homing.PathError) string {
	const most = 3
	var lines []string
	for _, e := range wrong[:min(len(wrong), most)] {
		lines = append(lines, e.Error())
	}
	if n := len(wrong) - most; n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(lines, "; ")
}

func (b *Book) fail(ctx context.Context, p *plan, out outcome, message string) error {
	return b.end(ctx, p, Failed, out, message)
}

// end writes a plan's final status. What is too large to be kept is cut.
func (b *Book) end(ctx context.Context, p *plan, s Status, out outcome, message string) error {
	p.Status, p.Message = s, message
	if s != Done {
		p.Held = ""
	}
	for {
		text, err := compact(out)
		if err != nil {
			return fmt.Errorf("encode the outcome of plan %s: %w", p.ID, err)
		}
		p.Outcome = text
		if small(map[string]string{attrOutcome: text}) == nil {
			break
		}
		out.cut()
		p.Message = strings.TrimPrefix(message+"; not everything could be kept", "; ")
	}
	err := b.save(ctx, p, attrOutcome, attrHeld)
	if errors.Is(err, ngsild.ErrInvalid) { // it says why, and would refuse the same again
		p.Status, p.Outcome, p.Message = Failed, "", "the outcome could not be kept: "+err.Error()
		err = b.save(ctx, p, attrOutcome)
	}
	if err != nil {
		return gone(err)
	}
	b.Log.Info("plan ended", "plan", p.ID, "status", p.Status)
	if b.Observe != nil {
		b.Observe(p.Status)
	}
	return nil
}

// cut halves the recommendations or, when there is one, drops what explains it.
func (o *outcome) cut() {
	if n := len(o.Recommendations) / 2; n > 0 {
		o.Recommendations, o.Objectives = o.Recommendations[:n], o.Objectives[:n]
		return
	}
	*o = outcome{Optimal: o.Optimal, Bound: o.Bound, Gap: o.Gap}
}

// gone takes a plan that was deleted meanwhile for one that is done with.
func gone(err error) error {
	if errors.Is(err, ngsild.ErrNotFound) {
		return nil
	}
	return err
}
