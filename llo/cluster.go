package llo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
)

// Config is what a Cluster needs. It is not kept.
type Config struct {
	// Name is what the objects of this cluster are told apart by from those of
	// another one; see Live. It may be empty.
	Name string
	// REST says how to reach the API server. QPS 0 means no limit on this side.
	REST *rest.Config
	// Owner is the value of our owner label; it must be a valid label value.
	Owner string
	// Manager is our field manager, at most 128 bytes.
	Manager string
	// Scope is what is followed and can be applied.
	Scope Scope
	// Adopt names field managers whose objects become ours when their name is
	// applied and they carry no owner label; "*" is any. Empty: no adoption.
	Adopt []string
	// Log may be nil.
	Log *slog.Logger
	// Observe is told of every request: verb (apply, adopt, preview, delete, release, get, list,
	// watch, discover; create, patch of an Event), kind, HTTP status (0: no answer), and time to the answer,
	// of a watch to its start. May be nil; must not block.
	Observe func(verb, kind string, code int, d time.Duration)
	// TakenOver is told of every forced take-over of fields from another manager.
	// May be nil; must not block.
	TakenOver func(kind string)
}

// Cluster is one Kubernetes cluster as seen by one agent. All methods are safe
// for concurrent use, except that OnChange must come before Run.
type Cluster struct {
	name           string
	owner, manager string
	adopt          []string
	kinds          atomic.Pointer[[]*kind] // changed by Follow and sweep
	api            atomic.Pointer[api]     // changed by Reconnect
	reach          *reach
	log            *slog.Logger
	takenOver      func(kind string)
	observe        func(verb, kind string, code int, d time.Duration)
	changed        func(entity string)
	pauses         pauses

	following sync.Mutex      // held while kinds or their followers change
	start     func(*follower) // nil while Run does not run
}

// New checks cfg and prepares the connection. It asks the API server nothing.
func New(cfg Config) (*Cluster, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Cluster{
		name: cfg.Name, owner: cfg.Owner, manager: cfg.Manager, adopt: slices.Clone(cfg.Adopt),
		log: cfg.Log, takenOver: cfg.TakenOver, changed: func(string) {}, pauses: defaultPauses(),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.takenOver == nil {
		c.takenOver = func(string) {}
	}
	c.reach = &reach{}
	if c.observe = cfg.Observe; c.observe == nil {
		c.observe = func(string, string, int, time.Duration) {}
	}
	if err := c.connect(cfg.REST); err != nil {
		return nil, err
	}
	c.kinds.Store(&[]*kind{})
	c.Follow(cfg.Scope)
	return c, nil
}

func (cfg *Config) validate() error {
	var errs []error
	if cfg.REST == nil {
		errs = append(errs, errors.New("no API server"))
	}
	if problems := validation.IsValidLabelValue(cfg.Owner); len(problems) > 0 || cfg.Owner == "" {
		errs = append(errs, fmt.Errorf("owner %q is not a label value: %s", cfg.Owner, strings.Join(problems, "; ")))
	}
	if cfg.Manager == "" || len(cfg.Manager) > 128 {
		errs = append(errs, fmt.Errorf("field manager %q must have 1 to 128 bytes", cfg.Manager))
	}
	return errors.Join(errs...)
}

// OnChange sets what is called with the entity of an object of ours that was
// added, changed, or deleted, or that lost our owner label. What Apply changed
// itself is not told, since it is in the cache when Apply returns. It is also
// called for an entity that a ForeignError was given for, when the holder of the
// name changed or went. f is called from several goroutines and must not block.
func (c *Cluster) OnChange(f func(entity string)) { c.changed = f }

// Run follows every kind until ctx ends, and returns nil once every goroutine has
// ended. A kind that is not there, or an API server that is down, is tried again
// with back-off and does not hold up the others.
func (c *Cluster) Run(ctx context.Context) error {
	var running sync.WaitGroup
	c.following.Lock()
	c.start = func(f *follower) {
		ctx, cancel := context.WithCancel(ctx)
		f.stop = cancel
		running.Go(func() { f.run(ctx) })
	}
	for f := range c.followers() {
		c.start(f)
	}
	c.following.Unlock()
	<-ctx.Done()
	c.following.Lock()
	c.start = nil
	c.following.Unlock()
	running.Wait()
	c.conn().close()
	return nil
}

// Ready reports whether every kind was listed once or is known not to be there.
func (c *Cluster) Ready() bool {
	return !slices.ContainsFunc(*c.kinds.Load(), func(k *kind) bool { return !k.settled() })
}

// KindState is nil for a kind that is listed and followed. It is ErrNoKind when
// the cluster does not know the kind, or it is none of the configured ones, and
// ErrRetry, with the reason, when it was not listed yet or the watch is broken for
// the moment; the cache then stays as it was.
func (c *Cluster) KindState(gvk schema.GroupVersionKind) error {
	k := c.kind(gvk)
	if k == nil || !k.wanted() {
		return &Error{Verb: "follow", Key: Key{GVK: gvk}, Err: ErrNoKind, Message: "not a configured kind"}
	}
	return k.state()
}

func (c *Cluster) kind(gvk schema.GroupVersionKind) *kind {
	for _, k := range *c.kinds.Load() {
		if k.gvk == gvk {
			return k
		}
	}
	return nil
}

// store gives the part of the cache that a key belongs in, nil if none does.
func (c *Cluster) store(key Key) *store {
	k := c.kind(key.GVK)
	if k == nil {
		return nil
	}
	if f := k.follower(key.Namespace); f != nil {
		return f.store
	}
	return nil
}

// Get gives the object of ours under that key from the cache, in the version that
// was seen last.
func (c *Cluster) Get(key Key) (*Live, bool) {
	if s := c.sighting(key); s != nil && s.ours {
		return &s.Live, true
	}
	return nil, false
}

// Holder tells of whoever's object has that name: the value of its owner label
// and its entity annotation, each empty if it has none.
func (c *Cluster) Holder(key Key) (owner, entity string, exists bool) {
	s := c.sighting(key)
	if s == nil {
		return "", "", false
	}
	return s.owner, s.entity, true
}

func (c *Cluster) sighting(key Key) *sighting {
	if store := c.store(key); store != nil {
		return store.get(key)
	}
	return nil
}

// ByEntity gives the objects of ours with that entity annotation, sorted by key.
func (c *Cluster) ByEntity(entity string) []*Live {
	return c.collect(func(s *store, into []*Live) []*Live { return s.byEntity(entity, into) })
}

// All gives every object of ours, sorted by key.
func (c *Cluster) All() []*Live {
	return c.collect(func(s *store, into []*Live) []*Live { return s.all(into) })
}

func (c *Cluster) collect(from func(*store, []*Live) []*Live) []*Live {
	var found []*Live
	for f := range c.followers() {
		found = from(f.store, found)
	}
	slices.SortStableFunc(found, func(a, b *Live) int { return a.Key.Compare(b.Key) })
	// Two followers see one object while one takes the place of the other.
	return slices.CompactFunc(found, func(a, b *Live) bool { return a.Key == b.Key })
}
