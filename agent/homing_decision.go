package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	attrDecision     = "homingDecision"
	attrTemplate     = "homingTemplate"
	attrRequirements = "infrastructureElementRequirements"
)

// decision is the element that was chosen for one component, and why.
type decision struct {
	asked   ask
	element ngsild.EntityID
	value   map[string]any // of homingDecision
	until   time.Time      // when the figures that it relies on are too old, or its claim

	amounts map[string]float64 // what the component needs of it
	claimed time.Time          // when it was claimed; zero while nobody else chooses

	outdated bool // something that decides was changed since
}

// longest is how much of an explanation is kept in one text.
const longest = 1000

// newDecision says in words what a solved problem means for one component.
// Like every value that is written it is flat, and all keys are always there.
func newDecision(a ask, demand string, r homing.Result, own bool, at time.Time) decision {
	best := r.Recommendations[0]
	d := decision{asked: a, element: ngsild.EntityID(best.Assignment[demand])}
	d.value = map[string]any{
		"element": string(d.element), "previous": string(a.from), "cause": string(a.cause), "decidedAt": at.UTC().Format(time.RFC3339),
		"template": map[bool]string{true: "service", false: "generated"}[own], "components": int64(len(best.Assignment)),
		"objective": number(best.Objective), "proof": r.Proof, "gap": "", "terms": termsText(best.Terms),
		"runnerUp": "", "runnerUpObjective": "", "whyNot": "", "removed": removedText(r.Removed[demand], demand),
		"notOn": a.notOn, "claim": "",
	}
	if r.Proof == homing.ProofBound && r.Gap != nil {
		d.value["gap"] = number(*r.Gap)
	}
	if up := r.RunnerUp; up != nil {
		d.value["runnerUp"], d.value["runnerUpObjective"] = up.Assignment[demand], number(up.Objective)
		d.value["whyNot"] = shorten(strings.Join(up.Why, "; "))
	}
	return d
}

// noDecision is homingDecision before there is one.
var noDecision = map[string]any{
	"element": "", "previous": "", "cause": "", "decidedAt": "", "template": "", "components": int64(0), "objective": "", "proof": "", "gap": "",
	"terms": "", "runnerUp": "", "runnerUpObjective": "", "whyNot": "", "removed": "", "notOn": "", "claim": "",
}

// number writes a figure as text: brokers keep big whole numbers badly.
func number(v float64) string { return fmt.Sprintf("%.6g", v) }

func shorten(text string) string {
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

func termsText(terms []homing.Term) string {
	var parts []string
	for _, t := range terms {
		parts = append(parts, t.Function+" "+number(t.Value))
	}
	return shorten(strings.Join(parts, ", "))
}

// removedText counts the candidates that each constraint left no place for.
func removedText(removed map[string]int, demand string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(removed)) {
		if n := removed[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", strings.TrimSuffix(name, " of "+demand), n))
		}
	}
	return shorten(strings.Join(parts, ", "))
}

// decided is what homingDecision says of the last choice.
type decided struct {
	element, previous ngsild.EntityID
	at                time.Time
	notOn             string // where moves from previous had failed before, with spaces between
}

func decidedOn(e *ngsild.Entity) decided {
	value, _ := e.Attrs[attrDecision].Value.(map[string]any)
	text := func(key string) string { s, _ := value[key].(string); return s }
	at, _ := time.Parse(time.RFC3339, text("decidedAt")) // unreadable: long ago
	return decided{ngsild.EntityID(text("element")), ngsild.EntityID(text("previous")), at, text("notOn")}
}

// home asks for an element where the component wants one, and writes the answer
// when it is there, so that the steps after it go on with the new element.
func (r *reconciler) home(ctx context.Context, p *pass) error {
	if r.homer == nil || p.allocated != nil { // who asked for it has chosen
		return nil
	}
	why, wait := r.causeOf(p)
	if wait > 0 {
		p.wake(wait)
	}
	if why == settled {
		r.homer.withdraw(p.id)
		if p.order == overload && wait > 0 {
			p.homing = &answer{message: "it was moved a short while ago, and is left alone for now"}
		}
		return nil
	}
	d, answer := r.homer.consult(newAsk(p, why, r.now()))
	p.homing = answer
	if d == nil {
		return nil
	}
	if !p.read && r.now().Sub(p.heard) > placeWithin {
		r.tracker.update(p.id, func(rec *record) { rec.doubt = true })
		return errSuperseded
	}
	fits, err := r.stillFits(ctx, p, d)
	if err != nil {
		return err
	}
	if !fits {
		r.homer.reject(p.id)
		return nil
	}
	return r.writeDecision(ctx, p, d)
}

// stillFits looks at the chosen element again before the choice is written, and
// at the one that is to be left.
func (r *reconciler) stillFits(ctx context.Context, p *pass, d *decision) (bool, error) {
	if err := r.stillAils(ctx, d); err != nil {
		return false, err
	}
	element, err := r.links.get(ctx, p.id, d.element)
	if err != nil {
		return false, fmt.Errorf("read the chosen element: %w", err)
	}
	return element != nil && ready(element), nil
}

// stillAils reads an element that is to be left, unless that was ordered: absence is
// a hint until the broker has proved it, silence may have been broken since the last
// reading, and word of a change may have been lost. It is errSuperseded if there is
// no such reason any more.
func (r *reconciler) stillAils(ctx context.Context, d *decision) error {
	if d.asked.cause == causeStarting || d.asked.cause == causeOverload {
		return nil
	}
	there, err := proveAbsent(ctx, r.client, d.asked.from, r.proofSubscription())
	if err != nil {
		return fmt.Errorf("look at the element before: %w", err)
	}
	if r.homer.ailsNow(d.asked.from, there) == d.asked.cause {
		return nil
	}
	if there == nil {
		r.enqueue(r.links.doubt(d.asked.from))
	} else {
		r.enqueue(r.links.put(*there, time.Time{}))
	}
	return errSuperseded
}

// writeDecision writes the element and the reasons in one PATCH, and has the
// rest of the pass work with it. A component that moves is Migrating from then
// on, which says that its order was taken, and that it does not run there yet.
func (r *reconciler) writeDecision(ctx context.Context, p *pass, d *decision) error {
	if r.tracker.version(p.id) != p.version {
		return errSuperseded // never decide from older knowledge than the last notification
	}
	attrs := map[string]any{
		attrElement:  map[string]any{"type": "Relationship", "object": string(d.element)},
		attrDecision: map[string]any{"type": "Property", "value": d.value},
	}
	result := "placed"
	if d.asked.from != "" {
		result = "moved"
		attrs[attrStatus] = enumAttribute(&p.entity, attrStatus, "ServiceComponentStatus", statusMigrating)
	}
	if r.cfg.DryRun {
		r.logOf(p).Info("would place", "element", d.element, "cause", d.asked.cause)
		return nil
	}
	err := r.client.Merge(ctx, p.id, attrs)
	r.tracker.said(&p.view, attrs, err)
	r.metrics.statusWrites.WithLabelValues(outcome(err)).Inc()
	if errors.Is(err, ngsild.ErrNotFound) {
		r.tracker.update(p.id, func(rec *record) { rec.absent = true })
		return errSuperseded
	}
	if err != nil {
		return fmt.Errorf("write the chosen element: %w", err)
	}
	r.metrics.homingDecisions.WithLabelValues(result).Inc()
	r.logOf(p).Info("component "+result, "element", d.element, "from", d.asked.from, "cause", d.asked.cause)
	if d.asked.from != "" {
		r.events.add(r.news(p, false, reasonMoving, fmt.Sprintf("from %s to %s: %s", d.asked.from, d.element, d.asked.cause)))
	}
	r.decisionWritten(p, attrs)
	r.homer.withdraw(p.id)
	p.homing = nil
	p.placement, err = r.place(ctx, p)
	return err
}

// decisionWritten takes what was written as done, so that its echo is a no-op.
// Whatever was heard meanwhile, the room counts as taken from now on; whether
// that is still true, the next pass reads.
func (r *reconciler) decisionWritten(p *pass, attrs map[string]any) {
	p.entity = applied(p.entity, attrs)
	r.tracker.update(p.id, func(rec *record) {
		if rec.version == p.version {
			rec.entity = pack(p.entity)
		} else {
			rec.entity, rec.doubt = pack(applied(unpack(rec.entity), attrs)), true
		}
		rec.remember(attrs)
		rec.heard = r.now()
	})
	if p.order == overload {
		r.tracker.carriedOut(&p.view)
		p.view.order = none
	}
}

// remember notes what was written, so that its echo is known.
func (rec *record) remember(attrs map[string]any) {
	wrote := maps.Clone(rec.wrote)
	if wrote == nil {
		wrote = map[string]string{}
	}
	maps.Copy(wrote, written(attrs))
	rec.wrote = wrote
}
