package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	clustersInterval = time.Second     // how often it is looked at how the clusters are
	listPatience     = 5 * time.Second // how long the start waits for clusters
)

// newTableReader reads what CLUSTERS names; kube is the way to the default
// cluster, where the labelled Secrets are.
func newTableReader(cfg *Config, dial func(string) (*rest.Config, error), kube *rest.Config) (*tableReader, error) {
	t := &tableReader{kubeconfig: cfg.Kubeconfig, dial: dial}
	for _, name := range cfg.Clusters {
		if name != clusterSecrets {
			t.paths = append(t.paths, name)
		}
	}
	if _, err := t.read(context.Background()); err != nil {
		return nil, fmt.Errorf("CLUSTERS:\n%w", err)
	}
	if slices.Contains(cfg.Clusters, clusterSecrets) {
		list, err := secretLister(kube, cfg.Namespace)
		if err != nil {
			return nil, fmt.Errorf("CLUSTERS: %w", err)
		}
		t.secrets = list
	}
	return t, nil
}

// bindFirst takes the first table into use, and gives what watches it; nil if ctx
// ended before. Without the table nothing may be done: it would be done in the
// wrong cluster.
func (s *service) bindFirst(ctx context.Context, table *tableReader) *reload {
	l := &reload{what: "clusters"}
	l.look = func(ctx context.Context) (string, func(context.Context) error) {
		t, err := table.read(ctx)
		if err != nil {
			return failed(err)
		}
		return t.digest, func(ctx context.Context) error {
			l.used = t.digest // also where a connection cannot be used: the rest is in use
			err := s.clusters.bind(t)
			s.pace(ctx, s.tracker.ids())
			return err
		}
	}
	for wait, said := time.Second, ""; ; wait = min(2*wait, 15*time.Second) {
		digest, take := l.look(ctx)
		err := take(ctx)
		l.seen = digest
		if l.used != "" {
			if err != nil {
				l.refused = digest
			}
			s.loaded(l, err)
			return l
		}
		s.loaded(l, err)
		if text := err.Error(); text != said {
			s.log.Warn("which clusters there are cannot be read yet, will ask again", "err", err)
			said = text
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// keepClusters has components worked on again when their cluster is lost or comes
// back, and goes through what a cluster holds that was listed after the start.
func (s *service) keepClusters(ctx context.Context) error {
	tick := time.NewTicker(clustersInterval)
	defer tick.Stop()
	states := map[string]string{}
	var asked time.Time
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		s.clusters.leave()
		for _, name := range s.clusters.names() {
			before, now := states[name], s.stateOf(name)
			if states[name] = now; before == now || before == "" && now == stateGood {
				continue
			}
			s.log.Info("the state of a cluster has changed", "cluster", name, "state", now)
			s.pace(ctx, s.concerned(name))
		}
		if s.clusters.unheard() && time.Since(asked) > listPatience {
			asked = time.Now()
			s.wantResync()
		}
	}
}

// stateGood is the state of a cluster that was listed and answers.
const stateGood = "answers"

// stateOf says how a cluster is, as far as it makes a difference for components.
func (s *service) stateOf(name string) string {
	switch {
	case s.clusters.lost(name, max(s.cfg.StatusGrace, unreachableAfter)) != nil:
		return "does not answer for long"
	case s.clusters.lost(name, min(s.cfg.StatusGrace, unreachableAfter)) != nil:
		return "does not answer"
	case !s.clusters.Ready(name):
		return "not listed yet"
	}
	return stateGood
}

// concerned are the components that belong on a cluster or have objects there.
func (s *service) concerned(cluster string) map[ngsild.EntityID]bool {
	ids := map[ngsild.EntityID]bool{}
	s.tracker.each(func(id ngsild.EntityID, rec *record) {
		if rec.cluster == cluster {
			ids[id] = true
		}
	})
	for _, l := range s.clusters.All() {
		if l.Cluster == cluster {
			ids[entityOf(l)] = true
		}
	}
	return ids
}

// clusterState says which clusters do not answer, and which kinds cannot be
// followed, "ok" when all can. A kind that is not installed is named, and is
// nothing wrong with the cluster.
func (r *reconciler) clusterState() (text string, healthy bool) {
	var wrong []string
	healthy = true
	several := r.clusters.several()
	for _, name := range r.clusters.names() {
		in := ""
		if several {
			in = name + ": "
		}
		if m, err := r.clusters.get(name); m.Cluster == nil {
			wrong, healthy = append(wrong, cmp.Or(err, errNoConnection).Error()), false
			continue
		}
		for _, kind := range slices.SortedFunc(maps.Keys(r.rules().scope(name)), compareKinds) {
			if err := r.clusters.KindState(name, kind); err != nil {
				wrong = append(wrong, in+err.Error())
				healthy = healthy && errors.Is(err, llo.ErrNoKind)
			}
		}
	}
	if len(wrong) == 0 {
		return "ok", true
	}
	return strings.Join(wrong, "; "), healthy
}

func (r *reconciler) clusterText() string {
	text, _ := r.clusterState()
	return text
}
