package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// finalizer holds the deletion of a component whose image says sim-holds-delete.
const finalizer = "llo.aeros-project.eu/sandbox-hold"

// writeTimeout bounds one request.
const writeTimeout = 10 * time.Second

// component is one object as the cache has it, with what is read from it.
type component struct {
	*unstructured.Unstructured

	client  dynamic.ResourceInterface
	profile profile
	isJob   bool
	status  map[string]any
	now     time.Time
}

// sighting is since when the present spec of an object has been known.
type sighting struct {
	uid        types.UID
	generation int64
	since      time.Time
	changed    bool // there was another spec before
}

func (o *Orchestrators) work(ctx context.Context) {
	for {
		it, end := o.queue.Get()
		if end {
			return
		}
		due, err := o.step(ctx, it)
		switch {
		case err != nil:
			o.log.Debug("not written, trying again", "object", it.key, "err", err)
			o.queue.AddRateLimited(it)
		case due.IsZero():
			o.queue.Forget(it)
		default:
			o.queue.Forget(it)
			o.queue.AddAfter(it, due.Sub(o.clock.Now()))
		}
		o.queue.Done(it)
	}
}

// step brings one object to where it should be now, and says when to look again; zero means when it changes.
func (o *Orchestrators) step(ctx context.Context, it item) (time.Time, error) {
	stored, exists, err := o.stores[it.resource].GetByKey(it.key)
	if err != nil {
		return time.Time{}, fmt.Errorf("look up %s: %w", it.key, err)
	}
	object, ok := stored.(*unstructured.Unstructured)
	if !exists || !ok {
		o.forget(it)
		return time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	c := o.component(it, object)
	held := slices.Contains(c.GetFinalizers(), finalizer)
	switch {
	case c.GetDeletionTimestamp() != nil && held:
		return o.letGo(ctx, c)
	case c.GetDeletionTimestamp() != nil: // somebody else's finalizer holds it
		return time.Time{}, nil
	case c.profile.holdsDelete && !held:
		return time.Time{}, o.writeFinalizers(ctx, c, append(c.GetFinalizers(), finalizer))
	case c.profile.silent:
		return time.Time{}, nil
	}
	sight := o.look(it, object, c.now)
	s, holds := course(c.profile, c.isJob, sight.changed, o.pace).at(c.now.Sub(sight.since))
	var due time.Time
	if holds > 0 {
		due = c.now.Add(holds)
	}
	return due, o.writeStatus(ctx, c, s)
}

func (o *Orchestrators) component(it item, object *unstructured.Unstructured) component {
	c := component{
		Unstructured: object,
		client:       o.client.Resource(it.resource).Namespace(object.GetNamespace()),
		now:          o.clock.Now(),
	}
	image, _, _ := unstructured.NestedString(object.Object, "spec", "image")
	c.profile = profileOf(image)
	c.isJob, _, _ = unstructured.NestedBool(object.Object, "spec", "isJob")
	c.status, _, _ = unstructured.NestedMap(object.Object, "status")
	return c
}

// look notes since when the object's spec has been known. A status of the present spec that we do not remember
// is of an earlier run of ours: that course is over.
func (o *Orchestrators) look(it item, object *unstructured.Unstructured, now time.Time) sighting {
	const longAgo = 24 * time.Hour
	o.mu.Lock()
	defer o.mu.Unlock()
	before, known := o.seen[it]
	known = known && before.uid == object.GetUID()
	if known && before.generation >= object.GetGeneration() { // less: an event that comes late
		return before
	}
	sight := sighting{uid: object.GetUID(), generation: object.GetGeneration(), since: now}
	status, _, _ := unstructured.NestedMap(object.Object, "status")
	observed, says := status["observedGeneration"].(int64)
	switch {
	case known:
		sight.changed = true
	case len(status) == 0: // a new one
	case says && observed != object.GetGeneration():
		sight.changed = true
	default:
		sight.since = now.Add(-longAgo)
	}
	o.seen[it] = sight
	return sight
}

func (o *Orchestrators) forget(it item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.seen, it)
}

// letGo removes our finalizer when the deletion has been held long enough.
func (o *Orchestrators) letGo(ctx context.Context, c component) (time.Time, error) {
	if due := c.GetDeletionTimestamp().Add(o.hold); due.After(c.now) {
		if c.profile.silent || c.profile.conditionsOnly { // which has no word for it
			return due, nil
		}
		return due, o.writeStatus(ctx, c, removing())
	}
	others := slices.DeleteFunc(c.GetFinalizers(), func(f string) bool { return f == finalizer })
	return time.Time{}, o.writeFinalizers(ctx, c, others)
}
