package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/llo"
)

// defaultCluster is the name of the cluster of KUBECONFIG, where everything
// belongs that is bound to no other one.
const defaultCluster = "default"

// clusters are the clusters that the agent acts on, by name. Safe for
// concurrent use.
type clusters struct {
	changed func(entity string)

	mu    sync.RWMutex
	of    map[string]*llo.Cluster
	start func(*llo.Cluster) // nil while nothing runs
}

// newClusters makes an empty set; changed is told what llo.Cluster.OnChange tells.
func newClusters(changed func(entity string)) *clusters {
	return &clusters{changed: changed, of: map[string]*llo.Cluster{}}
}

// add takes in another cluster under its name, and follows it from now on if
// the set runs.
func (c *clusters) add(cfg llo.Config) error {
	added, err := llo.New(cfg)
	if err != nil {
		return fmt.Errorf("cluster %s: %w", cfg.Name, err)
	}
	added.OnChange(c.changed)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[cfg.Name] = added
	if c.start != nil {
		c.start(added)
	}
	return nil
}

// Run follows all clusters until ctx ends, and returns once nothing runs any more.
func (c *clusters) Run(ctx context.Context) error {
	var running sync.WaitGroup
	c.mu.Lock()
	c.start = func(one *llo.Cluster) {
		running.Go(func() { _ = one.Run(ctx) }) // it gives no error
	}
	for _, one := range c.of {
		c.start(one)
	}
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	c.start = nil
	c.mu.Unlock()
	running.Wait()
	return nil
}

// follow changes what is followed in every cluster.
func (c *clusters) follow(scope llo.Scope) {
	for _, one := range c.all() {
		one.Follow(scope)
	}
}

func (c *clusters) all() []*llo.Cluster {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]*llo.Cluster, 0, len(c.of))
	for _, one := range c.of {
		all = append(all, one)
	}
	return all
}

// names of the clusters, sorted.
func (c *clusters) names() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Sorted(maps.Keys(c.of))
}

func (c *clusters) named(name string) (*llo.Cluster, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if one := c.of[name]; one != nil {
		return one, nil
	}
	return nil, &llo.Error{Verb: "find", Err: llo.ErrRetry, Message: "there is no cluster " + name}
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
	if len(c.of) == 1 {
		for _, one := range c.of {
			return of(one)
		}
	}
	var found []*llo.Live
	for _, name := range slices.Sorted(maps.Keys(c.of)) {
		found = append(found, of(c.of[name])...)
	}
	return found
}

// Apply makes an object so in the named cluster; see llo.Cluster.Apply.
func (c *clusters) Apply(ctx context.Context, cluster string, o *unstructured.Unstructured) (llo.Result, error) {
	one, err := c.named(cluster)
	if err != nil {
		return llo.Result{}, err
	}
	return one.Apply(ctx, o)
}

// Preview says what Apply would make of an object; see llo.Cluster.Preview.
func (c *clusters) Preview(ctx context.Context, cluster string, o *unstructured.Unstructured) (llo.Preview, error) {
	one, err := c.named(cluster)
	if err != nil {
		return llo.Preview{}, err
	}
	return one.Preview(ctx, o)
}

// Delete deletes an object where it is; see llo.Cluster.Delete.
func (c *clusters) Delete(ctx context.Context, l *llo.Live) error {
	one, err := c.named(l.Cluster)
	if err != nil {
		return err
	}
	return one.Delete(ctx, l)
}

// Release makes an object nobody's where it is; see llo.Cluster.Release.
func (c *clusters) Release(ctx context.Context, l *llo.Live) error {
	one, err := c.named(l.Cluster)
	if err != nil {
		return err
	}
	return one.Release(ctx, l)
}

// Holder tells whose object has a name; see llo.Cluster.Holder.
func (c *clusters) Holder(cluster string, key llo.Key) (owner, entity string, exists bool) {
	one, err := c.named(cluster)
	if err != nil {
		return "", "", false
	}
	return one.Holder(key)
}

// KindState says whether a kind is followed in the named cluster; see
// llo.Cluster.KindState.
func (c *clusters) KindState(cluster string, gvk schema.GroupVersionKind) error {
	one, err := c.named(cluster)
	if err != nil {
		return err
	}
	return one.KindState(gvk)
}

// Ready says whether every cluster was listed once.
func (c *clusters) Ready() bool {
	return !slices.ContainsFunc(c.all(), func(one *llo.Cluster) bool { return !one.Ready() })
}
