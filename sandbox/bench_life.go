package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

const runningComponents = `serviceComponentStatus=="urn:ngsi-ld:ServiceComponentStatus:Running"`

// measureBroker counts what the agent asks of the broker for the life of n
// components from Starting to Running, which are ordered together with the
// services that they are part of. Afterwards all is at rest, with the
// orchestrators off and the same objects in the bare namespace, which are returned.
func measureBroker(ctx context.Context, r *rig, report *benchReport) ([]*unstructured.Unstructured, error) {
	if err := r.clean(ctx); err != nil {
		return nil, err
	}
	if err := r.startAgent(ctx); err != nil {
		return nil, err
	}
	orchestrating, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- runOrchestrators(orchestrating, r.server.REST(), r.log) }()
	bare, err := liveThrough(ctx, r, report)
	stop()
	err = errors.Join(err, <-ended)
	if err == nil {
		err = r.quiet(ctx, 2*time.Second)
	}
	return bare, err
}

func liveThrough(ctx context.Context, r *rig, report *benchReport) ([]*unstructured.Unstructured, error) {
	n := r.options.n
	load := world.Generate(n, world.LoadOptions{})
	before := useOf(r.broker.Stats())
	began := time.Now()
	all := slices.Concat(load.Base, load.Components)
	if err := r.create(ctx, all); err != nil {
		return nil, err
	}
	asked := int64(0)
	err := poll(ctx, r.patience(), func() error {
		asked++
		running, err := r.countEntities(ctx, runningComponents)
		if err == nil && running < n {
			err = fmt.Errorf("%d of %d components are Running", running, n)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	if err := r.quiet(ctx, 3*time.Second); err != nil { // what comes after the last Running belongs to the life too
		return nil, err
	}
	use := useOf(r.broker.Stats()).since(before)
	use.reads -= asked
	use.writes -= int64((len(all) + batchSize - 1) / batchSize)
	report.add("broker_reads_per_component", float64(use.reads)/float64(n), "0.1", fmt.Sprintf("%d reads, all Running after %.1f s", use.reads, took.Seconds()))
	report.add("broker_writes_per_component", float64(use.writes)/float64(n), "2", fmt.Sprintf("%d writes", use.writes))
	r.log.Info("life", "reads", use.reads, "writes", use.writes, "duration", took)
	bare, err := r.copies(ctx)
	if err != nil {
		return nil, err
	}
	return bare, r.bareRunning(ctx, bare)
}

// bareRunning makes the copies and waits until the orchestrators have brought
// them to Running, so that both sides of a comparison are of the same size.
func (r *rig) bareRunning(ctx context.Context, bare []*unstructured.Unstructured) error {
	o, err := r.observe(ctx)
	if err != nil {
		return err
	}
	defer o.close()
	done := make(chan time.Time, 1)
	names := map[string]struct{}{}
	o.expect(func(object *unstructured.Unstructured, at time.Time) {
		phase, _, _ := unstructured.NestedString(object.Object, "status", "phase")
		if object.GetNamespace() != bareNamespace || phase != "Running" || len(names) == len(bare) {
			return
		}
		if names[object.GetName()] = struct{}{}; len(names) == len(bare) {
			done <- at
		}
	})
	if err := r.apply(ctx, bare); err != nil {
		return err
	}
	_, err = o.wait(ctx, done, r.patience())
	return err
}

// countEntities asks the broker how many components q finds. It counts as one
// read there.
func (r *rig) countEntities(ctx context.Context, q string) (int, error) {
	query := url.Values{"type": {"ServiceComponent"}, "q": {q}, "local": {"true"}, "count": {"true"}, "limit": {"1"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.brokerURL+"/ngsi-ld/v1/entities?"+query.Encode(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("count entities: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("count entities: the broker answers %s", resp.Status)
	}
	return strconv.Atoi(resp.Header.Get("NGSILD-Results-Count"))
}

// measureRestart counts what a restart asks for when nothing has changed.
func measureRestart(ctx context.Context, r *rig, report *benchReport) error {
	if err := r.stopAgent(); err != nil {
		return err
	}
	before := useOf(r.broker.Stats())
	written, err := r.clusterWrites(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := r.startAgent(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	if err := r.quiet(ctx, 4*time.Second); err != nil {
		return err
	}
	use := useOf(r.broker.Stats()).since(before)
	writtenNow, err := r.clusterWrites(ctx)
	if err != nil {
		return err
	}
	report.add("restart_cluster_writes", float64(writtenNow-written), "0", fmt.Sprintf("at rest after %.1f s", took.Seconds()))
	report.add("restart_broker_writes", float64(use.writes), "0", "")
	report.add("restart_reads", float64(use.reads), "", "pages and subscriptions")
	r.log.Info("restart", "cluster_writes", writtenNow-written, "broker_writes", use.writes, "reads", use.reads, "duration", took)
	return nil
}
