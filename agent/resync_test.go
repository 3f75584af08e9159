package agent

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hlo-agent/hlo-agent/llo"
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

// A list says nothing of what others asked for while it was under way: their
// entities may be in another broker, where nobody has looked for them yet.
func TestListSaysNothingOfWhatIsAskedForMeanwhile(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	r := &reconciler{queue: newQueue(newMetrics(prometheus.NewRegistry())), tracker: newTracker(func() time.Time { return now }),
		desk: newDesk(), clusters: newClusters(1, slog.New(slog.DiscardHandler), nil), guard: newGuard(&Config{}, func() ([]*llo.Live, int) { return nil, 0 }, time.Now, slog.New(slog.DiscardHandler))}
	defer r.queue.ShutDown()
	for _, id := range []ngsild.EntityID{"asked", "looked for", "known"} {
		r.tracker.lookAgain(id)
	}
	r.desk.put("asked", &errand{})
	r.desk.put("looked for", &errand{})
	r.missing(map[ngsild.EntityID]bool{}, map[ngsild.EntityID]bool{"looked for": true}, now.Add(time.Second))
	for id, want := range map[ngsild.EntityID]bool{"asked": false, "looked for": true, "known": true} {
		if v, _ := r.tracker.get(id); v.absent != want {
			t.Errorf("%s is held for gone: %v, want %v", id, v.absent, want)
		}
	}
}
