package agent

import (
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// What HOMING can be.
const (
	homingOff  = "off"
	homingAuto = "auto"
)

// cause is why a component wants an element chosen for it.
type cause string

const (
	settled       cause = "" // it wants none
	causeStarting cause = "Starting"
	causeOverload cause = "Overload"
	causeGone     cause = "ElementMissing"
	causeNotReady cause = "ElementNotReady"
	causeSilent   cause = "ElementSilent"
)

// restGraces is for how many HOMING_GRACEs a component that was moved is left
// where it is, unless that element is gone: so it cannot go back and forth.
const restGraces = 5

// causeOf says why the component wants an element chosen for it, if it does and
// that is ours to do, and otherwise when to look again (0: not by time).
func (r *reconciler) causeOf(p *pass) (cause, time.Duration) {
	switch {
	case p.paused, p.order == removing, !r.handles(p.input.Service):
		return settled, 0
	case p.want == unplaced && (p.order == starting || refusedUnplaced(&p.entity)):
		return causeStarting, 0
	case p.want != wanted, r.cfg.SyncPolicy == syncCreate, underWay(p.live):
		return settled, 0
	}
	why, wait := r.homer.unfit(p, r.cfg.HomingGrace)
	if p.order == overload {
		why, wait = causeOverload, 0
	}
	if why == settled || why == causeGone && !r.onOurs(p) {
		return settled, wait
	}
	decided := decidedOn(&p.entity)
	whole := restGraces * r.cfg.HomingGrace
	rest := decided.at.Add(whole).Sub(r.now()) // a longer one was begun by a clock that was wrong,
	if left := p.onSince.Add(whole).Sub(r.now()); !p.onSince.IsZero() && left < rest {
		rest = left // and is not begun when that clock's time has come
	}
	if decided.previous != "" && why != causeGone && rest > 0 && rest <= whole {
		return settled, rest
	}
	return why, 0
}

// onOurs says whether an element that is gone was one of ours, as far as can be
// told: one of another domain may only be out of sight.
func (r *reconciler) onOurs(p *pass) bool {
	id := strings.TrimPrefix(string(firstLink(&p.entity, attrElement)), "urn:ngsi-ld:")
	domain, _, _ := strings.Cut(strings.TrimPrefix(id, typeElement+":"), ":")
	return len(p.live) > 0 || r.domains.ours(entityID(domain))
}

// refusedUnplaced says whether the component waits for a better template or
// requirements: it was reported as Failed for that, and is still to be placed.
func refusedUnplaced(e *ngsild.Entity) bool {
	said := reported(e)
	return said.Phase == mapping.Refused && (said.Reason == reasonTemplateInvalid || said.Reason == reasonRequirementsInvalid)
}

// underWay says whether a move has not arrived yet: one at a time.
func underWay(live []*llo.Live) bool {
	for _, l := range live {
		if movingFrom(l).from != "" {
			return true
		}
	}
	return false
}

// ailing is an element that does not do any more, and since when.
type ailing struct {
	why   cause
	since time.Time
}

// unfit says whether the component's element does not do any more, for as long
// as grace; until then it says when to look again.
func (h *homer) unfit(p *pass, grace time.Duration) (cause, time.Duration) {
	id := firstLink(&p.entity, attrElement)
	h.mu.Lock()
	defer h.mu.Unlock()
	why := h.ails(id, p.input.Element)
	if why == settled {
		delete(h.ailing, id)
		return settled, 0
	}
	had, known := h.ailing[id]
	if !known {
		had.since = h.now()
	}
	had.why = why
	h.ailing[id] = had
	if wait := had.since.Add(grace).Sub(h.now()); wait > 0 {
		return settled, wait
	}
	return why, 0
}

// ails says what is wrong with an element now. Caller holds mu.
func (h *homer) ails(id ngsild.EntityID, element *ngsild.Entity) cause {
	switch {
	case element == nil:
		return causeGone
	case !ready(element):
		return causeNotReady
	case h.inventory.silent(id) && !h.inventory.hushed:
		return causeSilent
	}
	return settled
}

// ailsNow says what is wrong with an element that was just read; nil: it is gone.
func (h *homer) ailsNow(id ngsild.EntityID, element *ngsild.Entity) cause {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.inventory.seen[id]; e != nil && element != nil && element.Observed.After(e.observed) {
		e.observed = element.Observed
	}
	return h.ails(id, element)
}

// attrElementStatus says whether an element may be used.
const attrElementStatus = "infrastructureElementStatus"

// ready says whether an element may be used; one that does not say may.
func ready(element *ngsild.Entity) bool {
	word := element.Enum(attrElementStatus)
	return word == "" || equalFold(word, "Ready")
}
