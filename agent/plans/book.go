package plans

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Broker keeps the plans; *ngsild.Client does.
type Broker interface {
	CreateEntity(ctx context.Context, id ngsild.EntityID, typ string, attrs map[string]any) error
	Entity(ctx context.Context, id ngsild.EntityID) (ngsild.Entity, error)
	Merge(ctx context.Context, id ngsild.EntityID, attrs map[string]any) error
	DeleteEntity(ctx context.Context, id ngsild.EntityID) error
	List(ctx context.Context, q ngsild.Query, page func([]ngsild.Entity) error) (int, error)
}

// Config says what a Book works with. Everything but Systems and Observe is needed.
type Config struct {
	Broker Broker
	// Owner tells the plans of one agent from those of others on the same broker.
	Owner string
	// Inventory reads what there is to choose from for a template. It is called once
	// for each plan that is worked on, from several goroutines.
	Inventory func(ctx context.Context, template string) (*homing.Inventory, error)
	// Claims reads the room that is taken of it although no figure shows it, by whomever. It is called for each plan
	// before its inventory is read, and again when it is solved.
	Claims  func(ctx context.Context) (claims.Claims, error)
	Systems *systems.Set
	Solvers int           // plans worked on at once
	Most    int           // plans kept
	Keep    time.Duration // how long a plan is kept that has come to its end
	Now     func() time.Time
	Rand    io.Reader // for ids
	Log     *slog.Logger
	// Observe, if set, hears of every plan that came to its end.
	Observe func(s Status)
}

// Book keeps the plans of one agent in the broker, and works on them while Run
// runs. Safe for concurrent use.
type Book struct {
	Config
	poke chan struct{}

	mu    sync.Mutex
	taken map[string]context.CancelFunc // plans under work, by id
	later map[string]time.Time          // plans that are not to be worked on before
}

// NewBook returns a book; nothing is read or written yet.
func NewBook(cfg Config) *Book {
	return &Book{Config: cfg, poke: make(chan struct{}, 1), taken: map[string]context.CancelFunc{}, later: map[string]time.Time{}}
}

var (
	errFull     = errors.New("no room for another plan")
	errTooLarge = errors.New("too large to be kept")
)

// mostEntity bounds an entity, in bytes of JSON: brokers take 1 MiB.
const mostEntity = 1<<20 - 4096

// list reads how all plans of this agent stand, the oldest first.
func (b *Book) list(ctx context.Context) ([]plan, error) {
	var all []plan
	_, err := b.Broker.List(ctx, ngsild.Query{Types: []string{EntityType}, Local: true, Attrs: header, Q: fmt.Sprintf("%s==%q", attrOwner, b.Owner)}, func(page []ngsild.Entity) error {
		for i := range page {
			if p := planOf(&page[i]); p.Owner == b.Owner {
				all = append(all, p)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, ngsild.ErrShortList) { // a plan came or went meanwhile
		return nil, fmt.Errorf("list the plans: %w", err)
	}
	slices.SortFunc(all, func(p, q plan) int {
		if c := p.Created.Compare(q.Created); c != 0 {
			return c
		}
		return slices.Compare([]byte(p.ID), []byte(q.ID))
	})
	return all, nil
}

// load reads a plan whole. ngsild.ErrNotFound if this agent has none of the id.
func (b *Book) load(ctx context.Context, id string) (plan, error) {
	e, err := b.Broker.Entity(ctx, entityID(id))
	if err != nil {
		return plan{}, fmt.Errorf("read plan %s: %w", id, err)
	}
	p := planOf(&e)
	if p.Owner != b.Owner || e.Type != EntityType {
		return plan{}, fmt.Errorf("plan %s is another agent's: %w", id, ngsild.ErrNotFound)
	}
	return p, nil
}

// add keeps a new plan. Where there is no room, the oldest that came to its end
// goes; errFull if none has.
func (b *Book) add(ctx context.Context, p plan) error {
	if err := small(p.texts()); err != nil {
		return err
	}
	all, err := b.list(ctx)
	if err != nil {
		return err
	}
	for i := 0; len(all)-i >= b.Most; i++ {
		old := slices.IndexFunc(all[i:], func(p plan) bool { return p.Status.final() })
		if old < 0 {
			return errFull
		}
		all[i], all[i+old] = all[i+old], all[i]
		if err := b.remove(ctx, all[i].ID); err != nil && !errors.Is(err, ngsild.ErrNotFound) {
			return err
		}
	}
	if err := b.Broker.CreateEntity(ctx, entityID(p.ID), EntityType, properties(p.texts())); err != nil {
		return fmt.Errorf("keep plan %s: %w", p.ID, err)
	}
	b.wake()
	return nil
}

// small refuses attributes that are too large as they are sent.
func small(texts map[string]string) error {
	text, err := json.Marshal(properties(texts))
	if err == nil && len(text) > mostEntity {
		err = errTooLarge
	}
	return err
}

// remove deletes a plan, and stops the work on it. What it reserved stays.
func (b *Book) remove(ctx context.Context, id string) error {
	err := b.Broker.DeleteEntity(ctx, entityID(id))
	if err == nil || errors.Is(err, ngsild.ErrNotFound) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if cancel := b.taken[id]; cancel != nil {
			cancel()
		}
	}
	if err != nil {
		return fmt.Errorf("delete plan %s: %w", id, err)
	}
	return nil
}

// save writes some attributes of a plan, and when.
func (b *Book) save(ctx context.Context, p *plan, names ...string) error {
	p.Changed = b.Now()
	all, some := p.texts(), map[string]string{}
	for _, name := range append(names, attrStatus, attrMessage, attrChanged) {
		some[name] = all[name]
	}
	if err := b.Broker.Merge(ctx, entityID(p.ID), properties(some)); err != nil {
		return fmt.Errorf("write plan %s: %w", p.ID, err)
	}
	return nil
}

// wake has the plans looked at soon.
func (b *Book) wake() {
	select {
	case b.poke <- struct{}{}:
	default:
	}
}
