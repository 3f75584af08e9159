package simulate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// weather is how badly requests of one kind fare for now, in percent.
type weather struct {
	refused   int // the server is not reached
	failing   int // it answers 503, 500 or 429 and does nothing
	cutBefore int // the connection ends before the request has an effect
	cutAfter  int // ... after it
	slow      int // seconds instead of milliseconds
	hanging   int // longer than clients wait
}

// wire is the way of one agent to one server. Every request takes a time of its own
// and may fail, both decided by what is asked.
type wire struct {
	world *world
	agent *agentRun
	to    string // broker, kube, or copies
	now   func() weather
	serve func(*http.Request) *http.Response // the effect, without delay; nil is a lost connection

	mu     sync.Mutex
	asked  time.Time // see rank
	asking []int
}

var (
	errRefused = errors.New("connect: connection refused")
	errReset   = errors.New("read: connection reset by peer")
)

// chosen is what client-go draws itself, from a stream that all goroutines share.
var chosen = regexp.MustCompile(`&?timeoutSeconds=[0-9]+`)

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	what := req.Method + " " + req.URL.RequestURI()
	key := []string{w.agent.host, strconv.Itoa(w.agent.life), w.to, chosen.ReplaceAllString(what, "")}
	if w.to == "kube" && !strings.Contains(req.URL.Path, "/namespaces/") {
		key = append(key, w.rank()) // every kind is asked for in the same words
	}
	d := w.world.dice.about(key...)
	lease := w.to == "kube" && isLease(splitPath(req.URL.Path)) // so many that they are not noted
	began, stood := time.Now(), w.agent.stillUntil()
	req.Header.Set(sentHeader, began.UTC().Format(time.RFC3339Nano))
	if err := w.agent.awake(req.Context(), d); err != nil {
		return nil, err
	}
	now := w.now()
	before, after := between(d, 200*time.Microsecond, 4*time.Millisecond), between(d, 200*time.Microsecond, 4*time.Millisecond)
	luck := d.IntN(100)
	happens := func(percent int) bool { luck -= percent; return luck < 0 }
	switch {
	case happens(now.slow):
		before, after = between(d, 50*time.Millisecond, 4*time.Second), between(d, 50*time.Millisecond, 4*time.Second)
	case happens(now.hanging):
		after = between(d, 40*time.Second, 60*time.Second)
	case happens(now.refused):
		return nil, w.fail(req, before, what, errRefused)
	case happens(now.cutBefore):
		return nil, w.fail(req, before, what, errReset)
	case happens(now.failing):
		return w.refuse(req, before, what, pick(d, []int{503, 500, 429}))
	}
	cut := happens(now.cutAfter)
	if err := w.pass(req.Context(), before); err != nil {
		return nil, err
	}
	switch {
	case time.Since(began) > arriveTime && stood.After(began):
		return nil, errReset // it stood still for longer than is assumed
	case w.agent.apart(w.to), lease && w.agent.apart("lease"):
		return nil, w.fail(req, between(d, time.Millisecond, 30*time.Second), what, errReset)
	}
	response := w.serve(req)
	if !lease || response == nil {
		w.world.note(w.agent.host, "%s %s: %s", w.to, brief(what), codeOf(response))
	}
	if response == nil {
		return nil, w.fail(req, after, what, errReset)
	}
	err := w.pass(req.Context(), after)
	if err == nil {
		err = w.agent.awake(req.Context(), d)
	}
	if err == nil && (cut || w.agent.apart(w.to)) {
		err = errReset
		w.world.note(w.agent.host, "%s %s: the answer is lost", w.to, brief(what))
	}
	if err != nil {
		response.Body.Close() // nobody reads it
		return nil, err
	}
	return response, nil
}

// rank is the place of this goroutine, by the order in which they were made, among
// those that ask for something alike at this instant. Which of them runs first is
// not the same in every replay.
func (w *wire) rank() string {
	text := make([]byte, 64)
	own, err := strconv.Atoi(strings.Fields(string(text[:runtime.Stack(text, false)]))[1])
	if err != nil {
		panic(err) // "goroutine 7 [running]:"
	}
	w.mu.Lock()
	if w.asked != time.Now() {
		w.asked, w.asking = time.Now(), nil
	}
	w.asking = append(w.asking, own)
	w.mu.Unlock()
	time.Sleep(time.Microsecond) // until all have asked
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.asking)
	return strconv.Itoa(slices.Index(w.asking, own))
}

// pass takes time, and ends early when the agent was killed or gave up.
func (w *wire) pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.agent.dead:
	}
	select {
	case <-w.agent.dead:
		return errReset
	default:
		return nil
	}
}

func (w *wire) fail(req *http.Request, d time.Duration, what string, err error) error {
	if gone := w.pass(req.Context(), d); gone != nil {
		return gone
	}
	w.world.note(w.agent.host, "%s %s: %v", w.to, brief(what), err)
	return err
}

func (w *wire) refuse(req *http.Request, d time.Duration, what string, code int) (*http.Response, error) {
	if err := w.pass(req.Context(), d); err != nil {
		return nil, err
	}
	w.world.note(w.agent.host, "%s %s: %d and nothing done", w.to, brief(what), code)
	return answer(code, map[string]any{"title": "out of order"}), nil
}

func brief(what string) string {
	what = strings.NewReplacer("/ngsi-ld/v1", "", "urn:ngsi-ld:", "", "/apis/"+version.String()+"/namespaces", "").Replace(what)
	what, _, _ = strings.Cut(what, "?")
	return what
}

func codeOf(r *http.Response) string {
	if r == nil {
		return "connection lost"
	}
	return r.Status
}

// recorder is a http.ResponseWriter that gives the answer away as soon as it is
// flushed or complete, while the handler may go on.
type recorder struct {
	header http.Header
	code   int
	body   []byte
	done   chan struct{}
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, done: make(chan struct{})} }

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) { r.code = code }

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return len(p), nil
}

// Flush implements http.Flusher.
func (r *recorder) Flush() {
	select {
	case <-r.done:
	default:
		close(r.done)
	}
}

// handle lets h answer req and returns the answer. h may go on in the background.
func handle(h http.Handler, req *http.Request) *http.Response {
	r := newRecorder()
	go func() {
		h.ServeHTTP(r, req)
		r.Flush()
	}()
	<-r.done
	return r.response()
}

func (r *recorder) response() *http.Response {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	header := http.Header{}
	for name, values := range r.header {
		for _, value := range values {
			header.Add(name, value) // in canonical form, as it comes off a connection
		}
	}
	return &http.Response{
		StatusCode: r.code, Status: strconv.Itoa(r.code) + " " + http.StatusText(r.code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(len(r.body)), Body: io.NopCloser(bytes.NewReader(r.body)),
	}
}

// CloseIdleConnections is asked for by client-go; there are none.
func (w *wire) CloseIdleConnections() {}
