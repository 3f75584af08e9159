package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// members are copies of all, sorted by name.
func (c *clusters) members() []member {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]member, 0, len(c.of))
	for _, name := range slices.Sorted(maps.Keys(c.of)) {
		all = append(all, *c.of[name])
	}
	return all
}

// names of all clusters, sorted.
func (c *clusters) names() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Sorted(maps.Keys(c.of))
}

// get gives a copy of the named one, and an error if it has no connection.
func (c *clusters) get(name string) (member, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch m := c.of[name]; {
	case m == nil:
		return member{}, fmt.Errorf("cluster %s: %w: %w", name, llo.ErrRetry, errNoConnection)
	case m.Cluster == nil:
		return *m, fmt.Errorf("cluster %s: %w: %w: %w", name, llo.ErrRetry, errNoConnection, m.err)
	default:
		return *m, nil
	}
}

// errNoConnection: the cluster was bound, and its kubeconfig is of no use.
var errNoConnection = errors.New("its kubeconfig cannot be used")

// has says whether there is a cluster of that name.
func (c *clusters) has(name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.of[name] != nil
}

// For is the name of the cluster for elements of an orchestrator and a domain.
func (c *clusters) For(orchestrator, domain ngsild.EntityID) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.table.of(orchestrator, domain)
}

// several says whether it matters where a component is placed.
func (c *clusters) several() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.of) > 1
}

// ByEntity gives our objects for an entity, of all clusters, sorted by cluster
// and key.
func (c *clusters) ByEntity(entity string) []*llo.Live {
	return c.collect(func(one *llo.Cluster) []*llo.Live { return one.ByEntity(entity) })
}

// All gives our objects of all clusters, sorted by cluster and key.
func (c *clusters) All() []*llo.Live { return c.collect((*llo.Cluster).All) }

func (c *clusters) collect(of func(*llo.Cluster) []*llo.Live) []*llo.Live {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []*llo.Live
	for _, m := range c.of {
		if m.Cluster != nil {
			found = append(found, of(m.Cluster)...)
		}
	}
	if len(c.of) > 1 {
		slices.SortStableFunc(found, func(a, b *llo.Live) int { return strings.Compare(a.Cluster, b.Cluster) })
	}
	return found
}

// Apply makes an object so in the named cluster; see llo.Cluster.Apply.
func (c *clusters) Apply(ctx context.Context, cluster string, o *unstructured.Unstructured) (llo.Result, error) {
	m, leave, err := c.enter(cluster)
	if err != nil {
		return llo.Result{}, err
	}
	defer leave()
	return m.Apply(ctx, o)
}

// Search looks for objects of ours of a kind that is not followed; see
// llo.Cluster.Search.
func (c *clusters) Search(cluster string, gvk schema.GroupVersionKind, namespace string) {
	if m, err := c.get(cluster); err == nil {
		m.Search(gvk, namespace)
	}
}

// Preview says what Apply would make of an object; see llo.Cluster.Preview.
func (c *clusters) Preview(ctx context.Context, cluster string, o *unstructured.Unstructured) (llo.Preview, error) {
	m, err := c.get(cluster)
	if err != nil {
		return llo.Preview{}, err
	}
	return m.Preview(ctx, o)
}

// Delete deletes an object where it is; see llo.Cluster.Delete.
func (c *clusters) Delete(ctx context.Context, l *llo.Live) error {
	m, leave, err := c.enter(l.Cluster)
	if err != nil {
		return err
	}
	defer leave()
	return m.Delete(ctx, l)
}

// Release makes an object nobody's where it is; see llo.Cluster.Release.
func (c *clusters) Release(ctx context.Context, l *llo.Live) error {
	m, leave, err := c.enter(l.Cluster)
	if err != nil {
		return err
	}
	defer leave()
	return m.Release(ctx, l)
}

// Holder tells whose object has a name; see llo.Cluster.Holder.
func (c *clusters) Holder(cluster string, key llo.Key) (owner, entity string, exists bool) {
	m, err := c.get(cluster)
	if err != nil {
		return "", "", false
	}
	return m.Holder(key)
}

// Tell tells an Event in the named cluster, unless that does not answer; see
// llo.Cluster.Tell.
func (c *clusters) Tell(ctx context.Context, cluster string, e llo.Event) error {
	if err := c.lost(cluster, 0); err != nil {
		return err
	}
	m, err := c.get(cluster)
	if err != nil {
		return err
	}
	return m.Tell(ctx, e)
}

// Told gives the Events on an entity; see llo.Cluster.Told.
func (c *clusters) Told(ctx context.Context, cluster, namespace, entity string, objects ...types.UID) ([]llo.Event, error) {
	m, err := c.get(cluster)
	if err != nil {
		return nil, err
	}
	return m.Told(ctx, namespace, entity, objects...)
}

// errBusy: so many calls to this cluster are under way that others would not be
// served. One that does not answer cannot take all workers.
var errBusy = errors.New("the cluster is busy")

// enter begins a call to the named cluster, which ends with leave.
func (c *clusters) enter(name string) (m member, leave func(), err error) {
	if m, err = c.get(name); err != nil {
		return m, nil, err
	}
	if !c.several() {
		return m, func() {}, nil
	}
	select {
	case m.busy <- struct{}{}:
		return m, func() { <-m.busy }, nil
	default:
		return m, nil, errBusy
	}
}

// KindState says whether a kind is followed in the named cluster; see
// llo.Cluster.KindState.
func (c *clusters) KindState(cluster string, gvk schema.GroupVersionKind) error {
	m, err := c.get(cluster)
	if err != nil {
		return err
	}
	return m.KindState(gvk)
}

// lost says why a cluster cannot be reached, if that has lasted for a while.
func (c *clusters) lost(name string, lasting time.Duration) error {
	m, err := c.get(name)
	if err != nil {
		return err
	}
	since, err := m.Reach()
	if err == nil || time.Since(since) < lasting {
		return nil
	}
	return err
}

// Ready says whether the named cluster was listed once.
func (c *clusters) Ready(name string) bool {
	m, err := c.get(name)
	return err == nil && m.Ready()
}

// ready are the names of those that were listed once; all says whether that is
// every one with a connection.
func (c *clusters) ready() (names []string, all bool) {
	all = true
	for _, m := range c.members() {
		switch {
		case m.Cluster == nil:
		case m.Ready():
			names = append(names, m.name)
		default:
			all = false
		}
	}
	return names, all
}

// await waits until every cluster was listed, and says whether that came to be
// in time.
func (c *clusters) await(ctx context.Context, most time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, all := c.ready(); all {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// heard notes that a resync has gone through all that these clusters hold.
func (c *clusters) heard(names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if m := c.of[name]; m != nil {
			m.heard = true
		}
	}
}

// unheard says whether a cluster was listed, and no resync has gone through it.
func (c *clusters) unheard() bool {
	return slices.ContainsFunc(c.members(), func(m member) bool { return m.Cluster != nil && !m.heard && m.Ready() })
}

// introduced says whether a resync has gone through what the cluster of an object
// holds, so that the guard has heard of all of it.
func (c *clusters) introduced(l *llo.Live) bool {
	m, err := c.get(l.Cluster)
	return err == nil && m.heard
}
