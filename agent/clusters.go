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

	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/llo"
)

// defaultCluster is the name of the cluster of KUBECONFIG, where everything
// belongs that is bound to no other one.
const defaultCluster = "default"

// unreachableAfter is how long a cluster may be silent until that is said of what
// is to be changed in it.
const unreachableAfter = 5 * time.Second

// clusters are the clusters that the agent acts on, by name, and which
// components belong on them. Safe for concurrent use.
type clusters struct {
	make    func(name string, to *rest.Config) (*llo.Cluster, error)
	fence   func(*rest.Config) *rest.Config // before what is sent
	workers int                             // how many entities are worked on at once
	log     *slog.Logger

	mu    sync.RWMutex
	of    map[string]*member
	table *clusterTable
	start func(*member) // nil while nothing runs
}

// member is one of the clusters. It changes under the lock of the set.
type member struct {
	*llo.Cluster // nil while there never was a usable kubeconfig

	name    string
	digest  string        // of the connection in use
	err     error         // why the newest connection is not in use
	leaving bool          // bound to nothing any more; goes when nothing of ours is left in it
	heard   bool          // a resync has gone through all that it holds
	busy    chan struct{} // one for each call under way
	stop    func()        // ends Run; nil before it
}

// newClusters makes an empty set. make makes a cluster of a name.
func newClusters(workers int, log *slog.Logger, make func(name string, to *rest.Config) (*llo.Cluster, error)) *clusters {
	return &clusters{make: make, fence: func(to *rest.Config) *rest.Config { return to }, workers: workers, log: log, of: map[string]*member{}, table: &clusterTable{}}
}

// add takes in another cluster under its name, and follows it from now on if
// the set runs.
func (c *clusters) add(name string, to connection) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connect(name, to)
}

// connect makes or changes a member. It needs the lock.
func (c *clusters) connect(name string, to connection) error {
	m := c.of[name]
	if m == nil {
		m = &member{name: name, busy: make(chan struct{}, max(1, c.workers/2))}
		c.of[name] = m
	}
	m.leaving = false
	if m.Cluster != nil && m.digest == to.digest {
		m.err = nil
		return nil
	}
	if m.err = to.err; m.err == nil {
		m.err = m.use(c, to)
	}
	if m.err != nil {
		return fmt.Errorf("cluster %s: %w", name, m.err)
	}
	return nil
}

func (m *member) use(c *clusters, to connection) error {
	if to.rest.Insecure {
		c.log.Warn("the certificate of a cluster's API server is not verified", "cluster", m.name)
	}
	way := c.fence(to.rest)
	if m.Cluster != nil {
		if err := m.Reconnect(way); err != nil {
			return err
		}
		c.log.Info("reaching a cluster by another way", "cluster", m.name)
	} else {
		made, err := c.make(m.name, way)
		if err != nil {
			return err
		}
		m.Cluster = made
		if c.start != nil {
			c.start(m)
		}
	}
	m.digest = to.digest
	return nil
}

// bind takes a table into use. A cluster that is not in it any more is left when
// no object of ours is in it. The error names clusters whose connection cannot be
// used; they keep the one that they had.
func (c *clusters) bind(t *clusterTable) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table = t
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(t.connections)) {
		errs = append(errs, c.connect(name, t.connections[name]))
	}
	for name, m := range c.of {
		_, there := t.connections[name]
		m.leaving = !there && name != defaultCluster
	}
	return errors.Join(errs...)
}

// leave drops the clusters that are left and hold nothing of ours.
func (c *clusters) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, m := range c.of {
		if m.leaving && (m.Cluster == nil || m.Ready() && len(m.All()) == 0) {
			c.log.Info("a cluster is left", "cluster", name)
			if m.stop != nil {
				m.stop()
			}
			delete(c.of, name)
		}
	}
}

// Run follows all clusters until ctx ends, and returns once nothing runs any more.
func (c *clusters) Run(ctx context.Context) error {
	var running sync.WaitGroup
	c.mu.Lock()
	c.start = func(m *member) {
		ctx, cancel := context.WithCancel(ctx)
		m.stop = cancel
		running.Go(func() { _ = m.Run(ctx) }) // it gives no error
	}
	for _, m := range c.of {
		if m.Cluster != nil {
			c.start(m)
		}
	}
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	c.start = nil
	c.mu.Unlock()
	running.Wait()
	return nil
}

// follow changes what is followed: in each cluster what is in its scope.
func (c *clusters) follow(scope func(cluster string) llo.Scope) {
	for _, m := range c.members() {
		if m.Cluster != nil {
			m.Follow(scope(m.name))
		}
	}
}
