package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

const (
	batchSize       = 100 // entities in one batch create
	batchesInFlight = 4
	bareWorkers     = 16 // as the agent's default
	bareManager     = "hlo-sandbox-bench"
)

// measureApply compares the time from the first batch create to the moment at
// which the watch has seen every object with that of applying the same objects
// with client-go alone. The sides take turns; who is first changes.
func measureApply(ctx context.Context, r *rig, report *benchReport) error {
	load := world.Generate(r.options.n, world.LoadOptions{})
	var agent, bare []time.Duration
	var objects []*unstructured.Unstructured
	agentSide := func() (took time.Duration, err error) {
		took, objects, err = applyByAgent(ctx, r, load)
		return took, err
	}
	bareSide := func() (time.Duration, error) { return applyBare(ctx, r, objects) }
	for round := range r.options.rounds + 1 { // the first warms up and gives the bare side its objects
		first, second := agentSide, bareSide
		if round%2 == 1 {
			first, second = bareSide, agentSide
		}
		a, err := first()
		if err != nil {
			return err
		}
		b, err := second()
		if err != nil {
			return err
		}
		if round%2 == 1 {
			a, b = b, a
		}
		r.log.Info("apply", "round", round, "agent", a, "bare", b, "ratio", fmt.Sprintf("%.3f", ratio(a, b)))
		if round > 0 {
			agent, bare = append(agent, a), append(bare, b)
		}
	}
	report.add("apply_ratio", ratio(median(agent), median(bare)), "1.25", fmt.Sprintf("agent %s s, bare %s s", seconds(agent), seconds(bare)))
	report.add("apply_agent_seconds", median(agent).Seconds(), "", "")
	report.add("apply_bare_seconds", median(bare).Seconds(), "", fmt.Sprintf("%.0f a second", float64(r.options.n)/median(bare).Seconds()))
	return nil
}

// applyByAgent measures one round of the agent's side, on a clean slate, and
// reads the objects that it made.
func applyByAgent(ctx context.Context, r *rig, load world.Load) (time.Duration, []*unstructured.Unstructured, error) {
	if err := r.clean(ctx); err != nil {
		return 0, nil, err
	}
	if err := r.startAgent(ctx); err != nil {
		return 0, nil, err
	}
	if err := r.create(ctx, load.Base); err != nil { // a component is ordered when what it links to is there
		return 0, nil, err
	}
	if err := r.quiet(ctx, 500*time.Millisecond); err != nil {
		return 0, nil, err
	}
	took, err := r.timed(ctx, agentNamespace, len(load.Components), func() error { return r.create(ctx, load.Components) })
	if err != nil {
		return 0, nil, err
	}
	objects, err := r.copies(ctx)
	return took, objects, err
}

// applyBare measures one round of the other side, on a clean slate too.
func applyBare(ctx context.Context, r *rig, objects []*unstructured.Unstructured) (time.Duration, error) {
	if err := r.clean(ctx); err != nil {
		return 0, err
	}
	return r.timed(ctx, bareNamespace, len(objects), func() error { return r.apply(ctx, objects) })
}

// timed measures from the first request of act to the moment at which the
// watch has seen n objects.
func (r *rig) timed(ctx context.Context, namespace string, n int, act func() error) (time.Duration, error) {
	o, err := r.observe(ctx)
	if err != nil {
		return 0, err
	}
	defer o.close()
	done := o.count(namespace, n)
	began := time.Now()
	if err := act(); err != nil {
		return 0, err
	}
	at, err := o.wait(ctx, done, r.patience())
	return at.Sub(began), err
}

// create puts entities into the broker by batch create.
func (r *rig) create(ctx context.Context, entities []json.RawMessage) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(batchesInFlight)
	for batch := range slices.Chunk(entities, batchSize) {
		var body bytes.Buffer
		body.WriteByte('[')
		for i, e := range batch {
			if i > 0 {
				body.WriteByte(',')
			}
			body.Write(e)
		}
		body.WriteByte(']')
		group.Go(func() error { return createEntities(ctx, r.brokerURL, body.Bytes()) })
	}
	return group.Wait()
}

// apply makes objects with client-go alone.
func (r *rig) apply(ctx context.Context, objects []*unstructured.Unstructured) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(bareWorkers)
	for _, o := range objects {
		group.Go(func() error { return r.applyOne(ctx, o) })
	}
	return group.Wait()
}

func (r *rig) applyOne(ctx context.Context, o *unstructured.Unstructured) error {
	of := r.cluster.Resource(r.resources[o.GetKind()]).Namespace(o.GetNamespace())
	_, err := of.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: bareManager, Force: true})
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return nil
}

// copies reads the agent's objects, in order of their entities, as they are to
// be applied by the bare side: without what the API server has put there.
func (r *rig) copies(ctx context.Context) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, resource := range r.resources {
		list, err := r.cluster.Resource(resource).Namespace(agentNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list what the agent made: %w", err)
		}
		for i := range list.Items {
			all = append(all, stripped(&list.Items[i]))
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the agent has made nothing")
	}
	slices.SortFunc(all, func(a, b *unstructured.Unstructured) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all, nil
}

func stripped(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := o.DeepCopy()
	delete(out.Object, "status")
	meta := map[string]any{"name": o.GetName(), "namespace": bareNamespace}
	for _, name := range []string{"labels", "annotations", "finalizers"} {
		if v, ok := out.Object["metadata"].(map[string]any)[name]; ok {
			meta[name] = v
		}
	}
	out.Object["metadata"] = meta
	return out
}
