package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// question is one service as it is put to the solver.
type question struct {
	template     string // the service's own; empty: one is generated
	asks         map[ngsild.EntityID]ask
	others       map[ngsild.EntityID]ngsild.EntityID // the service's other components, and where they are
	requirements map[ngsild.EntityID]*ngsild.Entity
	systems      *systems.Set
}

// verdict is what the solver says of it: an element for each component that
// asked, or what to say of each.
type verdict struct {
	result    string // for the metric
	decisions map[ngsild.EntityID]decision
	refusals  map[ngsild.EntityID]*answer
}

// solve answers the asks of one service. Whatever is asked meanwhile is looked
// at next time.
func (h *homer) solve(ctx context.Context, service ngsild.EntityID) {
	began := h.now()
	q, entities, busy, ok := h.question(service)
	if !ok {
		return
	}
	v, err := h.judge(ctx, service, q, entities, busy)
	if err != nil {
		if errors.Is(err, claims.ErrTaken) {
			h.metrics.homingDecisions.WithLabelValues(resultTaken).Inc()
		} else {
			h.failed(err)
		}
		h.mu.Lock()
		if s := h.services[service]; s != nil && s.first.IsZero() {
			s.first, s.last = began, began // asked as before
		}
		h.mu.Unlock()
		return
	}
	h.metrics.homingSeconds.Observe(h.now().Sub(began).Seconds())
	h.log.Debug("solved", "service", service, "components", len(q.asks), "result", v.result, "duration", h.now().Sub(began))
	for _, id := range h.keep(service, q, v) {
		h.again(id)
	}
}

// question takes what is asked for a service, and what is promised to others.
func (h *homer) question(service ngsild.EntityID) (q question, entities []ngsild.Entity, busy promises, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.services[service]
	if s == nil || !h.inventory.held {
		return q, nil, nil, false
	}
	s.first, s.retry = time.Time{}, time.Time{}
	s.decisions = map[ngsild.EntityID]decision{}
	q.asks = maps.Clone(s.asks)
	for _, id := range slices.Sorted(maps.Keys(q.asks)) {
		q.template = q.asks[id].template // where they differ, a pass that brings the newer one is on its way
	}
	// What was chosen and is not written yet, before what is written: one that is
	// written in between counts once.
	busy = promises{}
	for _, other := range h.services {
		for id, d := range other.decisions {
			busy[id] = &promise{element: d.element, requirements: d.asked.requirements}
		}
	}
	return q, h.inventory.entities, busy, true
}

// keep takes a verdict in, for those who still ask the same, and returns whom
// it is news for.
func (h *homer) keep(service ngsild.EntityID, q question, v verdict) []ngsild.EntityID {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.metrics.homingDecisions.WithLabelValues(v.result).Inc()
	s := h.services[service]
	if s == nil {
		return nil
	}
	s.tried, s.refusals = h.now(), v.refusals
	var news []ngsild.EntityID
	for id, a := range q.asks {
		if now, ok := s.asks[id]; !ok || now != a {
			continue
		}
		if d, ok := v.decisions[id]; ok {
			d.until = h.readAt.Add(figuresAge)
			if until := d.claimed.Add(claims.Use); !d.claimed.IsZero() && until.Before(d.until) {
				d.until = until
			}
			s.decisions[id] = d
		}
		news = append(news, id)
	}
	if s.hasty++; !s.early {
		s.hasty = 0
	}
	if s.early = false; len(v.refusals) > 0 {
		s.retry = s.tried.Add(retryMost)
	}
	slices.Sort(news)
	return news
}

// Results of solving, beside those of writing a decision, for the metric.
const (
	resultChosen  = "chosen"
	resultNone    = "none"
	resultInvalid = "invalid"
	resultMissing = "missing"
	resultTimeout = "timeout"
	resultTaken   = "taken"
)

// judge reads what the question needs, and solves it. Where others choose too, what it chose is claimed then.
func (h *homer) judge(ctx context.Context, service ngsild.EntityID, q question, entities []ngsild.Entity, busy promises) (verdict, error) {
	h.syncPromises()
	for id, p := range h.promises {
		if _, chosen := busy[id]; !chosen {
			busy[id] = p
		}
	}
	for id := range q.asks {
		delete(busy, id)
	}
	if err := h.readPromises(ctx, busy); err != nil {
		return verdict{}, err
	}
	taken, err := h.claimed(ctx, q)
	if err != nil {
		return verdict{}, err
	}
	wanted := []ngsild.EntityID{}
	for _, a := range q.asks {
		if a.requirements != "" {
			wanted = append(wanted, a.requirements)
		}
	}
	if q.requirements, err = listByID(ctx, h.client, wanted); err != nil {
		return verdict{}, err
	}
	q.others, q.systems = h.others(q), h.systems
	inv := *h.made(entities)
	if strings.Contains(q.template, "service_component") {
		inv = *h.make(slices.Concat(entities, h.components()))
	}
	inv.CapacityInUse = slices.Concat(taken, busy.claims(taken.Counted())).Sums()
	limited, cancel := context.WithTimeout(ctx, solveTime)
	defer cancel()
	v := q.answer(limited, &inv, h.now())
	if err := ctx.Err(); err != nil || taken == nil || len(v.decisions) == 0 {
		return v, err
	}
	return v, h.claim(ctx, service, v.decisions, taken.Counted())
}

// claimed is what others claim; nil while nobody else chooses.
func (h *homer) claimed(ctx context.Context, q question) (claims.Claims, error) {
	if !h.contested() {
		return nil, nil
	}
	all, err := h.claims(ctx)
	all = slices.DeleteFunc(all, func(c claims.Claim) bool { _, asks := q.asks[ngsild.EntityID(c.For)]; return asks })
	return append(claims.Claims{}, all...), err
}

// made is the inventory of the last reading, made once.
func (h *homer) made(entities []ngsild.Entity) *homing.Inventory {
	if asked := h.asked(); h.elements == nil || !asked.Equal(h.readAt) {
		h.elements, h.readAt = h.make(entities), asked
	}
	return h.elements
}

func (h *homer) make(entities []ngsild.Entity) *homing.Inventory {
	return homing.FromEntities(entities, homing.EntityOptions{Now: h.now(), Stale: h.silent})
}

func (h *homer) asked() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.inventory.asked
}

func (h *homer) syncPromises() {
	h.mu.Lock()
	asked, changed := h.inventory.asked, h.changed
	h.changed = nil
	h.mu.Unlock()
	h.promises.sync(h.tracker, asked, changed)
}

func (h *homer) silent(id ngsild.EntityID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.inventory.silent(id)
}

// others are the components of the same services that do not ask.
func (h *homer) others(q question) map[ngsild.EntityID]ngsild.EntityID {
	found := map[ngsild.EntityID]ngsild.EntityID{}
	if q.template == "" {
		return found
	}
	services := map[ngsild.EntityID]bool{}
	for _, a := range q.asks {
		services[a.service] = true
	}
	h.tracker.each(func(id ngsild.EntityID, rec *record) {
		if _, asks := q.asks[id]; !asks && rec.known && !rec.absent && services[serviceOf(&rec.entity)] {
			found[id] = firstLink(&rec.entity, attrElement)
			if orderOf(rec.entity.Enum(attrStatus)) == removing || equalFold(rec.entity.Enum(attrStatus), statusFinished) {
				found[id] = "" // it takes no room any more, wherever it was
			}
		}
	})
	return found
}

// components are all components, for templates that place onto running ones.
func (h *homer) components() []ngsild.Entity {
	var all []ngsild.Entity
	h.tracker.each(func(_ ngsild.EntityID, rec *record) {
		if rec.known && !rec.absent {
			all = append(all, unpack(rec.entity))
		}
	})
	return all
}
