package simulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// post is how notifications fare for now, in percent.
type post struct {
	lost     int // answered by something on the way, and gone
	refused  int // no connection; the broker counts it as a failure
	doubled  int // comes again later
	delayed  int // answered by something on the way, and comes up to a minute later
	unheeded int // arrives, and the answer comes too late

	delay time.Duration // what is added to the time of those that are delayed
}

const longestDelay = 40 * time.Second

// dial is the broker's way to the webhooks.
func (w *world) dial(_ context.Context, _, address string) (net.Conn, error) {
	name, _, _ := strings.Cut(address, ":")
	if w.route(name, "") == nil {
		w.note("broker", "notification to %s: %v", name, errRefused)
		return nil, errRefused
	}
	return &line{world: w, to: name, wake: make(chan struct{}, 1)}, nil
}

// line is one connection of the broker to a webhook: one request, one answer.
type line struct {
	world *world
	to    string

	mu       sync.Mutex
	answer   []byte
	closed   bool
	deadline time.Time
	wake     chan struct{}
}

// Write takes the whole request at once.
func (l *line) Write(p []byte) (int, error) {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p)))
	if err != nil {
		return 0, fmt.Errorf("read notification: %w", err)
	}
	m, err := readLetter(req)
	if err != nil {
		return 0, err
	}
	l.send(m)
	return len(p), nil
}

// letter is a notification on its way.
type letter struct {
	header http.Header
	url    string
	body   []byte
}

// readLetter takes a notification out of a request, which keeps it.
func readLetter(req *http.Request) (*letter, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("read notification: %w", err)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return &letter{header: req.Header, url: req.URL.RequestURI(), body: body}, nil
}

// says tells what a letter is about, for the journal and for the dice.
func (m *letter) says() string {
	var n struct {
		Data []struct {
			ID     string `json:"id"`
			Status struct {
				Object any `json:"object"`
			} `json:"serviceComponentStatus"`
			Deleted string `json:"deletedAt"`
		} `json:"data"`
	}
	if err := json.Unmarshal(m.body, &n); err != nil {
		return "unreadable"
	}
	var parts []string
	for _, e := range n.Data {
		part := e.ID[strings.LastIndexByte(e.ID, ':')+1:]
		if word, ok := e.Status.Object.(string); ok {
			part += " " + word[strings.LastIndexByte(word, ':')+1:]
		}
		if e.Deleted != "" {
			part += " deleted"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// send decides what becomes of a letter.
func (l *line) send(m *letter) {
	w, says := l.world, m.says()
	d := w.dice.about("notification", l.to, says)
	p, luck := w.mail(), d.IntN(100)
	happens := func(percent int) bool { luck -= percent; return luck < 0 }
	soon := between(d, 200*time.Microsecond, 4*time.Millisecond)
	later := between(d, 4*time.Millisecond, longestDelay)
	switch {
	case happens(p.lost):
		w.note("post", "to %s lost: %s", l.to, says)
		l.replyAfter(soon, 204)
	case happens(p.refused):
		w.note("post", "to %s refused: %s", l.to, says)
		time.AfterFunc(soon, func() { l.Close() })
	case happens(p.delayed):
		later += p.delay
		w.note("post", "to %s delayed by %v: %s", l.to, later, says)
		l.replyAfter(soon, 204)
		time.AfterFunc(later, func() { w.deliver(l.to, m, "late") })
	case happens(p.doubled):
		l.deliverAfter(soon, d, m)
		time.AfterFunc(later, func() { w.deliver(l.to, m, "again") })
	case happens(p.unheeded):
		time.AfterFunc(soon, func() { w.deliver(l.to, m, "and the answer is lost") })
	default:
		l.deliverAfter(soon, d, m)
	}
}

func (l *line) deliverAfter(after time.Duration, d *rand.Rand, m *letter) {
	back := between(d, 100*time.Microsecond, time.Millisecond)
	time.AfterFunc(after, func() {
		code := l.world.deliver(l.to, m, "")
		if code == 0 {
			l.Close()
			return
		}
		l.replyAfter(back, code)
	})
}

// deliver hands a letter to the agent that has the address now, and gives the
// answer's code, 0 if nobody is there.
func (w *world) deliver(to string, m *letter, how string) int {
	a := w.route(to, m.says())
	var h http.Handler
	if a != nil && !a.apart("broker") && a.awake(context.Background(), w.dice.about("awake", a.host)) == nil {
		h = a.public()
	}
	if h == nil {
		w.note("post", "to %s in vain: %s", to, m.says())
		return 0
	}
	req, err := http.NewRequest(http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		panic(err) // the broker wrote it
	}
	req.Header = m.header.Clone()
	r, heard, unread := newRecorder(), a.leads(), a.unread.Load()
	h.ServeHTTP(r, req)
	w.note("post", "to %s: %s: %d %s", a.host, m.says(), r.code, how)
	if heard && r.code == http.StatusNoContent && a.unread.Load() == unread {
		w.arrived(a, m)
	}
	return r.code
}

func (l *line) replyAfter(d time.Duration, code int) {
	time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.answer = fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n", code, http.StatusText(code))
		l.signal()
	})
}

func (l *line) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Read waits for the answer until the deadline.
func (l *line) Read(p []byte) (int, error) {
	for {
		l.mu.Lock()
		if len(l.answer) > 0 {
			n := copy(p, l.answer)
			l.answer = l.answer[n:]
			l.mu.Unlock()
			return n, nil
		}
		closed, left := l.closed, time.Until(l.deadline)
		l.mu.Unlock()
		switch {
		case closed:
			return 0, io.EOF
		case left <= 0:
			return 0, os.ErrDeadlineExceeded
		}
		timer := time.NewTimer(left)
		select {
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Close implements net.Conn.
func (l *line) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.signal()
	return nil
}

// SetDeadline implements net.Conn.
func (l *line) SetDeadline(t time.Time) error { return l.SetReadDeadline(t) }

// SetReadDeadline implements net.Conn.
func (l *line) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	return nil
}

// SetWriteDeadline implements net.Conn; nothing waits when it is written.
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr implements net.Conn.
func (l *line) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements net.Conn.
func (l *line) RemoteAddr() net.Addr { return &net.TCPAddr{} }
