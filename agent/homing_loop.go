package agent

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/homing"
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

	who       string      // the agent, in claims
	contested func() bool // whether somebody else may choose from the same elements
	claims    func(context.Context) (claims.Claims, error)

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

func newHomer(r *reconciler, contested func() bool) *homer {
	return &homer{
		client: r.client, tracker: r.tracker, links: r.links, systems: r.systems, metrics: r.metrics, log: r.log, now: r.now,
		again: r.queue.Add, poke: make(chan struct{}, 1), promises: promises{},
		who: r.cfg.AgentID, contested: contested, claims: r.claims,
		services: map[ngsild.EntityID]*waiting{}, of: map[ngsild.EntityID]ngsild.EntityID{}, ailing: map[ngsild.EntityID]ailing{},
		inventory: newInventory(r.cfg.HomingStale, r.now),
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
