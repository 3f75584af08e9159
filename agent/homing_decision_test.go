package agent

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// An element is read once more before it is left: it may have spoken, or be ready
// again, since the reading that the choice was made from.
func TestNoElementIsLeftThatDoesAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cause  cause
		change func(*world)
		stays  bool
	}{
		"still silent":         {causeSilent, func(*world) {}, false},
		"it has spoken":        {causeSilent, func(w *world) { w.speaks("e1") }, true},
		"silent, and gone now": {causeSilent, func(w *world) { delete(w.entities, "e1") }, true}, // for the grace of one that is gone
		"still not ready":      {causeNotReady, func(w *world) { w.set("e1", map[string]any{attrElementStatus: "NotReady"}) }, false},
		"ready again":          {causeNotReady, func(w *world) { w.speaks("e1") }, true},
		"still gone":           {causeGone, func(w *world) { delete(w.entities, "e1") }, false},
		"it is back":           {causeGone, func(w *world) { w.speaks("e1") }, true},
		"nobody looks at it":   {causeOverload, func(w *world) { w.speaks("e1") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTrial(t)
				defer tr.done()
				r := &reconciler{client: tr.client, links: tr.links, homer: tr.homer, queue: newQueue(newMetrics(prometheus.NewRegistry())), now: time.Now}
				defer r.queue.ShutDown()
				for range 2 * int(tr.inventory.stale/time.Minute) {
					tr.world.speaks("e2")
					tr.world.speaks("e3")
					if time.Since(tr.inventory.began) == 0 {
						tr.world.speaks("e1")
					}
					after(time.Minute)
				}
				c.change(tr.world)
				err := r.stillAils(t.Context(), &decision{asked: ask{cause: c.cause, from: "e1"}})
				if got := errors.Is(err, errSuperseded); got != c.stays || err != nil && !got {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
