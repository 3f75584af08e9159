package llo_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire counts what goes to the API server, and can break it.
type wire struct {
	reading       atomic.Int64 // how many watches are being read just now
	mu            sync.Mutex
	sent          []string // method and path, in order
	before, after func(*http.Request) error
	canned        string // if not empty, the answer to everything
	open          []io.Closer
	gate          chan struct{} // while it is there and not closed, watches bring nothing
}

// tap is the wire as a transport.
type tap struct {
	wire *wire
	next http.RoundTripper
}

func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	before, after, canned := t.wire.note(r)
	if canned != "" {
		return cannedAnswer(canned, r)
	}
	if before != nil {
		if err := before(r); err != nil {
			return nil, err
		}
	}
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if after != nil {
		if err := after(r); err != nil {
			answer.Body.Close()
			return nil, err
		}
	}
	if r.URL.Query().Get("watch") == "true" {
		answer.Body = t.wire.watched(answer.Body)
	}
	return answer, nil
}

// watched is the answer to a watch.
type watched struct {
	io.ReadCloser
	wire  *wire
	ended chan struct{}
	end   func()
}

func (w *wire) watched(body io.ReadCloser) io.ReadCloser {
	ended := make(chan struct{})
	b := &watched{body, w, ended, sync.OnceFunc(func() { close(ended) })}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = append(w.open, b)
	return b
}

// Read is slow to notice that it was closed, so that those who do not wait for it
// are seen.
func (b *watched) Read(p []byte) (int, error) {
	b.wire.reading.Add(1)
	defer b.wire.reading.Add(-1)
	n, err := b.ReadCloser.Read(p)
	b.wire.mu.Lock()
	gate := b.wire.gate
	b.wire.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-b.ended:
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		<-time.After(20 * time.Millisecond)
	}
	return n, err
}

func (b *watched) Close() error {
	b.end()
	return b.ReadCloser.Close()
}

// stall holds back what watches bring, until the function is called that it gives.
func (w *wire) stall() (release func()) {
	gate := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate = gate
	return sync.OnceFunc(func() { close(gate) })
}

// WrappedRoundTripper lets client-go find the connections.
func (t *tap) WrappedRoundTripper() http.RoundTripper { return t.next }

func (w *wire) note(r *http.Request) (before, after func(*http.Request) error, canned string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, r.Method+" "+r.URL.RequestURI())
	return w.before, w.after, w.canned
}

// breakWith makes requests fail before they are sent, or after they took effect.
func (w *wire) breakWith(before, after func(*http.Request) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before, w.after = before, after
}

// cutWatches closes the answers that are still being read.
func (w *wire) cutWatches() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, body := range w.open {
		body.Close()
	}
	w.open = nil
}

// requests lists what was sent since the last call of reset.
func (w *wire) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

// writes lists the requests that may change something.
func (w *wire) writes() []string {
	return slices.DeleteFunc(w.requests(), func(s string) bool { return strings.HasPrefix(s, "GET ") })
}

func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = nil
}

func (w *wire) wantWrites(t *testing.T, count int) {
	t.Helper()
	if writes := w.writes(); len(writes) != count {
		t.Errorf("writes: %q, want %d of them", writes, count)
	}
}

// logged keeps what was logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

var errCut = errors.New("connection cut")

// failOnce makes the first request of that content type, or method, fail.
func failOnce(sort string) func(*http.Request) error {
	var once sync.Once
	return func(r *http.Request) (err error) {
		if r.Method == sort || r.Header.Get("Content-Type") == sort {
			once.Do(func() { err = errCut })
		}
		return err
	}
}

// observer makes an Observe of a function that takes all it is told as one text.
func observer(f func(what string)) func(verb, kind string, code int, d time.Duration) {
	return func(verb, kind string, code int, d time.Duration) {
		if d < 0 {
			code = -1
		}
		f(fmt.Sprintf("%s %s %d", verb, kind, code))
	}
}
