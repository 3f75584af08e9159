package agent

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// TestFirstListDoesNotWaitForWorkers: the first list is read before anybody
// takes from the queue, and must not wait for room in it.
func TestFirstListDoesNotWaitForWorkers(t *testing.T) {
	t.Parallel()
	r := &reconciler{queue: newQueue(newMetrics(prometheus.NewRegistry()))}
	defer r.queue.ShutDown()
	seen := map[ngsild.EntityID]bool{}
	for i := range 1000 {
		seen[ngsild.EntityID(fmt.Sprint(i))] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r.pace(ctx, seen)
	if r.queue.Len() != 1000 || ctx.Err() != nil {
		t.Errorf("queued %d of 1000, %v", r.queue.Len(), ctx.Err())
	}
}
