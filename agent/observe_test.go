package agent

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
)

// The time since which an object has been silent comes from the API server's clock.
// From then on it is counted by our steady clock: a computer whose time of day is set
// back by an hour does not say an hour later that the state is unknown.
func TestSilenceIsCountedByTheSteadyClock(t *testing.T) {
	t.Parallel()
	tr := newTracker(time.Now)
	tr.notified(component("Starting"), time.Now())
	r := &reconciler{tracker: tr, now: time.Now}
	v, _ := tr.get(someID)
	p, created := &pass{view: v}, time.Now().Round(0).Add(-10*time.Second)
	since := r.standsSince(p, &llo.Live{UID: types.UID("1"), Created: created}, mapping.State{Phase: mapping.Progressing, Silent: true})
	if !since.Equal(created) || !strings.Contains(since.String(), " m=") {
		t.Errorf("silent since %v, want %v with a reading of the steady clock", since, created)
	}
	if v, _ := tr.get(someID); !strings.Contains(v.seenAt.String(), " m=") {
		t.Errorf("noted since %v, without a reading of the steady clock", v.seenAt)
	}
}
