package broker

import (
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestCaptures replays the recorded exchanges of a real Orion-LD, each file
// against a fresh broker, and compares answers and notifications. Every line of
// every file is either replayed, a remark, or in a table with a reason.
func TestCaptures(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("testdata/captures")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "README.txt" {
			continue
		}
		t.Run(strings.TrimSuffix(f.Name(), ".txt"), func(t *testing.T) {
			t.Parallel()
			if _, ok := notReplayed()[f.Name()]; ok {
				return // the table says why
			}
			newReplay(t, f.Name()).run()
		})
	}
}

// replay is the replay of one file.
type replay struct {
	t        *testing.T
	lines    *captureLines
	broker   *Broker
	address  string
	receiver *receiver
	down     atomic.Bool  // nothing listens on port 9109
	clock    atomic.Int64 // nanoseconds since 1970
	start    time.Time    // the capture's time 0
	exact    bool         // times can be compared
	request  int          // number of the last request
	differs  []difference
	used     []bool
}

const (
	captureSpeedup = 2                // of delays in receivers
	patience       = 10 * time.Second // for a notification that must come
)

func newReplay(t *testing.T, name string) *replay {
	r := &replay{t: t, lines: openCapture(t, name), receiver: newReceiver(t, captureSpeedup)}
	for _, d := range knownDifferences() {
		if d.file == name {
			r.differs = append(r.differs, d)
		}
	}
	r.used = make([]bool, len(r.differs))
	r.start, r.exact = captureStart(r.lines.text)
	r.clock.Store(r.start.UnixNano())
	r.down.Store(true)
	o := captureOptions(name)
	o.Now = func() time.Time { return time.Unix(0, r.clock.Load()) }
	r.broker = New(o)
	r.broker.notify = timing{inTime: 3400 * time.Millisecond, giveUp: 3450 * time.Millisecond, next: 500 * time.Millisecond}
	r.broker.dial = r.dial
	r.address = serve(t, r.broker)
	return r
}

// serve runs a broker on a loopback port until the test has ended.
func serve(t testing.TB, b *Broker) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// dial leads the captures' endpoints to the receiver.
func (r *replay) dial(ctx context.Context, network, address string) (net.Conn, error) {
	switch {
	case address == "127.0.0.1:9100", address == "localhost:9100", address == "127.0.0.1:9109" && !r.down.Load():
		return (&net.Dialer{}).DialContext(ctx, network, r.receiver.listener.Addr().String())
	}
	return nil, errors.New("connection refused")
}

var (
	notifiedPattern = regexp.MustCompile(`"notifiedAt":"([^"]+)"`)
	datePattern     = regexp.MustCompile(`(?m)^Date: (.+)$`)
)

// captureStart is when a capture began: from its first notification, which was
// sent some milliseconds after the request before it, else by the second.
func captureStart(text string) (time.Time, bool) {
	if at := notifiedPattern.FindStringSubmatchIndex(text); at != nil {
		offsets := offsetPattern.FindAllStringSubmatch(text[:at[0]], -1)
		notified, err := time.Parse(time.RFC3339Nano, text[at[2]:at[3]])
		if err == nil && len(offsets) > 0 {
			t, _ := strconv.ParseFloat(offsets[len(offsets)-1][1], 64)
			return notified.Add(-time.Duration(t * float64(time.Second))), true
		}
	}
	if m := datePattern.FindStringSubmatch(text); m != nil {
		if at, err := time.Parse(time.RFC1123, m[1]); err == nil {
			return at, false
		}
	}
	return time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC), false
}

func (r *replay) run() {
	r.setUp(0)
	for r.lines.more() && !r.t.Failed() {
		line := r.lines.next()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !r.dispatch(line) {
			r.t.Fatalf("%s: nothing known of %q", r.lines.where(), line)
		}
	}
	if left := r.receiver.take(0, 0); len(left) > 0 && !r.known(left[0].line) && !r.t.Failed() {
		r.t.Errorf("%s: %d notifications more than recorded, first %+v", r.lines.name, len(left), left[0])
	}
	for i, used := range r.used {
		if !used && !r.t.Failed() {
			r.t.Errorf("%s: listed as different, but is not: %s", r.lines.name, r.differs[i].line)
		}
	}
}

func (r *replay) dispatch(line string) bool {
	for _, h := range lineHandlers() {
		if m := h.pattern.FindStringSubmatch(line); m != nil {
			h.do(r, m)
			return true
		}
	}
	return false
}

// slack is how far times may be off. After a line without a time of its own the
// clock is not the capture's any more.
func (r *replay) slack() time.Duration {
	if !r.exact {
		return -1
	}
	return 60 * time.Millisecond
}

// compare reports a difference unless the table knows it.
func (r *replay) compare(what, difference string) {
	r.t.Helper()
	if difference != "" && !r.known(what) {
		r.t.Errorf("%s: %s: %s", r.lines.where(), what, difference)
	}
}

func (r *replay) known(what string) bool {
	for i, d := range r.differs {
		if strings.Contains(what, d.line) && (d.request == 0 || d.request == r.request) {
			r.used[i] = true
			return true
		}
	}
	return false
}

// setUp sends what was sent before the request of the number without being
// recorded.
func (r *replay) setUp(before int) {
	for _, s := range setUps() {
		if !strings.HasPrefix(r.lines.name, s.file) || s.before != before {
			continue
		}
		if s.restart {
			r.broker.Restart(true)
		}
		for _, line := range s.requests {
			method, rest, _ := strings.Cut(line, " ")
			path, body, _ := strings.Cut(rest, " ")
			r.send(method, path, body, true)
		}
		if len(s.requests) > 0 {
			r.receiver.take(0, 0)
		}
	}
}

// send makes a request that the capture does not hold.
func (r *replay) send(method, path, body string, wait bool) *message {
	r.t.Helper()
	m := &message{first: method + " /ngsi-ld/v1" + path + " HTTP/1.1", body: body}
	if body != "" {
		m.headers = []header{{"Content-Type", "application/json"}, {"Content-Length", strconv.Itoa(len(body))}}
	}
	answer, err := wire(r.address, m, wait)
	if err != nil || answer == nil {
		r.t.Fatalf("%s: %s: %v", r.lines.where(), m.first, err)
	}
	return answer
}

// setClock goes to a time of the capture.
func (r *replay) setClock(t float64) {
	if t >= 0 {
		r.clock.Store(r.start.Add(time.Duration(t * float64(time.Second))).UnixNano())
	}
}

func (r *replay) doExchange(m []string) {
	x, err := r.lines.exchange(m[0])
	if err != nil {
		r.t.Fatal(err)
	}
	r.request++
	r.setClock(x.t)
	r.setUp(r.request)
	answer, err := wire(r.address, x.request, !strings.HasPrefix(r.lines.name, "e13"))
	if err != nil {
		r.t.Fatalf("%s: %v", r.lines.where(), err)
	}
	what := x.request.first
	switch {
	case x.lost && answer == nil:
	case x.lost:
		r.compare(what, "the connection was lost, got "+answer.first)
	case answer == nil:
		r.compare(what, "the connection is lost, want "+x.answer.first)
	default:
		r.compare(what, compareAnswers(answer, x.answer, r.slack()))
	}
}
