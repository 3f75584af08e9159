package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// ear hears what a teller tells.
type ear struct {
	mu      sync.Mutex
	heard   []llo.Event
	at      []time.Time
	results map[string]int
	fail    error
}

// hearing has a teller tell until the test ends; it runs in virtual time.
func hearing(t *testing.T, do func(*teller, *ear)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &ear{results: map[string]int{}}
		tell := newTeller(func(_ context.Context, _ string, event llo.Event) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.heard, e.at = append(e.heard, event), append(e.at, time.Now())
			return e.fail
		}, func(result string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.results[result]++
		}, time.Now, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- tell.run(ctx) }()
		do(tell, e)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (e *ear) number() int { e.mu.Lock(); defer e.mu.Unlock(); return len(e.heard) }

func (e *ear) counted(result string) int { e.mu.Lock(); defer e.mu.Unlock(); return e.results[result] }

// told are those that were heard so far.
func (e *ear) told() []llo.Event { e.mu.Lock(); defer e.mu.Unlock(); return slices.Clone(e.heard) }

func newsOf(object, reason, message string) news {
	id := ngsild.EntityID("urn:ngsi-ld:Service:s:Component:" + object)
	return news{entity: id, cluster: defaultCluster, object: standIn(id, "work"), warning: true, reason: reason, message: message}
}

func passes(d time.Duration) { time.Sleep(d); synctest.Wait() }

// What was told long ago of an object is forgotten while something else of it is told
// again and again.
func TestOldEventsOfAnObjectAreForgotten(t *testing.T) {
	hearing(t, func(tell *teller, e *ear) {
		tell.add(newsOf("a", "Failed", "image gone"))
		passes(eventWindow / 2)
		tell.add(newsOf("a", "Refused", "too big"))
		for range 3 {
			passes(eventWindow/2 + time.Second)
			tell.add(newsOf("a", "Refused", "too big"))
		}
		passes(2 * time.Minute)
		if last := e.told()[e.number()-1]; last.Reason != "Refused" || last.Count != 4 {
			t.Errorf("the last told is %+v", last)
		}
	})
}

// What repeats itself is one Event, told again once a minute with its count.
// More news than can be told leaves nothing behind: neither what was left out, nor what
// was told long ago.
func TestEventsAreForgottenUnderLoad(t *testing.T) {
	hearing(t, func(tell *teller, e *ear) {
		for n := range 60 * 30 {
			for i := range 2 * eventsASecond {
				tell.add(newsOf(fmt.Sprint("c", n, "-", i), "Failed", "it crashes"))
			}
			passes(time.Second)
		}
		tell.mu.Lock()
		defer tell.mu.Unlock()
		if len(tell.told) > eventsKept+eventsBurst {
			t.Errorf("%d objects are remembered, want at most %d", len(tell.told), eventsKept)
		}
		if e.counted("dropped") == 0 {
			t.Error("nothing was left out")
		}
	})
}

func TestEventsAreCounted(t *testing.T) {
	hearing(t, func(tell *teller, e *ear) {
		for range 90 {
			tell.add(newsOf("c", "NoImage", "none"))
			passes(time.Second)
		}
		passes(time.Minute)
		if n := e.number(); n != 3 {
			t.Fatalf("told %d times in two and a half minutes, want 3: %+v", n, e.told())
		}
		first, last := e.told()[0], e.told()[2]
		if first.Count != 1 || last.Count != 90 || first.Name != last.Name || !last.Last.Equal(first.First.Add(89*time.Second)) {
			t.Errorf("first %+v, last %+v", first, last)
		}
		if want := "service-s-component-c"; first.Regarding.Name != want || first.Regarding.GVK.Kind != "ServiceComponent" || first.Regarding.Namespace != "work" {
			t.Errorf("about %v, want %s", first.Regarding, want)
		}
		passes(eventWindow + time.Minute)
		tell.add(newsOf("c", "NoImage", "none"))
		passes(time.Second)
		if again := e.told()[len(e.told())-1]; again.Count != 1 || again.Name == first.Name {
			t.Errorf("after a long time, not anew: %+v", again)
		}
	})
}

// One object cannot fill the API server: different Events of it are few, and what
// exceeds them is counted in those with the same reason.
func TestEventsOfOneObjectAreFew(t *testing.T) {
	hearing(t, func(tell *teller, e *ear) {
		for i := range 200 {
			tell.add(newsOf("c", "Rejected", fmt.Sprint("message ", i)))
			tell.add(newsOf("c", fmt.Sprint("Reason", i), ""))
		}
		tell.add(newsOf("other", "Rejected", "its own"))
		passes(5 * time.Second)
		names := map[string]bool{}
		for _, one := range e.told() {
			names[one.Name] = true
		}
		if len(names) != eventsOfObject+1 {
			t.Errorf("%d Events, want %d of one and 1 of the other", len(names), eventsOfObject)
		}
		if e.counted("dropped") != 195 {
			t.Errorf("dropped: %d, want the 195 with reasons of their own", e.counted("dropped"))
		}
		passes(2 * time.Minute) // one that was told in between is told again
		if !slices.ContainsFunc(e.told(), func(one llo.Event) bool { return one.Message == "message 199" && one.Count > 100 }) {
			t.Errorf("none is counted with others: %+v", e.told())
		}
	})
}

// Many objects at once are told one after the other, as fast as is allowed.
func TestEventsOfAllHaveARate(t *testing.T) {
	hearing(t, func(tell *teller, e *ear) {
		for i := range 5000 {
			tell.add(newsOf(fmt.Sprint("c", i), "ClusterUnreachable", "gone"))
		}
		passes(10 * time.Second)
		if n := e.number(); n > eventsBurst+10*eventsASecond+1 || n < 100 {
			t.Errorf("%d in ten seconds", n)
		}
		passes(5 * time.Minute)
		if n := e.number(); n > eventsWaiting+eventsBurst+1 || n < eventsWaiting {
			t.Errorf("%d of 5000 told, want those %d for which there was room", n, eventsWaiting)
		}
		if e.counted("dropped") != 5000-e.number() {
			t.Errorf("counted: %d", e.counted("dropped"))
		}
		passes(eventWindow)
		passes(eventWindow)
		tell.mu.Lock()
		defer tell.mu.Unlock()
		if len(tell.told) > 0 {
			t.Errorf("%d are remembered for ever", len(tell.told))
		}
	})
}

// What cannot be told is tried a few times; what is forbidden is not.
func TestEventsThatFail(t *testing.T) {
	hearing(t, func(tell *teller, e *ear) {
		e.mu.Lock()
		e.fail = errors.New("no answer")
		e.mu.Unlock()
		tell.add(newsOf("c", "NoImage", ""))
		passes(5 * time.Minute)
		if n := e.number(); n != eventTries {
			t.Errorf("tried %d times, want %d", n, eventTries)
		}
		e.mu.Lock()
		e.fail = apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", nil)
		e.mu.Unlock()
		tell.add(newsOf("d", "NoImage", ""))
		passes(5 * time.Minute)
		if n := e.number(); n != eventTries+1 || e.counted("error") != n {
			t.Errorf("what is forbidden was tried %d times; counted: %d", n-eventTries, e.counted("error"))
		}
	})
}

func TestEventsHoldNoCredentials(t *testing.T) {
	hearing(t, func(tell *teller, e *ear) {
		tell.add(newsOf("c", "Rejected", "https://u:hunter2@registry/x"))
		passes(time.Second)
		if e.number() != 1 || strings.Contains(fmt.Sprint(e.told()), "hunter2") {
			t.Errorf("told: %v", e.told())
		}
	})
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	var none *teller
	none.add(newsOf("c", "NoImage", "")) // as in a dry run
}
