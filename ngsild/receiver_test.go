package ngsild

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const webhookSecret = "right-and-long-enough"

// inbox is a served receiver and what came out of it.
type inbox struct {
	*Receiver
	server *httptest.Server

	mu       sync.Mutex
	secrets  []string
	counts   map[string]int
	reasons  []string
	received []Notification
}

func newInbox(t testing.TB, maxBytes int64) *inbox {
	t.Helper()
	in := &inbox{secrets: []string{webhookSecret, "older-and-long-enough"}, counts: map[string]int{}}
	in.Receiver = NewReceiver(ReceiverConfig{
		Secret:     func() []string { in.mu.Lock(); defer in.mu.Unlock(); return in.secrets },
		MaxBytes:   maxBytes,
		Known:      func(id string) bool { return id != "urn:s:foreign" },
		Sink:       func(n Notification) { in.mu.Lock(); defer in.mu.Unlock(); in.received = append(in.received, n) },
		Unreadable: func(reason string) { in.mu.Lock(); defer in.mu.Unlock(); in.reasons = append(in.reasons, reason) },
		Count:      func(result string) { in.mu.Lock(); defer in.mu.Unlock(); in.counts[result]++ },
	})
	in.server = httptest.NewServer(in)
	t.Cleanup(in.server.Close)
	return in
}

// run decodes until the test ends.
func (in *inbox) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// await polls until the receiver has counted n requests.
func (in *inbox) await(t testing.TB, n int) (counts map[string]int, reasons []string) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for tick := time.NewTicker(time.Millisecond); ; {
		counts, reasons = in.state()
		total := 0
		for _, count := range counts {
			total += count
		}
		if total >= n {
			tick.Stop()
			return counts, reasons
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("counted %v, want %d", counts, n)
		}
	}
}

func (in *inbox) state() (counts map[string]int, reasons []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	counts = map[string]int{}
	for result, count := range in.counts {
		counts[result] = count
	}
	return counts, append([]string(nil), in.reasons...)
}

// exchange sends raw bytes and returns the raw answer.
func (in *inbox) exchange(t testing.TB, request string) string {
	t.Helper()
	connection, err := net.Dial("tcp", in.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text := fmt.Sprint(response.StatusCode)
	var headers []string
	for name := range response.Header {
		headers = append(headers, name)
	}
	sort.Strings(headers)
	return strings.Join(append([]string{text}, headers...), " ")
}

// notify writes a request as Orion-LD does.
func notify(body string, headers ...string) string {
	return "POST /notify?subscriptionId=urn:s:1 HTTP/1.1\r\nContent-Length: " + fmt.Sprint(len(body)) +
		"\r\nUser-Agent: orionld/post-v1.7.0\r\nHost: agent\r\nAccept: application/json\r\n" +
		strings.Join(append(headers, "", ""), "\r\n") + body
}

const (
	withSecret = "X-Hlo-Agent-Secret: " + webhookSecret
	jsonType   = "Content-Type: application/json"
	smallBody  = `{"subscriptionId":"urn:s:1","data":[{"id":"urn:x:1","type":"T","a":1}]}`
)

func TestReceiverAnswers(t *testing.T) {
	t.Parallel()
	bad := strings.Replace(smallBody, "}", "", 1)
	foreign := strings.Replace(smallBody, "urn:s:1", "urn:s:foreign", 1)
	chunked := fmt.Sprintf("POST /notify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n%s\r\n%s\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
		jsonType, withSecret, 10, smallBody[:10], len(smallBody)-10, smallBody[10:])
	for name, c := range map[string]struct {
		request, answer, count string
		lost                   string // what Unreadable hears
	}{
		"accepted":           {notify(smallBody, jsonType, withSecret), "204 Date", "accepted", ""},
		"older secret":       {notify(smallBody, jsonType, "X-Hlo-Agent-Secret: older-and-long-enough"), "204 Date", "accepted", ""},
		"header's case":      {notify(smallBody, jsonType, "x-hlo-agent-secret: "+webhookSecret), "204 Date", "accepted", ""},
		"second is right":    {notify(smallBody, jsonType, "X-Hlo-Agent-Secret: wrong", withSecret), "204 Date", "accepted", ""},
		"foreign headers":    {notify(smallBody, jsonType, "Authorization: Bearer x", "Ngsild-Tenant: t", withSecret), "204 Date", "accepted", ""},
		"ld+json":            {notify(smallBody, "Content-Type: application/ld+json", withSecret), "204 Date", "accepted", ""},
		"parameters":         {notify(smallBody, "Content-Type: Application/JSON; charset=utf-8", withSecret), "204 Date", "accepted", ""},
		"chunked":            {chunked, "204 Date", "accepted", ""},
		"foreign":            {notify(foreign, jsonType, withSecret), "204 Date", "unknown_subscription", ""},
		"not JSON":           {notify(bad, jsonType, withSecret), "204 Date", "unreadable", "notification: invalid character ']' after object key:value pair"},
		"empty":              {notify("", jsonType, withSecret), "204 Date", "unreadable", "notification: unexpected end of JSON input"},
		"no notification":    {notify("[]", jsonType, withSecret), "204 Date", "unreadable", "notification: want an object, have a list"},
		"GeoJSON":            {notify(smallBody, "Content-Type: application/geo+json", withSecret), "204 Date", "media_type", "media_type"},
		"no media type":      {notify(smallBody, withSecret), "204 Date", "media_type", "media_type"},
		"two media types":    {notify(smallBody, "Content-Type: ;;", withSecret), "204 Date", "media_type", "media_type"},
		"too large":          {notify(smallBody+strings.Repeat(" ", 1000), jsonType, withSecret), "204 Date", "too_large", "too_large"},
		"wrong secret":       {notify(smallBody, jsonType, "X-Hlo-Agent-Secret: wrong"), "401 Content-Length Date", "unauthorized", ""},
		"secret with more":   {notify(smallBody, jsonType, withSecret+"x"), "401 Content-Length Date", "unauthorized", ""},
		"empty secret":       {notify(smallBody, jsonType, "X-Hlo-Agent-Secret:"), "401 Content-Length Date", "unauthorized", ""},
		"no secret":          {notify(smallBody, jsonType), "401 Content-Length Date", "unauthorized", ""},
		"in Authorization":   {notify(smallBody, jsonType, "Authorization: "+webhookSecret), "401 Content-Length Date", "unauthorized", ""},
		"another path":       {strings.Replace(notify(smallBody, jsonType, withSecret), "/notify", "/notify/x", 1), "404 Content-Length Date", "not_found", ""},
		"root":               {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404 Content-Length Date", "not_found", ""},
		"GET":                {"GET /notify HTTP/1.1\r\nHost: a\r\n" + withSecret + "\r\n\r\n", "405 Allow Content-Length Date", "method", ""},
		"PUT":                {strings.Replace(notify(smallBody, jsonType, withSecret), "POST", "PUT", 1), "405 Allow Content-Length Date", "method", ""},
		"deletion, no attrs": {notify(`{"data":[{"id":"urn:x:1","type":"T"}]}`, jsonType, withSecret), "204 Date", "accepted", ""},
	} {
		in := newInbox(t, 500)
		in.run(t)
		if got := in.exchange(t, c.request); got != c.answer && got != strings.Replace(c.answer, " Content-Length Date", " Connection Content-Length Date", 1) {
			t.Errorf("%s: answer %s, want %s", name, got, c.answer)
		}
		counts, reasons := in.await(t, 1)
		if diff := cmp.Diff(map[string]int{c.count: 1}, counts); diff != "" {
			t.Errorf("%s: counts (-want +got):\n%s", name, diff)
		}
		var lost []string
		if c.lost != "" {
			lost = []string{c.lost}
		}
		if diff := cmp.Diff(lost, reasons); diff != "" {
			t.Errorf("%s: lost (-want +got):\n%s", name, diff)
		}
		want := map[bool]int{true: 1}[c.count == "accepted"]
		if got := in.handedOver(want); got != want {
			t.Errorf("%s: %d notifications, want %d", name, got, want)
		}
	}
}

// handedOver is how many notifications came out, once n have: each is counted before that.
func (in *inbox) handedOver(n int) int {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		in.mu.Lock()
		got := len(in.received)
		in.mu.Unlock()
		if got >= n || time.Now().After(deadline) {
			return got
		}
	}
}

// TestEarly: as long as our own secret is not known, what may be the broker is
// answered and not believed; what cannot be is refused.
func TestEarly(t *testing.T) {
	t.Parallel()
	in := newInbox(t, 0)
	in.secrets = nil
	in.run(t)
	if got := in.exchange(t, notify(smallBody, jsonType, withSecret)); got != "204 Date" {
		t.Errorf("some secret: %s", got)
	}
	if got := in.exchange(t, notify(smallBody, jsonType)); !strings.HasPrefix(got, "401") {
		t.Errorf("no secret: %s", got)
	}
	counts, reasons := in.await(t, 2)
	if diff := cmp.Diff(map[string]int{"early": 1, "unauthorized": 1}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"early"}, reasons); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

// TestAnswersBeforeDecoding: answers go out while nothing decodes.
func TestAnswersBeforeDecoding(t *testing.T) {
	t.Parallel()
	in := newInbox(t, 0)
	for range 20 {
		if got := in.exchange(t, notify(smallBody, jsonType, withSecret)); got != "204 Date" {
			t.Fatalf("answer %s", got)
		}
	}
	if counts, _ := in.state(); len(counts) > 0 {
		t.Errorf("counted %v before decoding", counts)
	}
	in.run(t)
	if counts, _ := in.await(t, 20); counts["accepted"] != 20 {
		t.Errorf("counted %v", counts)
	}
	if held := in.bodies.held.Load(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

// TestLargeBodies: bodies at and beyond the limit, with and without a length,
// sent whole before the answer is read, as Orion-LD does.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	for name, c := range map[string]struct {
		size    int
		chunked bool
		count   string
	}{
		"at the limit":           {limit, false, "accepted"},
		"beyond":                 {limit + 1, false, "too_large"},
		"far beyond":             {8 * limit, false, "too_large"},
		"chunked, at the limit":  {limit, true, "accepted"},
		"chunked, beyond":        {limit + 1, true, "too_large"},
		"chunked, far beyond":    {8 * limit, true, "too_large"},
		"chunked, a bit":         {unknownLength, true, "accepted"},
		"chunked, a bit more":    {unknownLength + 1, true, "accepted"},
		"chunked, a bit shorter": {unknownLength - 1, true, "accepted"},
	} {
		in := newInbox(t, limit)
		in.run(t)
		body := []byte(smallBody + strings.Repeat(" ", c.size-len(smallBody)))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.server.URL+"/notify", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if c.chunked {
			request.ContentLength = -1
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(SecretHeader, webhookSecret)
		response, err := in.server.Client().Do(request)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = response.Body.Close()
		counts, _ := in.await(t, 1)
		if response.StatusCode != 204 || counts[c.count] != 1 {
			t.Errorf("%s: %d, counted %v, want %s", name, response.StatusCode, counts, c.count)
		}
	}
}

// TestListensLate: the broker sends all of a body before it listens, so even
// one that is not wanted has to be read.
func TestListensLate(t *testing.T) {
	t.Parallel()
	large := strings.Repeat(" ", 8<<20)
	for name, request := range map[string]string{
		"too large":  notify(large, jsonType, withSecret),
		"media type": notify(large, withSecret),
	} {
		in := newInbox(t, 1<<20)
		if got := in.exchange(t, request); got != "204 Date" {
			t.Errorf("%s: answer %s", name, got)
		}
	}
}

// TestIncomplete: a body that does not come, or breaks off, is answered within
// the time that the broker waits.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	in := newInbox(t, 0)
	in.run(t)
	full := notify(smallBody, jsonType, withSecret)
	start := time.Now()
	if got := in.exchange(t, full[:len(full)-5]); !strings.HasPrefix(got, "204") {
		t.Errorf("answer %s", got)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("answered after %v", took)
	}
	counts, reasons := in.await(t, 1)
	if counts["incomplete"] != 1 || len(reasons) != 1 || in.bodies.held.Load() != 0 {
		t.Errorf("counted %v, lost %v, held %d", counts, reasons, in.bodies.held.Load())
	}
}

// TestOverload: what waits is bounded in bytes and in number; the rest is
// answered, dropped and reported.
func TestOverload(t *testing.T) {
	t.Parallel()
	in := newInbox(t, 1000)
	in.bodies.limit = 5000
	body := smallBody + strings.Repeat(" ", 900-len(smallBody))
	for range 10 {
		if got := in.exchange(t, notify(body, jsonType, withSecret)); got != "204 Date" {
			t.Fatalf("answer %s", got)
		}
	}
	counts, reasons := in.state()
	if counts["overload"] != 7 || len(reasons) != 7 {
		t.Errorf("counted %v, lost %v", counts, reasons)
	}
	in.run(t)
	if counts, _ = in.await(t, 10); counts["accepted"] != 3 {
		t.Errorf("counted %v", counts)
	}
	in = newInbox(t, 1000)
	in.waiting = make(chan []byte, 2)
	for range 3 {
		in.exchange(t, notify(smallBody, jsonType, withSecret))
	}
	if counts, _ := in.state(); counts["overload"] != 1 {
		t.Errorf("counted %v", counts)
	}
}

// TestBurst: many connections at once, none refused, none lost.
func TestBurst(t *testing.T) {
	t.Parallel()
	in := newInbox(t, 0)
	in.run(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if got := in.exchange(t, notify(smallBody, jsonType, withSecret)); got != "204 Date" {
					t.Errorf("answer %s", got)
				}
			}
		})
	}
	group.Wait()
	if counts, _ := in.await(t, 400); counts["accepted"] != 400 {
		t.Errorf("counted %v", counts)
	}
}

// TestBodies reads within the budget whatever the reader does.
func TestBodies(t *testing.T) {
	t.Parallel()
	broken := io.MultiReader(strings.NewReader("abc"), iotestErr{})
	for name, c := range map[string]struct {
		from   io.Reader
		length int64
		body   string
		lost   string
	}{
		"exact":              {strings.NewReader("abc"), 3, "abc", ""},
		"nothing":            {strings.NewReader(""), 0, "", ""},
		"shorter than said":  {strings.NewReader("ab"), 3, "", "incomplete"},
		"unknown":            {strings.NewReader("abc"), -1, "abc", ""},
		"unknown, at most":   {strings.NewReader(strings.Repeat("x", 10)), -1, strings.Repeat("x", 10), ""},
		"unknown, too large": {strings.NewReader(strings.Repeat("x", 11)), -1, "", "too_large"},
		"too large":          {strings.NewReader(strings.Repeat("x", 11)), 11, "", "too_large"},
		"unknown, broken":    {broken, -1, "", "incomplete"},
	} {
		b := bodies{max: 10, limit: 600}
		body, lost := b.read(c.from, c.length)
		if string(body) != c.body || lost != c.lost {
			t.Errorf("%s: %q %q", name, body, lost)
		}
		if lost == "" {
			b.release(body)
		}
		if held := b.held.Load(); held != 0 {
			t.Errorf("%s: %d bytes are still held", name, held)
		}
	}
	b := bodies{max: 1 << 20, limit: 8192}
	if _, lost := b.read(strings.NewReader(strings.Repeat("x", 20000)), -1); lost != "overload" || b.held.Load() != 0 {
		t.Errorf("beyond the budget while growing: %q, held %d", lost, b.held.Load())
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, net.ErrClosed }

// TestRereads: a secret that does not count has the secrets read again once a
// second, and counts if it does then. Who sends none causes nothing.
func TestRereads(t *testing.T) {
	t.Parallel()
	in := newInbox(t, 0)
	reads := 0
	in.cfg.Reread = func(context.Context) {
		in.mu.Lock()
		defer in.mu.Unlock()
		reads++
		in.secrets = append(in.secrets, "another-that-is-right")
	}
	for _, c := range []struct {
		header string
		want   string
		reads  int
	}{
		{jsonType, "401", 0},
		{withSecret, "204", 0},
		{"X-Hlo-Agent-Secret: another-that-is-right", "204", 1},
		{"X-Hlo-Agent-Secret: wrong", "401", 1},
	} {
		if got := in.exchange(t, notify(smallBody, jsonType, c.header)); !strings.HasPrefix(got, c.want) || reads != c.reads {
			t.Errorf("%s: %s and %d reads, want %s and %d", c.header, got, reads, c.want, c.reads)
		}
	}
}
