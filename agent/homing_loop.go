package agent

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	gatherQuiet = 500 * time.Millisecond // a service is solved when nothing more of it has come for so long,
	gatherMost  = 5 * time.Second        // or so long after the first
	solveTime   = 10 * time.Second       // the solver stops then with the best that it has
	figuresAge  = 30 * time.Second       // a choice that relies on older figures is made anew

	retryMost   = 5 * time.Minute  // what did not fit is tried again so often, and earlier
	retryFirst  = 20 * time.Second // where a figure got better
	retryChange = 5 * time.Second  // or something else changed; each such try doubles these two
)

// homer chooses elements for the components that want one. It solves one
// service at a time, all its components that want one together, and keeps what
// it chose until it is written, so that no two services get the same room.
// Passes consult it and never wait for it.
type homer struct {
	client  *ngsild.Client
	tracker *tracker
	links   *links
	systems *systems.Set
	metrics *metrics
	log     *slog.Logger
	now     func() time.Time
	again   func(ngsild.EntityID) // has a component's pass run soon
	poke    chan struct{}         // something is due earlier than was thought

	promises promises          // of the goroutine of run alone, as are the next two
	elements *homing.Inventory // made of the entities that were read at readAt
	readAt   time.Time

	mu        sync.Mutex
	services  map[ngsild.EntityID]*waiting
	of        map[ngsild.EntityID]ngsild.EntityID // the service by which a component waits
	ailing    map[ngsild.EntityID]ailing
	inventory inventory
	changed   map[ngsild.EntityID]bool // requirements that were changed since they were read
}

// ask is one component's wish for an element.
type ask struct {
	id           ngsild.EntityID
	service      ngsild.EntityID // or the component itself, if it is of none
	cause        cause
	from         ngsild.EntityID // where it is now
	notOn        ngsild.EntityID // where it shall not go: a move there failed
	requirements ngsild.EntityID
	template     string // the service's own, empty if there is none
}

func newAsk(p *pass, why cause) ask {
	a := ask{id: p.id, service: serviceOf(&p.entity), cause: why, from: firstLink(&p.entity, attrElement),
		requirements: firstLink(&p.entity, attrRequirements)}
	if a.service == "" {
		a.service = p.id
	}
	if d := decidedOn(&p.entity); a.from != "" && d.element != a.from {
		a.notOn = d.element
	}
	if p.input.Service != nil {
		a.template = templateText(p.input.Service)
	}
	return a
}

// waiting is a service with components that want an element.
type waiting struct {
	asks        map[ngsild.EntityID]ask
	decisions   map[ngsild.EntityID]decision
	first, last time.Time // of the asks that were not yet looked at; zero if all were
	refusals    map[ngsild.EntityID]*answer
	tried       time.Time
	retry       time.Time // when what did not fit is tried again
	early       bool      // and that is earlier than it had to be
	hasty       int       // tries in a row that were
}

// answer is what is to be said while no element is chosen.
type answer struct {
	phase           mapping.Phase
	reason, message string
	pending         bool // nothing was found out yet
}

var beingChosen = &answer{mapping.Unplaced, reasonPlacing, "an element is being chosen", true}

func newHomer(r *reconciler) *homer {
	return &homer{
		client: r.client, tracker: r.tracker, links: r.links, systems: r.systems, metrics: r.metrics, log: r.log, now: r.now,
		again: r.queue.Add, poke: make(chan struct{}, 1), promises: promises{},
		services: map[ngsild.EntityID]*waiting{}, of: map[ngsild.EntityID]ngsild.EntityID{}, ailing: map[ngsild.EntityID]ailing{},
		inventory: newInventory(r.cfg.HomingStale, r.now),
	}
}

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
		h.gather(s, a.id)
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

// run solves what is due until ctx ends.
func (h *homer) run(ctx context.Context) error {
	for {
		timer := time.NewTimer(h.due())
		select {
		case <-h.poke:
			timer.Stop()
			continue
		case <-timer.C:
			h.work(ctx)
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// due says how long there is nothing to do.
func (h *homer) due() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := h.inventory.due(len(h.services) > 0)
	for _, s := range h.services {
		if at := s.due(); !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	if next.Before(h.inventory.retry) {
		next = h.inventory.retry
	}
	return max(next.Sub(h.now()), 0)
}

// due says when a service is to be solved; zero: not by time. What was chosen
// before is written first, or has become too old.
func (s *waiting) due() time.Time {
	at := s.retry
	if !s.first.IsZero() {
		at = s.last.Add(gatherQuiet)
		if most := s.first.Add(gatherMost); most.Before(at) {
			at = most
		}
	}
	for _, d := range s.decisions {
		if !at.IsZero() && at.Before(d.until) {
			at = d.until
		}
	}
	return at
}

// work looks at the inventory where that is due, and solves what is.
func (h *homer) work(ctx context.Context) {
	if len(h.dueServices()) == 0 {
		h.refresh(ctx, false) // which may make some due
	}
	for _, id := range h.dueServices() {
		if !h.refresh(ctx, true) || ctx.Err() != nil {
			return
		}
		h.solve(ctx, id)
	}
}

// dueServices are those to be solved now, who waits longest first.
func (h *homer) dueServices() []ngsild.EntityID {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	var ids []ngsild.EntityID
	for id, s := range h.services {
		if at := s.due(); !at.IsZero() && !at.After(now) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b ngsild.EntityID) int {
		if c := h.services[a].due().Compare(h.services[b].due()); c != 0 {
			return c
		}
		return compareID(a, b)
	})
	return ids
}

// waitingComponents counts the components that want an element.
func (h *homer) waitingComponents() int {
	if h == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.of)
}

// refusedComponents counts those for which no element was found.
func (h *homer) refusedComponents() int {
	if h == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, s := range h.services {
		n += len(s.refusals)
	}
	return n
}

// inventoryAge is how old the figures are; -1 s while there are none.
func (h *homer) inventoryAge() time.Duration {
	if h == nil {
		return -time.Second
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inventory.asked.IsZero() {
		return -time.Second
	}
	return h.now().Sub(h.inventory.asked)
}
