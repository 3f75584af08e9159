package agent

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/util/workqueue"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 15 * time.Second
	busyPause    = 250 * time.Millisecond // until a cluster that is busy is tried again
)

// queue holds the ids of entities that want a pass; an id that is worked on is
// given to nobody else until it is done.
type queue struct {
	workqueue.TypedRateLimitingInterface[ngsild.EntityID]
}

func newQueue(m *metrics) *queue {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[ngsild.EntityID](backoffFirst, backoffMost)
	return &queue{workqueue.NewTypedRateLimitingQueueWithConfig(limiter,
		workqueue.TypedRateLimitingQueueConfig[ngsild.EntityID]{Name: "entities", MetricsProvider: m})}
}

// work runs passes with the given number of workers until the queue is shut
// down and empty, or the agent leaves what is queued to another copy.
func (r *reconciler) work(ctx context.Context, workers int) error {
	r.working.Store(true)
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for {
				id, shutdown := r.queue.Get()
				if shutdown || r.leaving.Load() {
					return nil
				}
				r.once(ctx, id)
				r.queue.Done(id)
			}
		})
	}
	return group.Wait()
}

func (r *reconciler) once(ctx context.Context, id ngsild.EntityID) {
	if wait := r.tracker.pace(id); wait > 0 {
		r.queue.AddAfter(id, wait)
		return
	}
	began := r.now()
	again, err := r.reconcile(ctx, id)
	r.metrics.reconcileSeconds.Observe(r.now().Sub(began).Seconds())
	switch {
	case err == nil:
		r.metrics.reconciles.WithLabelValues("done").Inc()
		r.queue.Forget(id)
		if again > 0 {
			again += spread(id)
		}
		r.tracker.wake(id, again, func() { r.queue.Add(id) })
	case errors.Is(err, errBusy):
		r.metrics.reconciles.WithLabelValues("busy").Inc()
		r.queue.AddAfter(id, busyPause)
	case errors.Is(err, errSuperseded):
		r.metrics.reconciles.WithLabelValues("superseded").Inc()
		r.queue.AddAfter(id, time.Millisecond)
	case ctx.Err() != nil:
		r.metrics.reconciles.WithLabelValues("stopped").Inc()
	default:
		r.metrics.reconciles.WithLabelValues("retry").Inc()
		if r.queue.NumRequeues(id) == 0 {
			r.log.Warn("will try again", "entity", id, "err", err)
		} else {
			r.log.Debug("will try again", "entity", id, "tries", r.queue.NumRequeues(id), "err", err)
		}
		r.queue.AddRateLimited(id)
	}
}

// spread is less than a millisecond, another one for each entity: those that are to
// be looked at again at one time, because a cluster does not answer, come in the
// same order each time.
func spread(id ngsild.EntityID) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // gives no error
	return time.Duration(h.Sum32()%1000) * time.Microsecond
}
