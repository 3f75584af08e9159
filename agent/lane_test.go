package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// A neighbour that does not answer is not asked for everybody: the circuit
// opens after some failures, and while it is open there is one try now and then.
func TestLaneOpensItsCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls, skipped, answers := 0, map[ngsild.EntityID]bool{}, false
		done := map[ngsild.EntityID]bool{}
		var l *lane
		l = newLane(time.Now, func(_ context.Context, id ngsild.EntityID) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			calls++
			if answers {
				done[id] = true
				return nil
			}
			return errors.Join(errUnreachable, errors.New("no answer"))
		}, func(id ngsild.EntityID) {
			l.mu.Lock()
			defer l.mu.Unlock()
			skipped[id] = true
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { l.run(ctx); close(ended) }()
		const items = 50
		for i := range items {
			l.queue.Add(ngsild.EntityID(rune('A' + i)))
		}
		time.Sleep(5 * time.Minute) // of virtual time
		synctest.Wait()
		l.mu.Lock()
		// Without a circuit each would have been tried some ten times by now.
		if calls > 100 || len(skipped) < items-laneWidth-breakerAfter {
			t.Errorf("%d calls for %d entities, %d of them skipped", calls, items, len(skipped))
		}
		answers = true
		l.mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		l.mu.Lock()
		if len(done) != items {
			t.Errorf("%d of %d are done after the neighbour came back", len(done), items)
		}
		l.mu.Unlock()
		if l.open() != 0 {
			t.Error("the circuit is still open")
		}
		cancel()
		<-ended
	})
}
