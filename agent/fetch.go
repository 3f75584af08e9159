package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

type fetchRequest struct {
	id   ngsild.EntityID
	done chan error
}

// run answers fetches: what is asked for while a read is under way goes out
// together in the next one, so a burst of new components costs few reads.
func (l *links) run(ctx context.Context) error {
	for {
		var batch []fetchRequest
		select {
		case r := <-l.fetch:
			batch = append(batch, r)
		case <-ctx.Done():
			return nil
		}
		for more := true; more && len(batch) < 100; {
			select {
			case r := <-l.fetch:
				batch = append(batch, r)
			default:
				more = false
			}
		}
		err := l.load(ctx, batch)
		for _, r := range batch {
			r.done <- err
		}
	}
}

func (l *links) load(ctx context.Context, batch []fetchRequest) error {
	var ids []ngsild.EntityID
	for _, r := range batch {
		if _, ok := l.cached(r.id); !ok {
			ids = append(ids, r.id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil
	}
	asked := l.now()
	if len(ids) == 1 { // by id: this also finds what lives in another domain's broker
		e, err := l.client.Entity(ctx, ids[0])
		switch {
		case err == nil:
			l.answered(e)
		case errors.Is(err, ngsild.ErrNotFound):
			l.missing(ids, asked)
		default:
			return err
		}
		return nil
	}
	_, err := l.client.List(ctx, ngsild.Query{IDs: ids}, func(page []ngsild.Entity) error {
		for _, e := range page {
			l.answered(e)
		}
		return nil
	})
	if err != nil && !errors.Is(err, ngsild.ErrShortList) {
		return err
	}
	l.missing(ids, asked)
	return nil
}

// answered takes in what was read, unless a notification has said it meanwhile.
func (l *links) answered(e ngsild.Entity) {
	if _, ok := l.cached(e.ID); !ok {
		l.put(e, time.Time{})
	}
}

// missing notes which of ids the broker does not have. The next list, or a
// notification of the entity, corrects it.
func (l *links) missing(ids []ngsild.EntityID, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if _, ok := l.entities[id]; !ok {
			l.entities[id] = &linked{exists: false, checked: asked}
		}
	}
}

// input gathers what rendering a component needs. Missing entities are nil. If
// what matters is not f any more, that is errSuperseded: what was gathered may
// lack attributes.
func (l *links) input(ctx context.Context, c ngsild.Entity, f *followed) (mapping.Input, error) {
	in := mapping.Input{Component: c}
	var used []ngsild.EntityID
	var failed error
	get := func(id ngsild.EntityID) *ngsild.Entity {
		if id == "" || failed != nil {
			return nil
		}
		used = append(used, id)
		e, err := l.get(ctx, c.ID, id)
		failed = err
		return e
	}
	in.Service = get(serviceOf(&c))
	if in.Element = get(firstLink(&c, attrElement)); in.Element != nil {
		in.Orchestrator = get(firstLink(in.Element, "lowLevelOrchestrator"))
		in.Domain = get(firstLink(in.Element, "domain"))
	}
	for _, id := range c.Links("networkPorts") {
		if p := get(id); p != nil {
			in.Ports = append(in.Ports, *p)
		}
	}
	if failed != nil {
		return in, failed
	}
	if !l.current(f) {
		return in, errSuperseded
	}
	l.release(c.ID, used...)
	return in, nil
}

func (l *links) current(f *followed) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.follow == f
}
