package agent

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"golang.org/x/time/rate"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Bounds of what is told in Kubernetes Events. Nothing depends on them: what
// exceeds the bounds is left out, and counted.
const (
	eventsASecond  = 10 // of one agent, in bursts of eventsBurst
	eventsBurst    = 50
	eventsOfObject = 10               // different Events of one object in eventWindow
	eventWindow    = 10 * time.Minute // after it without news, an Event is told anew
	eventAgain     = time.Minute      // how often one that goes on is told again
	eventsWaiting  = 1000
	eventsKept     = 3000 // objects whose Events are remembered, at most
	eventTries     = 3
	eventRetry     = 10 * time.Second
)

// news is something that happened to a component.
type news struct {
	entity  ngsild.EntityID
	cluster string
	object  llo.Key // the component's main object, or what stands for it while there is none
	uid     types.UID
	warning bool

	reason, message string
}

// same says whether b repeats a.
func (a *news) same(b *news) bool {
	return a.subject() == b.subject() && a.reason == b.reason && a.message == b.message
}

// subject is the object of one component, over its deaths.
func (a *news) subject() subject { return subject{a.entity, a.cluster, a.object, a.uid} }

type subject struct {
	entity  ngsild.EntityID
	cluster string
	object  llo.Key
	uid     types.UID
}

// telling is one Event on its way, or told.
type telling struct {
	news
	name        string
	count       int
	first, last time.Time
	waiting     bool
	due         time.Time // not to be sent before
	tries       int
}

// teller tells news in Kubernetes Events, beside the loop: who has news never
// waits. What repeats itself is counted in one Event; of one object there are not
// too many different ones, and not too many of all. A nil teller is silent. Safe for
// concurrent use.
type teller struct {
	tell  func(ctx context.Context, cluster string, e llo.Event) error
	count func(result string)
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	told    map[subject][]*telling // of the last eventWindow
	cleaned time.Time              // when what is older was last forgotten
	queue   []*telling
	said    bool // that events are refused was logged
	wake    chan struct{}
}

func newTeller(tell func(context.Context, string, llo.Event) error, count func(string), now func() time.Time, log *slog.Logger) *teller {
	return &teller{tell: tell, count: count, now: now, log: log, told: map[subject][]*telling{}, wake: make(chan struct{}, 1)}
}

// add takes in news.
func (t *teller) add(n news) {
	if t == nil {
		return
	}
	n.message = hideText(n.message)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	of := slices.DeleteFunc(t.told[n.subject()], func(old *telling) bool { return !old.waiting && now.Sub(old.last) > eventWindow })
	if t.told[n.subject()] = of; len(of) == 0 { // what was taken out is nil behind its end
		delete(t.told, n.subject())
	}
	e := repeated(of, &n)
	switch {
	case e != nil:
		e.news, e.count, e.last = n, e.count+1, now
	case len(of) >= eventsOfObject, len(t.queue) >= eventsWaiting:
		t.count("dropped")
		return
	default:
		e = &telling{news: n, count: 1, first: now, last: now, due: now}
		e.name = eventName(e)
		t.told[n.subject()] = append(of, e)
	}
	if e.waiting {
		return
	}
	if len(t.queue) >= eventsWaiting {
		t.count("dropped")
		return
	}
	e.waiting, e.tries = true, 0
	t.queue = append(t.queue, e)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// repeated is the Event that n is counted in: one that says the same or, when there
// are many of the object, the newest for the same reason.
func repeated(of []*telling, n *news) *telling {
	for _, old := range of {
		if old.same(n) {
			return old
		}
	}
	if len(of) < eventsOfObject {
		return nil
	}
	for _, old := range slices.Backward(of) {
		if old.reason == n.reason {
			return old
		}
	}
	return nil
}

// run tells what waits until ctx ends.
func (t *teller) run(ctx context.Context) error {
	pace := rate.NewLimiter(eventsASecond, eventsBurst)
	for {
		e, cluster, event, wait := t.next()
		if e == nil {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-t.wake:
			case <-ctx.Done():
				timer.Stop()
				return nil
			}
			timer.Stop()
			continue
		}
		if pace.Wait(ctx) != nil {
			return nil
		}
		t.done(ctx, e, t.tell(ctx, cluster, event))
	}
}

// next takes the first that is due, or says how long none is.
func (t *teller) next() (e *telling, cluster string, event llo.Event, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now.Sub(t.cleaned) > eventWindow/10 || len(t.told) > eventsKept {
		t.clean(now)
	}
	wait = eventWindow
	for i, e := range t.queue {
		if d := e.due.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		t.queue = slices.Delete(t.queue, i, i+1)
		e.waiting = false
		return e, e.cluster, llo.Event{Name: e.name, Regarding: e.object, UID: e.uid, Entity: string(e.entity), Reason: e.reason, Message: e.message,
			Warning: e.warning, Count: e.count, First: e.first, Last: e.last}, 0
	}
	return nil, "", llo.Event{}, wait
}

// clean forgets what is long past, and where that leaves too many, what is less long
// past: it would be told anew. It needs the lock.
func (t *teller) clean(now time.Time) {
	t.cleaned = now
	for window := eventWindow; window > 0; window /= 2 {
		maps.DeleteFunc(t.told, func(_ subject, of []*telling) bool {
			return !slices.ContainsFunc(of, func(e *telling) bool { return e.waiting || now.Sub(e.last) <= window })
		})
		if len(t.told) <= eventsKept/2 {
			return
		}
	}
}

// done takes in how telling e ended. What was not told is tried again a few times,
// unless the API server does not allow it.
func (t *teller) done(ctx context.Context, e *telling, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.due = t.now().Add(eventAgain)
	if err == nil {
		t.count("ok")
		return
	}
	t.count("error")
	if ctx.Err() != nil {
		return
	}
	if !t.said {
		t.log.Warn("events cannot be told", "entity", e.entity, "cluster", e.cluster, "err", err)
	}
	t.said = true
	if e.tries++; e.tries >= eventTries || e.waiting || apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsNotFound(err) {
		return
	}
	e.due, e.waiting = t.now().Add(eventRetry), true
	t.queue = append(t.queue, e)
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// standIn is what Events on a component without an object are about: a name that
// nothing in the cluster has, made of its id.
func standIn(id ngsild.EntityID, namespace string) llo.Key {
	name := strings.Trim(notName.ReplaceAllString(lower(strings.TrimPrefix(string(id), "urn:ngsi-ld:")), "-"), "-")
	return llo.Key{GVK: schema.GroupVersionKind{Kind: typeComponent}, Namespace: namespace, Name: strings.Trim(name[:min(len(name), 200)], "-")}
}

// eventName is another one for each telling.
func eventName(e *telling) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%s|%v|%s|%s|%s|%d", e.entity, e.cluster, e.object, e.uid, e.reason, e.message, e.first.UnixNano())
	return fmt.Sprintf("%s.%016x", e.object.Name[:min(len(e.object.Name), 200)], h.Sum64())
}
