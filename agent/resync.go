package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// resync lists everything that the broker holds itself and queues every
// component, so that whatever was missed is put right. A list that is not
// whole, told by its count, is still believed for what it holds, never for
// what it lacks.
func (r *reconciler) resync(ctx context.Context) error {
	asked := r.now()
	known, _ := r.clusters.ready()
	if r.neighbours != nil {
		if err := r.neighbours.recall(ctx, r.client, r.cfg.AgentID); err != nil {
			return err
		}
	}
	if r.overlays != nil {
		if err := r.overlays.recall(ctx); err != nil {
			return err
		}
	}
	if err := r.resyncLinks(ctx, asked); err != nil {
		return fmt.Errorf("list linked entities: %w", err)
	}
	if r.overlays != nil {
		r.overlays.sweep()
	}
	seen := map[ngsild.EntityID]bool{}
	_, err := r.client.List(ctx, ngsild.Query{Types: []string{typeComponent}, Local: true}, func(page []ngsild.Entity) error {
		for _, e := range page {
			seen[e.ID] = true
			r.searchReported(&e)
			r.tracker.listed(e, asked)
		}
		return nil
	})
	whole, err := r.sift(err, seen)
	var looked map[ngsild.EntityID]bool
	if err == nil {
		looked = r.resyncAllocated(ctx, seen, asked)
	}
	r.pace(ctx, seen)
	if err != nil {
		return fmt.Errorf("list components: %w", err)
	}
	if !whole {
		return fmt.Errorf("list components: %w", ngsild.ErrShortList)
	}
	r.missing(seen, looked, asked)
	r.clusters.heard(known)
	r.log.Debug("resync", "components", len(seen), "duration", r.now().Sub(asked))
	return nil
}

// searchReported looks for the object that was last reported on, if it is of a
// kind that no mapping renders any more: the agent may have been started with
// other mappings since.
func (r *reconciler) searchReported(e *ngsild.Entity) {
	said := reported(e)
	version, err := schema.ParseGroupVersion(said.APIVersion)
	if said.UID == "" || err != nil || !dnsLabel.MatchString(said.Namespace) {
		return
	}
	kind := version.WithKind(said.Kind)
	if slices.Contains(r.rules().Kinds(), kind) || !r.rules().policy.Ever(kind.GroupKind(), said.Namespace) {
		return
	}
	r.clusters.Search(said.Cluster, kind, said.Namespace)
}

// missing queues what a whole list lacked: components that were known, and
// owners of objects. The guard hears of all of them before the first is worked on.
// What others asked for while the list was under way was not looked for elsewhere,
// and nothing is concluded on it.
func (r *reconciler) missing(seen, looked map[ngsild.EntityID]bool, asked time.Time) {
	all := r.clusters.All()
	for _, id := range append(r.desk.all(), allocated(all)...) {
		seen[id] = seen[id] || !looked[id]
	}
	absent := r.tracker.unlisted(seen, asked)
	for _, l := range all {
		if id := entityOf(l); !seen[id] && r.tracker.suspect(id) {
			absent = append(absent, id)
		}
	}
	absent = append(absent, r.missingElsewhere(seen)...)
	slices.Sort(absent)
	absent = slices.Compact(absent)
	for _, id := range absent {
		r.guard.expect(id, brokerOrigin(r.clusters.ByEntity(string(id))), len(r.staysElsewhere(id)))
	}
	r.enqueue(absent)
}

// resyncLinks lists what components refer to, and with it what was handed over.
func (r *reconciler) resyncLinks(ctx context.Context, asked time.Time) error {
	seen, types, handedOver := map[ngsild.EntityID]bool{}, r.links.types(), map[ngsild.EntityID]string{}
	if r.neighbours != nil {
		types = append(types, typeHandOver)
		r.neighbours.listing()
	}
	_, err := r.client.List(ctx, ngsild.Query{Types: types, Local: true}, func(page []ngsild.Entity) error {
		for _, e := range page {
			if seen[e.ID] = true; e.Type == typeHandOver {
				r.neighbours.note(&e, handedOver)
				continue
			}
			r.enqueue(r.links.listed(e, asked))
		}
		return nil
	})
	whole, err := r.sift(err, seen)
	if err == nil && r.neighbours != nil {
		r.neighbours.listed(ctx, handedOver, func(record ngsild.EntityID) bool { return whole && !seen[record] })
	}
	if err != nil || !whole {
		return err // what was not listed stays as it was known
	}
	r.enqueue(r.links.drop(seen, asked))
	return nil
}

// sift takes the error of a list apart: entities that could not be read are
// there all the same; a list that is not whole proves nothing by what it lacks.
func (r *reconciler) sift(err error, seen map[ngsild.EntityID]bool) (whole bool, fatal error) {
	parts, whole := []error{err}, true
	for len(parts) > 0 {
		e := parts[0]
		parts = parts[1:]
		var unreadable ngsild.EntityError
		switch several := e.(type) {
		case nil:
		case interface{ Unwrap() []error }:
			parts = append(parts, several.Unwrap()...)
		default:
			switch {
			case errors.As(e, &unreadable):
				seen[unreadable.ID] = true
				r.log.Warn("the broker holds an entity that cannot be read", "entity", unreadable.ID, "err", unreadable.Err)
			case errors.Is(e, ngsild.ErrShortList):
				whole = false
			default:
				return false, err
			}
		}
	}
	return whole, nil
}

// pace queues the components of a list a few at a time, so that a change that
// comes meanwhile does not wait behind all of them. Before the workers begin
// nobody would make room, so then it queues them all.
func (r *reconciler) pace(ctx context.Context, seen map[ngsild.EntityID]bool) {
	ids := make([]ngsild.EntityID, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if !r.working.Load() {
		r.enqueue(ids)
		return
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(ids) > 0 {
		if r.queue.Len() < 64 {
			n := min(len(ids), 256)
			r.enqueue(ids[:n])
			ids = ids[n:]
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reconciler) enqueue(ids []ngsild.EntityID) {
	for _, id := range ids {
		r.queue.Add(id)
	}
}
