package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	inventoryFresh = 15 * time.Second // figures that may be decided on without asking again
	inventoryBusy  = 20 * time.Second // how often it is read while something waits,
	inventoryIdle  = time.Minute      // and otherwise, so that silent elements are found

	// step is by which part an element's figure must get better to be worth
	// another try; a tenth is more than a load moves by itself all the time.
	step = 0.1
)

// inventoryTypes are the entities that a choice is made from.
var inventoryTypes = []string{typeElement, typeDomain, "LowLevelOrchestrator", typePower}

const (
	typeElement = "InfrastructureElement"
	typePower   = "PowerSource"

	typeRequirements = "InfrastructureElementRequirements"
)

// inventory is what elements are chosen from. It is read as a whole, by pages:
// load figures are not subscribed to, since a broker would send them all day and
// nobody looks at them most of the time. Between two readings only what is
// needed to tell a change that matters is kept. homer.mu guards it.
type inventory struct {
	stale time.Duration // silence that makes an element unfit; 0 is never
	now   func() time.Time
	began time.Time

	entities []ngsild.Entity // of the last reading, while something is to be decided
	held     bool            // they are there
	asked    time.Time       // when the last reading began; zero before the first
	shown    time.Time       // what the broker's clock showed then, as far as that is known
	doubted  bool            // something changed since
	retry    time.Time       // not before then, as the last reading failed
	failures int
	hushed   bool // most elements are silent: no reason to leave one
	seen     map[ngsild.EntityID]*remembered
}

// remembered is what is kept of an entity of the inventory.
type remembered struct {
	rest     uint64     // fingerprint of everything but figures
	marks    [4]float64 // the figures, as they were at the last step
	observed time.Time
	reading  time.Time // the last one that had it
	missing  bool      // a whole reading after it did not
	element  bool
}

func newInventory(stale time.Duration, now func() time.Time) inventory {
	return inventory{stale: stale, now: now, began: now(), seen: map[ngsild.EntityID]*remembered{}}
}

// due is when it is to be read next.
func (v *inventory) due(busy bool) time.Time {
	switch {
	case v.asked.IsZero() && !busy:
		return v.began.Add(inventoryFresh)
	case v.doubted && busy:
		return v.asked.Add(retryChange)
	case busy:
		return v.asked.Add(inventoryBusy)
	}
	idle := inventoryIdle
	if v.stale > 0 {
		idle = min(idle, max(v.stale/2, time.Second))
	}
	return v.asked.Add(idle)
}

// doubt has it read again before anything is decided on it.
func (v *inventory) doubt() { v.doubted = true }

// silent says whether an element has said nothing for too long. One that never
// says when it was observed is never silent. While most are silent it is rather
// that they are not heard, or clocks that differ: see hushed. Our own clock may be
// the wrong one; the broker's is hardly.
func (v *inventory) silent(id ngsild.EntityID) bool {
	e := v.seen[id]
	return v.stale > 0 && e != nil && !e.observed.IsZero() && v.shown.Sub(e.observed) > v.stale
}

// refresh reads the inventory if that is due, and has what was refused tried
// again where something got better. It says whether the inventory is usable.
func (h *homer) refresh(ctx context.Context, deciding bool) bool {
	h.mu.Lock()
	busy, now := len(h.services) > 0, h.now()
	v := &h.inventory
	usable := v.held && !v.doubted && now.Sub(v.asked) <= inventoryFresh
	if usable && deciding || !deciding && v.due(busy).After(now) {
		h.mu.Unlock()
		return usable
	}
	v.entities, v.held, h.elements = nil, false, nil // they are large, and too old
	h.mu.Unlock()

	var entities []ngsild.Entity
	_, err := h.client.List(ctx, ngsild.Query{Types: inventoryTypes}, func(page []ngsild.Entity) error {
		entities = append(entities, page...)
		return nil
	})
	var unreadable ngsild.EntityError
	if err != nil && !errors.Is(err, ngsild.ErrShortList) && !errors.As(err, &unreadable) {
		h.failed(err)
		return false
	}
	h.take(entities, now, !errors.Is(err, ngsild.ErrShortList))
	return true
}

// failed puts the next reading off.
func (h *homer) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := &h.inventory
	wait := min(time.Second<<min(v.failures, 5), 15*time.Second)
	v.failures++
	v.retry = h.now().Add(wait)
	h.log.Warn("the elements cannot be read, will ask again", "after", wait, "err", err)
}

// take takes a reading in, and wakes what it is news for. Only a whole one is
// believed for what it lacks, and then only as a reason to ask for that.
func (h *homer) take(entities []ngsild.Entity, asked time.Time, whole bool) {
	h.syncPromises()
	promised := h.promises.sums()
	h.mu.Lock()
	v := &h.inventory
	first := v.asked.IsZero()
	v.asked, v.doubted, v.retry, v.failures = asked, false, time.Time{}, 0
	if v.shown = h.tracker.broker.by(asked); v.shown.IsZero() {
		v.shown = asked
	}
	elements, quiet := 0, 0
	var woken []ngsild.EntityID
	changed, better := false, false
	for i := range entities {
		e := &entities[i]
		silent, missing := v.silent(e.ID), v.seen[e.ID] != nil && v.seen[e.ID].missing
		c, b := v.remember(e, promised[string(e.ID)])
		changed, better = changed || c, better || b
		if e.Type != typeElement {
			continue
		}
		elements++
		if v.silent(e.ID) {
			quiet++
		}
		if v.silent(e.ID) != silent || missing {
			woken = append(woken, e.ID)
		}
	}
	v.hushed = 2*quiet > elements
	for i := range entities {
		if e := &entities[i]; e.Type == typeElement && h.ails(e.ID, e) == settled {
			delete(h.ailing, e.ID) // passes that look at it may be long in coming
		}
	}
	if whole {
		woken = append(woken, v.lacking()...)
	}
	if !first && (changed || better) {
		h.reconsider(changed)
	}
	if h.soon(asked.Add(inventoryFresh)) { // otherwise they would be read again before they are used
		v.entities, v.held = entities, true
	}
	h.mu.Unlock()
	for _, id := range woken {
		for _, component := range h.links.doubt(id) {
			h.again(component)
		}
	}
}

// soon says whether a service is to be solved before a time. Caller holds mu.
func (h *homer) soon(at time.Time) bool {
	for _, s := range h.services {
		if due := s.due(); !due.IsZero() && due.Before(at) {
			return true
		}
	}
	return false
}

// lacking are the elements that this reading was the first to lack. Those that
// were lacking for long are forgotten.
func (v *inventory) lacking() []ngsild.EntityID {
	var ids []ngsild.EntityID
	for id, e := range v.seen {
		switch {
		case e.reading.Equal(v.asked):
		case !e.missing:
			e.missing = true
			if e.element {
				ids = append(ids, id)
			}
		case v.asked.Sub(e.reading) > time.Hour:
			delete(v.seen, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// reconsider has everything that was refused tried again, sooner when more than
// figures changed, and ever later when that did not help. Caller holds mu.
func (h *homer) reconsider(changed bool) {
	apart := retryFirst
	if changed {
		apart = retryChange
	}
	for _, s := range h.services {
		if at := s.tried.Add(min(apart<<min(s.hasty, 10), retryMost)); !s.retry.IsZero() && at.Before(s.retry) {
			s.retry, s.early = at, true
		}
	}
}
