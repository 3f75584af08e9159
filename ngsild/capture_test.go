package ngsild

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// exchange is one recorded request to Orion-LD with the bytes that it answered.
type exchange struct {
	method, target, body string
	answer               string // status line, headers, body
}

// captured reads the exchanges of a recording, in their order.
func captured(t testing.TB, name string) []exchange {
	t.Helper()
	text := recording(t, name)
	var all []exchange
	for _, part := range strings.Split(text, "--- REQUEST")[1:] {
		request, response, ok := strings.Cut(part, "--- RESPONSE")
		if !ok {
			continue
		}
		_, request, _ = strings.Cut(request, "\n")
		_, response, _ = strings.Cut(response, "\n")
		if i := strings.Index(response, "\n---"); i >= 0 {
			response = response[:i]
		}
		if i := strings.Index(response, "\n# "); i >= 0 {
			response = response[:i]
		}
		head, body, _ := strings.Cut(request, "\n\n")
		line, _, _ := strings.Cut(head, "\n")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		all = append(all, exchange{words[0], words[1], strings.TrimSpace(body), strings.TrimRight(response, "\n") + "\n"})
	}
	if len(all) == 0 {
		t.Fatalf("%s: no exchange", name)
	}
	return all
}

func recording(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "captures", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// answered returns the recorded answer to a request, the nth of its kind.
func answered(t testing.TB, name, method, target string, nth int) string {
	t.Helper()
	for _, e := range captured(t, name) {
		if e.method == method && e.target == target {
			if nth--; nth < 0 {
				return e.answer
			}
		}
	}
	t.Fatalf("%s: no %s %s", name, method, target)
	return ""
}

// notified returns every notification body in a recording.
func notified(t testing.TB, name string) []string {
	t.Helper()
	var bodies []string
	pattern := regexp.MustCompile(`\{"id":"urn:ngsi-ld:Notification:.*\}`)
	lines := bufio.NewScanner(strings.NewReader(recording(t, name)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if body := pattern.FindString(lines.Text()); body != "" {
			bodies = append(bodies, body)
		}
	}
	return bodies
}

// replay is a broker that answers each request with recorded bytes.
type replay struct {
	*httptest.Server
	mu       sync.Mutex
	answers  map[string][]string // "GET /path" → answers in order, the last repeats
	requests []*http.Request
	bodies   []string
}

func newReplay(t testing.TB) *replay {
	t.Helper()
	r := &replay{answers: map[string][]string{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *replay) on(request string, answers ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[request] = append(r.answers[request], answers...)
}

func (r *replay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body := new(strings.Builder)
	if _, err := bufio.NewReader(req.Body).WriteTo(body); err != nil {
		panic(err)
	}
	r.requests = append(r.requests, req)
	r.bodies = append(r.bodies, body.String())
	key := req.Method + " " + req.RequestURI
	answers := r.answers[key]
	if len(answers) == 0 {
		http.Error(w, "no recorded answer to "+key, http.StatusTeapot)
		return
	}
	if len(answers) > 1 {
		r.answers[key] = answers[1:]
	}
	r.write(w, answers[0])
}

// write sends bytes as they are, apart from the line ends of the head.
func (r *replay) write(w http.ResponseWriter, answer string) {
	connection, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	head, body, _ := strings.Cut(answer, "\n\n")
	head = strings.ReplaceAll(strings.TrimRight(head, "\n"), "\n", "\r\n")
	_, _ = buffered.WriteString(head + "\r\nConnection: close\r\n\r\n" + strings.TrimSuffix(body, "\n"))
	_ = buffered.Flush()
}

// sent returns the requests so far as "GET /path".
func (r *replay) sent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, req := range r.requests {
		lines = append(lines, req.Method+" "+req.RequestURI)
	}
	return lines
}

func (r *replay) client() *Client {
	return NewClient(ClientConfig{BaseURL: r.URL, Transport: r.Client().Transport})
}
