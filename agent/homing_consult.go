package agent

import (
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// ask is one component's wish for an element.
type ask struct {
	id           ngsild.EntityID
	service      ngsild.EntityID // or the component itself, if it is of none
	cause        cause
	from         ngsild.EntityID // where it is now
	notOn        string          // where it shall not go, with spaces between: moves there failed
	requirements ngsild.EntityID
	template     string // the service's own, empty if there is none
}

// failedFor is how long an element is not chosen again on which a component did not
// come up. One that runs nowhere would go from one to the other for ever.
const failedFor = time.Hour

func newAsk(p *pass, why cause, now time.Time) ask {
	a := ask{id: p.id, service: serviceOf(&p.entity), cause: why, from: firstLink(&p.entity, attrElement),
		requirements: firstLink(&p.entity, attrRequirements)}
	if a.service == "" {
		a.service = p.id
	}
	if d := decidedOn(&p.entity); a.from != "" && d.previous == a.from && d.element != a.from && now.Sub(d.at) < failedFor {
		a.notOn = strings.TrimSpace(d.notOn + " " + string(d.element)) // it was taken back
	}
	if p.input.Service != nil {
		a.template = templateText(p.input.Service)
	}
	return a
}

// answer is what is to be said while no element is chosen.
type answer struct {
	phase           mapping.Phase
	reason, message string
	pending         bool // nothing was found out yet
}

var beingChosen = &answer{mapping.Unplaced, reasonPlacing, "an element is being chosen", true}

// consult notes the wish and returns what was chosen or, with nil, what is to
// be said meanwhile.
func (h *homer) consult(a ask) (*decision, *answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if of, ok := h.of[a.id]; ok && of != a.service {
		h.drop(a.id)
	}
	s, ok := h.services[a.service]
	if !ok {
		s = &waiting{asks: map[ngsild.EntityID]ask{}, decisions: map[ngsild.EntityID]decision{}}
		h.services[a.service] = s
	}
	if had, ok := s.asks[a.id]; !ok || had != a {
		s.asks[a.id], h.of[a.id] = a, a.service
		if had.notOn = a.notOn; had == a && s.refusals[a.id] != nil {
			s.retry = h.now() // an element may be tried again: what was said holds until more is known
			h.hurry()
		} else {
			h.gather(s, a.id)
		}
	}
	switch d, ok := s.decisions[a.id]; {
	case ok && !d.outdated && h.now().Before(d.until):
		return &d, beingChosen
	case ok:
		h.gather(s, a.id)
	}
	if said := s.refusals[a.id]; said != nil && s.first.IsZero() {
		return nil, said
	}
	return nil, beingChosen
}

// gather has a service solved soon, since one of its components needs it.
// Caller holds mu.
func (h *homer) gather(s *waiting, id ngsild.EntityID) {
	delete(s.decisions, id)
	s.last = h.now()
	if s.first.IsZero() {
		s.first = s.last
	}
	s.early, s.hasty = false, 0
	h.hurry()
}

// hurry has run look again at what is due.
func (h *homer) hurry() {
	select {
	case h.poke <- struct{}{}:
	default:
	}
}

// reject has the component's service solved anew before long: what was chosen
// fits no more, or only the list of elements says that it is there.
func (h *homer) reject(id ngsild.EntityID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.metrics.homingDecisions.WithLabelValues("outdated").Inc()
	h.inventory.doubt()
	s := h.services[h.of[id]]
	if s == nil {
		return
	}
	if s.refusals == nil {
		s.refusals = map[ngsild.EntityID]*answer{}
	}
	s.refusals[id] = &answer{phase: mapping.Unplaced, reason: reasonPlacing, message: "the chosen element is gone or not ready; another will be chosen"}
	delete(s.decisions, id)
	s.retry, s.early = h.now().Add(min(retryChange<<min(s.hasty, 10), retryMost)), true
	h.hurry()
}

// withdraw forgets the wish of a component, if it had one.
func (h *homer) withdraw(id ngsild.EntityID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(id)
}

func (h *homer) drop(id ngsild.EntityID) {
	service, ok := h.of[id]
	if !ok {
		return
	}
	delete(h.of, id)
	s := h.services[service]
	delete(s.asks, id)
	delete(s.decisions, id)
	delete(s.refusals, id)
	if len(s.asks) == 0 {
		delete(h.services, service)
	}
	if !s.first.IsZero() {
		h.hurry() // it may have waited for this one
	}
}

// required hears that requirements were changed, which may decide otherwise for
// whoever waits with them.
func (h *homer) required(id ngsild.EntityID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = map[ngsild.EntityID]bool{}
	}
	h.changed[id] = true
	for _, s := range h.services {
		for _, a := range s.asks {
			if a.requirements != id {
				continue
			}
			if d, ok := s.decisions[a.id]; ok { // it may be on its way to the broker
				d.outdated = true
				s.decisions[a.id] = d
			} else {
				h.gather(s, a.id)
			}
		}
	}
}

// elementChanged hears that more than figures of an element changed.
func (h *homer) elementChanged() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inventory.doubt()
	if len(h.services) > 0 {
		h.hurry()
	}
}
