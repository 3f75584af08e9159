package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// watcher is one open watch: what is seen arrives at the reader after a while, in
// order. It is the body of the response.
type watcher struct {
	kube  *kube
	agent *agentRun
	of    place // of all names
	ctx   context.Context

	drawing sync.Mutex
	dice    *rand.Rand

	mu     sync.Mutex
	last   time.Time // when the newest event arrives
	coming [][]byte  // lines on their way: outside of virtual time the timers of two may come in any order
	ready  []byte
	ended  error // nil while the watch is open
	wake   chan struct{}
}

// watch opens a watch. cut, when closed, ends it.
func (k *kube) watch(a *agentRun, req *http.Request, dice *rand.Rand) *http.Response {
	p, ok := placeOf(pathBelow(req))
	if !ok {
		return plain404()
	}
	w := &watcher{kube: k, agent: a, of: p, dice: dice, ctx: req.Context(), wake: make(chan struct{}, 1)}
	query := req.URL.Query()
	k.mu.Lock()
	defer k.mu.Unlock()
	if query.Get("sendInitialEvents") == "true" {
		for _, at := range k.places() {
			w.see(event{version: k.versions, kind: "ADDED", place: at, object: k.objects[at]})
		}
		w.bookmark(k.versions, true)
	} else if from, err := strconv.Atoi(query.Get("resourceVersion")); err == nil && from > 0 {
		if from < k.oldest {
			w.expired()
		}
		for _, e := range k.history {
			if e.version > from {
				w.see(e)
			}
		}
	}
	k.watchers = append(k.watchers, w)
	time.AfterFunc(w.draw(4*time.Minute, 9*time.Minute), func() { w.end(io.EOF) })
	w.keepMarked()
	r := answer(http.StatusOK, nil)
	r.ContentLength, r.Body = -1, w
	return r
}

func pathBelow(req *http.Request) []string {
	below := splitPath(req.URL.Path)
	if len(below) < 4 {
		return []string{""}
	}
	return below[3:]
}

// keepMarked sends a bookmark about every minute, as the API server does.
func (w *watcher) keepMarked() {
	time.AfterFunc(w.draw(50*time.Second, 70*time.Second), func() {
		w.kube.mu.Lock()
		w.bookmark(w.kube.versions, false)
		w.kube.mu.Unlock()
		if w.open() {
			w.keepMarked()
		}
	})
}

// draw is a time from a to b.
func (w *watcher) draw(a, b time.Duration) time.Duration {
	w.drawing.Lock()
	defer w.drawing.Unlock()
	return between(w.dice, a, b)
}

func (w *watcher) open() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended == nil
}

// see takes in a change, if it is one of those that are watched. The lock of kube
// is held.
func (w *watcher) see(e event) {
	if e.place.resource == w.of.resource && (w.of.namespace == "" || e.place.namespace == w.of.namespace) {
		w.send(map[string]any{"type": e.kind, "object": e.object.Object})
	}
}

func (w *watcher) bookmark(at int, initial bool) {
	metadata := map[string]any{"resourceVersion": strconv.Itoa(at), "creationTimestamp": nil}
	if initial {
		metadata["annotations"] = map[string]any{metav1.InitialEventsAnnotationKey: "true"}
	}
	w.send(map[string]any{"type": "BOOKMARK", "object": map[string]any{
		"apiVersion": version.String(), "kind": kinds[w.of.resource], "metadata": metadata,
	}})
}

func (w *watcher) expired() {
	w.send(map[string]any{"type": "ERROR", "object": metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Reason: metav1.StatusReasonExpired, Code: http.StatusGone, Message: "too old resource version",
	}})
}

// send lets a line arrive after a while, behind those before it.
func (w *watcher) send(line any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // it was made of JSON
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return
	}
	due := time.Now().Add(w.draw(time.Millisecond, 20*time.Millisecond))
	if w.agent != nil && due.Before(w.agent.stillUntil()) {
		due = w.agent.stillUntil().Add(w.draw(time.Millisecond, 20*time.Millisecond))
	}
	if !due.After(w.last) {
		due = w.last.Add(w.draw(time.Microsecond, time.Millisecond))
	}
	w.last = due
	w.coming = append(w.coming, text)
	time.AfterFunc(time.Until(due), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.ended == nil {
			w.ready = append(append(w.ready, w.coming[0]...), '\n')
			w.coming = w.coming[1:]
			w.signal()
		}
	})
}

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// end closes the watch; what has not arrived yet is lost.
func (w *watcher) end(err error) {
	w.mu.Lock()
	if w.ended == nil {
		w.ended = err
		w.signal()
	}
	w.mu.Unlock()
	w.kube.mu.Lock()
	defer w.kube.mu.Unlock()
	for i, o := range w.kube.watchers {
		if o == w {
			w.kube.watchers = append(append([]*watcher{}, w.kube.watchers[:i]...), w.kube.watchers[i+1:]...)
			return
		}
	}
}

var errCut = errors.New("read: connection reset by peer")

// cut ends open watches, all or those that which chooses.
func (k *kube) cut(which func(*watcher) bool) {
	k.mu.Lock()
	watchers := k.watchers
	k.mu.Unlock()
	for _, w := range watchers {
		if which(w) {
			time.AfterFunc(w.draw(time.Microsecond, 5*time.Millisecond), func() { w.end(errCut) })
		}
	}
}

// Read implements io.Reader.
func (w *watcher) Read(p []byte) (int, error) {
	for {
		w.mu.Lock()
		if len(w.ready) > 0 {
			n := copy(p, w.ready)
			w.ready = w.ready[n:]
			w.mu.Unlock()
			return n, nil
		}
		err := w.ended
		w.mu.Unlock()
		if err != nil {
			return 0, err
		}
		select {
		case <-w.wake:
		case <-w.ctx.Done():
			w.end(w.ctx.Err())
		}
	}
}

// Close implements io.Closer.
func (w *watcher) Close() error {
	w.end(io.ErrClosedPipe)
	return nil
}
