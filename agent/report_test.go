package agent

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Nobody tells of the changes of an entity in another broker. What was read of it while a report was
// under way may be from before, and is read again: a report made of that could hide an order.
func TestReportMeetsARead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		read  func(*tracker, time.Time)
		doubt bool
	}{
		"nothing is read": {func(*tracker, time.Time) {}, false},
		"of our broker": {func(tr *tracker, asked time.Time) {
			tr.listed(component("Failed"), asked)
		}, false},
		"of another broker": {func(tr *tracker, asked time.Time) {
			tr.elsewhere(component("Failed"), asked)
		}, true},
	} {
		now := epoch
		r := &reconciler{tracker: newTracker(func() time.Time { return now }), metrics: newMetrics(prometheus.NewRegistry()), log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }}
		r.client = ngsild.NewClient(ngsild.ClientConfig{BaseURL: "http://broker", Transport: transportFunc(func(req *http.Request) (*http.Response, error) {
			c.read(r.tracker, now.Add(-time.Millisecond))
			return reply(req, http.StatusNoContent, nil)
		})})
		r.tracker.elsewhere(component("Failed"), now.Add(-time.Second))
		v, _ := r.tracker.get(someID)
		p := &pass{view: v, status: &status{componentStatus: statusRunning}}
		if err := r.write(t.Context(), p, map[string]any{attrStatus: enumAttribute(&p.entity, attrStatus, "ServiceComponentStatus", statusRunning)}); err != nil {
			t.Fatal(err)
		}
		if v, _ = r.tracker.get(someID); v.doubt != c.doubt {
			t.Errorf("%s: read again: %v, want %v", name, v.doubt, c.doubt)
		}
	}
}
