package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	laneWidth    = 4                // requests to one neighbour at once
	breakerAfter = 3                // failures in a row open the circuit,
	breakerFirst = time.Second      // which is tried again after so long, doubled each time,
	breakerMost  = 30 * time.Second // and at least this often
	laneBackoff  = 200 * time.Millisecond
)

// lane is the work for one neighbour: another domain, or the shim. It has
// workers of its own, so that a neighbour that does not answer keeps nobody but
// its own callers waiting; and while it does not answer at all it is not asked
// for everybody, but now and then.
type lane struct {
	queue workqueue.TypedRateLimitingInterface[ngsild.EntityID]
	now   func() time.Time
	do    func(ctx context.Context, id ngsild.EntityID) error // errUnreachable: counts against the neighbour
	skip  func(id ngsild.EntityID)                            // told instead of do while the circuit is open

	mu       sync.Mutex
	failures int
	closed   time.Time // the circuit is open until then
}

// errUnreachable is a neighbour that gave no usable answer.
var errUnreachable = errors.New("the neighbour does not answer")

func newLane(now func() time.Time, do func(context.Context, ngsild.EntityID) error, skip func(ngsild.EntityID)) *lane {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[ngsild.EntityID](laneBackoff, 5*time.Minute)
	return &lane{queue: workqueue.NewTypedRateLimitingQueue(limiter), now: now, do: do, skip: skip}
}

// run works until ctx ends.
func (l *lane) run(ctx context.Context) {
	var workers sync.WaitGroup
	for range laneWidth {
		workers.Go(func() {
			for {
				id, over := l.queue.Get()
				if over {
					return
				}
				l.one(ctx, id)
				l.queue.Done(id)
			}
		})
	}
	<-ctx.Done()
	l.queue.ShutDown()
	workers.Wait()
}

func (l *lane) one(ctx context.Context, id ngsild.EntityID) {
	if ctx.Err() != nil {
		return
	}
	if wait := l.open(); wait > 0 {
		l.skip(id)
		l.queue.AddAfter(id, wait)
		return
	}
	err := l.do(ctx, id)
	l.count(err)
	if err != nil {
		l.queue.AddRateLimited(id)
		return
	}
	l.queue.Forget(id)
}

// open is how long the circuit stays open; 0: it is closed.
func (l *lane) open() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.closed.Sub(l.now()))
}

func (l *lane) count(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, errNotLeading) {
		return // it was not asked
	}
	if !errors.Is(err, errUnreachable) {
		l.failures, l.closed = 0, time.Time{}
		return
	}
	l.failures++
	if over := l.failures - breakerAfter; over >= 0 && !l.closed.After(l.now()) {
		l.closed = l.now().Add(min(breakerFirst<<min(over, 10), breakerMost))
	}
}
