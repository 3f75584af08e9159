package agent

import (
	"context"
	"errors"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// together reads entities by id for callers that ask at the same time: what is
// asked for while a read is under way goes out in one request after it.
type together struct {
	client *ngsild.Client
	crowd  func() int // how many may be about to ask
	ask    chan readRequest
}

const (
	crowded   = 8                    // so many at once are worth waiting for,
	crowdWait = 5 * time.Millisecond // but no longer than this
)

type readRequest struct {
	id   ngsild.EntityID
	done chan readAnswer // never blocks
}

type readAnswer struct {
	entity *ngsild.Entity // nil without err: no broker has it
	err    error
}

// errAlone: it is to be asked for by itself.
var errAlone = errors.New("not in the list")

func newTogether(client *ngsild.Client, crowd func() int) *together {
	return &together{client: client, crowd: crowd, ask: make(chan readRequest)}
}

// run answers until ctx ends.
func (t *together) run(ctx context.Context) error {
	for {
		select {
		case r := <-t.ask:
			t.answer(ctx, t.gather(ctx, r))
		case <-ctx.Done():
			return nil
		}
	}
}

// gather is what is asked for at this moment, and in a crowd in the next ones.
func (t *together) gather(ctx context.Context, first readRequest) []readRequest {
	batch := []readRequest{first}
	var over <-chan time.Time
	if t.crowd() > crowded {
		timer := time.NewTimer(crowdWait)
		defer timer.Stop()
		over = timer.C
	}
	for len(batch) < 100 {
		select {
		case r := <-t.ask:
			batch = append(batch, r)
			continue
		default:
		}
		if over == nil || len(batch) >= crowded {
			break
		}
		select {
		case r := <-t.ask:
			batch = append(batch, r)
		case <-over:
			over = nil
		case <-ctx.Done():
			return batch
		}
	}
	return batch
}

func (t *together) answer(ctx context.Context, batch []readRequest) {
	if len(batch) == 1 {
		e, err := t.one(ctx, batch[0].id)
		batch[0].done <- readAnswer{e, err}
		return
	}
	ids := make([]ngsild.EntityID, 0, len(batch))
	for _, r := range batch {
		ids = append(ids, r.id)
	}
	found := map[ngsild.EntityID]*ngsild.Entity{}
	_, err := t.client.List(ctx, ngsild.Query{IDs: ids, Types: []string{typeComponent}}, func(page []ngsild.Entity) error {
		for i := range page {
			found[page[i].ID] = &page[i]
		}
		return nil
	})
	if err != nil && !errors.Is(err, ngsild.ErrShortList) {
		clear(found)
	}
	for _, r := range batch {
		if found[r.id] == nil {
			r.done <- readAnswer{err: errAlone}
			continue
		}
		r.done <- readAnswer{entity: found[r.id]}
	}
}

func (t *together) one(ctx context.Context, id ngsild.EntityID) (*ngsild.Entity, error) {
	e, err := t.client.Entity(ctx, id)
	switch {
	case errors.Is(err, ngsild.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &e, nil
}

// read gives an entity; nil without an error: no broker has it. What a list does
// not have is asked for by itself: only that finds everything that lives in
// another broker, and only that proves that nothing does.
func (t *together) read(ctx context.Context, id ngsild.EntityID) (*ngsild.Entity, error) {
	r := readRequest{id, make(chan readAnswer, 1)}
	select {
	case t.ask <- r:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-r.done:
		if errors.Is(a.err, errAlone) {
			return t.one(ctx, id)
		}
		return a.entity, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
