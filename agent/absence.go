package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// guardWindow is the time in which the guard counts deletions.
const guardWindow = 5 * time.Minute

// guard keeps a broker that was wiped, restored to an old state or replaced by
// an empty one from emptying the cluster: when more than the limit of objects
// would go for missing entities within guardWindow, none goes. Removals that
// were ordered do not pass through it. Safe for concurrent use.
type guard struct {
	maxPercent, least int
	objects           func() (here []*llo.Live, elsewhere int) // all of origin broker, and how many copies stay in other domains
	now               func() time.Time
	log               *slog.Logger

	mu      sync.Mutex
	waiting map[ngsild.EntityID]int         // objects that would go, by entity
	went    map[types.UID]time.Time         // objects that went, and when
	tried   map[ngsild.EntityID][]types.UID // objects of which the answer to a deletion was lost
	shut    bool
}

func newGuard(cfg *Config, objects func() ([]*llo.Live, int), now func() time.Time, log *slog.Logger) *guard {
	return &guard{maxPercent: cfg.PruneMaxPercent, least: cfg.PruneMin, objects: objects, now: now, log: log,
		waiting: map[ngsild.EntityID]int{}, went: map[types.UID]time.Time{}, tried: map[ngsild.EntityID][]types.UID{}}
}

// admit says whether the objects of an absent entity may go now. It must be
// followed by deleted or, if the entity turns out to exist, returned.
func (g *guard) admit(id ngsild.EntityID, objects int) bool {
	here, elsewhere := g.objects()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting[id] = objects
	would := 0
	for _, n := range g.waiting {
		would += n
	}
	maps.DeleteFunc(g.went, func(_ types.UID, at time.Time) bool { return g.now().Sub(at) > guardWindow })
	would += len(g.went)
	total := len(g.stay(here)) + elsewhere + len(g.went)
	limit := max(total*g.maxPercent/100, g.least)
	shut := would > limit
	if shut && !g.shut {
		g.log.Error("too many entities are missing: no object is deleted for it; see hlo-agent prune",
			"objects", would, "limit", limit)
	}
	g.shut = shut
	return !shut
}

// expect notes what of an entity that a list lacked may still go, so that a broker
// that lost everything at once is told from one that lost a few, before the
// first object goes. What is paused counts: it goes when it is let go on.
func (g *guard) expect(id ngsild.EntityID, live []*llo.Live, elsewhere int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.settle(id, live)) + elsewhere; n > 0 {
		g.waiting[id] = n
	} else {
		g.drop(id)
	}
}

func (g *guard) deleted(id ngsild.EntityID, objects ...types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, uid := range objects {
		g.went[uid] = g.now()
	}
	delete(g.waiting, id)
	delete(g.tried, id)
}

// attempted notes objects whose deletion may have had an effect, though no answer
// said so.
func (g *guard) attempted(id ngsild.EntityID, objects ...types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tried[id] = objects
}

// left is what of an entity's objects is not on its way out already.
func (g *guard) left(id ngsild.EntityID, live []*llo.Live) []*llo.Live {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.settle(id, live)
}

// stay is what of live is not on its way out already: the watch may be late.
func (g *guard) stay(live []*llo.Live) []*llo.Live {
	var left []*llo.Live
	for _, l := range live {
		if _, went := g.went[l.UID]; !went && !l.Deleting {
			left = append(left, l)
		}
	}
	return left
}

// returned takes an entity off the list of the missing: it is there, or nothing more of it can go.
func (g *guard) returned(id ngsild.EntityID, live []*llo.Live) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(id, live)
	g.drop(id)
}

// settle is what of an entity's objects stays. What was attempted and does not counts as deleted.
func (g *guard) settle(id ngsild.EntityID, live []*llo.Live) []*llo.Live {
	left := g.stay(live)
	var there []types.UID // still, or the watch is late
	for _, uid := range g.tried[id] {
		if slices.ContainsFunc(left, func(l *llo.Live) bool { return l.UID == uid }) {
			there = append(there, uid)
		} else {
			g.went[uid] = g.now()
		}
	}
	if g.tried[id] = there; len(there) == 0 {
		delete(g.tried, id)
	}
	return left
}

func (g *guard) drop(id ngsild.EntityID) {
	delete(g.waiting, id)
	if len(g.waiting) == 0 {
		g.shut = false
	}
}

// held is the number of entities whose objects the guard keeps.
func (g *guard) held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		return 0
	}
	return len(g.waiting)
}

// state is the guard's line in /readyz.
func (g *guard) state() string {
	if n := g.held(); n > 0 {
		return fmt.Sprintf("holds back the deletion for %d missing entities; see hlo-agent prune", n)
	}
	return "ok"
}

// deleteAbsent deletes the objects of an entity that is said to be gone, after
// the broker has proved it and within what the guard admits.
func (r *reconciler) deleteAbsent(ctx context.Context, p *pass) error {
	// A report may have crossed a removal, and then nobody else knows of it; of one that is
	// made anew it must not be expected.
	if p.order == removing && !r.cfg.DryRun {
		if err := r.proveGone(ctx, p); err != nil {
			return err
		}
	}
	live := brokerOrigin(p.live)
	if len(live) == 0 && r.heldElsewhere(p.id) == 0 {
		r.guard.returned(p.id, nil)
		r.links.release(p.id)
		r.forgetElsewhere(p.id)
		if id := serviceOf(&p.entity); id != "" {
			r.queue.AddAfter(id, serviceDelay) // without it the others may be all
		}
		if r.overlays != nil {
			r.overlays.deleted(&p.entity)
		}
		if len(p.live) == 0 {
			r.tracker.forget(p.id)
		}
		return nil
	}
	live = r.guard.left(p.id, live)
	goes := append(uids(live), r.staysElsewhere(p.id)...)
	if len(goes) == 0 {
		r.guard.returned(p.id, live)
		return nil
	}
	if r.cfg.SyncPolicy != syncAll {
		return nil
	}
	if !r.guard.admit(p.id, len(goes)) {
		p.wake(time.Minute)
		return nil
	}
	if err := r.proveGone(ctx, p); err != nil {
		return err
	}
	if err := r.letGo(ctx, p, live, false); err != nil {
		r.guard.attempted(p.id, uids(live)...)
		return err
	}
	r.dropEverywhere(p.id)
	if !r.cfg.DryRun {
		r.logOf(p).Info("deleted the objects of an entity that is gone", "objects", len(live))
		r.events.add(r.news(p, false, "EntityGone", "deleted with its entity, of which the broker has proved that it is gone"))
		r.guard.deleted(p.id, goes...)
	}
	p.wake(time.Minute)
	return nil
}

// proveGone returns nil when the entity of a pass is proved to be gone. Its life is over
// then; if it is there after all, or was heard of meanwhile, the pass is too.
func (r *reconciler) proveGone(ctx context.Context, p *pass) error {
	asked := r.now()
	e, err := proveAbsent(ctx, r.client, p.id, r.proofSubscription())
	switch {
	case err != nil:
		return err
	case e != nil:
		r.guard.returned(p.id, p.live)
		r.tracker.read(*e, asked, p.version)
		return errSuperseded
	case !r.tracker.gone(p.id, asked, p.version):
		return errSuperseded
	}
	return nil
}

func uids(live []*llo.Live) []types.UID {
	out := make([]types.UID, 0, len(live))
	for _, l := range live {
		out = append(out, l.UID)
	}
	return out
}

// proveAbsent returns nil, nil when the broker has proved that it does not hold
// the entity: a 404 that names the entity, right after it an answer for our own
// subscription at the same address and tenant, and the 404 again. A broker that is
// wiped, or a wrong path, cannot give all. It returns the entity where there is one.
func proveAbsent(ctx context.Context, client *ngsild.Client, id ngsild.EntityID, subscription string) (*ngsild.Entity, error) {
	e, err := client.Entity(ctx, id)
	switch {
	case err == nil:
		return &e, nil
	case !errors.Is(err, ngsild.ErrNotFound):
		return nil, fmt.Errorf("read the entity: %w", err)
	}
	if _, err := client.Subscription(ctx, subscription); err != nil {
		return nil, fmt.Errorf("the entity seems to be gone, but the broker does not know our subscription either: %w", errors.Join(err, errUnproved))
	}
	// Once more, since the first answer may have been the last one of a gateway that lied.
	switch e, err := client.Entity(ctx, id); {
	case err == nil:
		return &e, nil
	case !errors.Is(err, ngsild.ErrNotFound):
		return nil, fmt.Errorf("read the entity: %w", err)
	}
	return nil, nil
}

var errUnproved = errors.New("absence is not proved")

// brokerOrigin leaves out objects that another domain asked for.
func brokerOrigin(live []*llo.Live) []*llo.Live {
	var out []*llo.Live
	for _, l := range live {
		if l.Annotations[llo.OriginAnnotation] == originBroker {
			out = append(out, l)
		}
	}
	return out
}

func isNotFound(err error) bool { return errors.Is(err, ngsild.ErrNotFound) }
