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
	var agent, bare []spent
	var objects []*unstructured.Unstructured
	agentSide := func() (took spent, err error) {
		took, objects, err = applyByAgent(ctx, r, load)
		return took, err
	}
	bareSide := func() (spent, error) { return applyBare(ctx, r, objects) }
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
		r.log.Info("apply", "round", round, "agent", a.clock, "bare", b.clock, "ratio", fmt.Sprintf("%.3f", ratio(a.clock, b.clock)), "processor_ratio", fmt.Sprintf("%.3f", ratio(a.processor, b.processor)))
		if round > 0 {
			agent, bare = append(agent, a), append(bare, b)
		}
	}
	reportApply(report, agent, bare)
	return nil
}

// spent is what one side took in one round.
type spent struct {
	clock     time.Duration
	processor time.Duration // of all processes that take part
}

func reportApply(report *benchReport, agent, bare []spent) {
	clock := func(s spent) time.Duration { return s.clock }
	processor := func(s spent) time.Duration { return s.processor }
	a, b := each(agent, clock), each(bare, clock)
	report.add("apply_ratio", ratio(median(a), median(b)), "1.25", fmt.Sprintf("agent %s s, bare %s s", seconds(a), seconds(b)))
	report.add("apply_agent_seconds", median(a).Seconds(), "", fmt.Sprintf("%.0f a second", float64(report.n)/median(a).Seconds()))
	report.add("apply_bare_seconds", median(b).Seconds(), "", fmt.Sprintf("%.0f a second", float64(report.n)/median(b).Seconds()))
	a, b = each(agent, processor), each(bare, processor)
	report.add("apply_processor_ratio", ratio(median(a), median(b)), "", fmt.Sprintf("of all processes: agent %s s, bare %s s", seconds(a), seconds(b)))
}

func each(all []spent, of func(spent) time.Duration) []time.Duration {
	out := make([]time.Duration, 0, len(all))
	for _, s := range all {
		out = append(out, of(s))
	}
	return out
}

// applyByAgent measures one round of the agent's side, on a clean slate, and
// reads the objects that it made.
func applyByAgent(ctx context.Context, r *rig, load world.Load) (spent, []*unstructured.Unstructured, error) {
	if err := r.clean(ctx); err != nil {
		return spent{}, nil, err
	}
	if err := r.startAgent(ctx); err != nil {
		return spent{}, nil, err
	}
	if err := r.create(ctx, load.Base); err != nil { // a component is ordered when what it links to is there
		return spent{}, nil, err
	}
	if err := r.quiet(ctx, 500*time.Millisecond); err != nil {
		return spent{}, nil, err
	}
	took, err := r.timed(ctx, agentNamespace, len(load.Components), func() error { return r.create(ctx, load.Components) })
	if err != nil {
		return spent{}, nil, err
	}
	objects, err := r.copies(ctx)
	return took, objects, err
}

// applyBare measures one round of the other side, on a clean slate too.
func applyBare(ctx context.Context, r *rig, objects []*unstructured.Unstructured) (spent, error) {
	if err := r.clean(ctx); err != nil {
		return spent{}, err
	}
	return r.timed(ctx, bareNamespace, len(objects), func() error { return r.apply(ctx, objects) })
}

// timed measures from the first request of act to the moment at which the
// watch has seen n objects.
func (r *rig) timed(ctx context.Context, namespace string, n int, act func() error) (spent, error) {
	o, err := r.observe(ctx)
	if err != nil {
		return spent{}, err
	}
	defer o.close()
	done := o.count(namespace, n)
	before, err := processorTime()
	if err != nil {
		return spent{}, err
	}
	began := time.Now()
	if err := act(); err != nil {
		return spent{}, err
	}
	at, err := o.wait(ctx, done, r.patience())
	if err != nil {
		return spent{}, err
	}
	after, err := processorTime()
	return spent{at.Sub(began), after - before}, err
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
	return r.applyBy(ctx, objects, bareWorkers)
}

func (r *rig) applyBy(ctx context.Context, objects []*unstructured.Unstructured, workers int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
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
