package systems

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

const template = `homing_template_version: 2018-02-01
locations: {plant: {latitude: 1, longitude: 1}}
demands:
  a: [{inventory_provider: aai, inventory_type: cloud}]
  b: [{inventory_provider: aai, inventory_type: cloud}]
constraints: {it: %s}`

const inventory = `{"candidates": [
 {"candidate_id": "c1", "inventory_type": "cloud", "location_id": "r1", "vim-id": "acme_r1", "latitude": 1, "longitude": 1},
 {"candidate_id": "c2", "inventory_type": "cloud", "location_id": "r2", "vim-id": "acme_r2", "latitude": 1, "longitude": 1}]}`

var constraints = map[string]struct{ text, good string }{
	"vim":     {`{type: vim_fit, demands: [a, b], properties: {controller: MultiCloud, request: {vCPU: 2}}}`, `{"VIMs": ["acme_r2"]}`},
	"service": {`{type: region_fit, demands: [a, b], properties: {controller: SDN-C, request: {bw: 2}}}`, `{"answers": [{"candidates": ["c2"]}]}`},
	"license": {`{type: license, demands: [a, b], properties: {id: fw, key: gold}}`, `{"answers": [{"candidates": ["c2"]}]}`},
	"network": {`{type: network_to_location, demands: [a, b], properties: {latency: < 5 ms, location: plant}}`, `{"links": [{"from": "plant", "to": "r2", "latency": 4}]}`},
}

// solve solves a template with one constraint by the systems that a file names.
func solve(t *testing.T, constraint, file string, broker Broker) homing.Result {
	t.Helper()
	s := &Set{}
	if file != "" {
		var err error
		if s, err = New([]byte(file), Config{Broker: broker}); err != nil {
			t.Fatal(err)
		}
	}
	tpl, errs := homing.Parse(fmt.Appendf(nil, template, constraint), nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	inv, errs := homing.ParseInventory([]byte(inventory))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return homing.Solve(t.Context(), tpl, inv, homing.Options{Systems: s})
}

func entry(kind, url string) string {
	name := map[string]string{"vim": "multicloud", "service": "sdn-c", "license": "fw", "network": "links"}[kind]
	return fmt.Sprintf("systems:\n- {name: %s, kind: %s, url: %s, timeout: 30s}\n", name, kind, url)
}

func chosen(r homing.Result) string {
	if len(r.Recommendations) == 0 {
		return r.Status
	}
	return r.Recommendations[0].Assignment["a"] + " " + r.Recommendations[0].Assignment["b"]
}

// TestNothingFailsOpen has every kind of system answer, answer nothing, refuse,
// hang, send garbage, be wrong, be away and be absent.
func TestNothingFailsOpen(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for kind, c := range constraints {
		for name, test := range map[string]struct {
			handler http.HandlerFunc
			note    string // "" when it is an answer
		}{
			"answers":     {reply(200, c.good), ""},
			"nobody fits": {reply(200, map[string]string{"vim": `{"VIMs": []}`, "service": `{"answers": [{"candidates": []}]}`, "license": `{"answers": [{}]}`, "network": `{"links": []}`}[kind]), ""},
			"others fit":  {reply(200, strings.NewReplacer("c2", "c9", "r2", "r9").Replace(c.good)), ""},
			"refuses":     {reply(403, c.good), "status 403"},
			"breaks":      {reply(500, c.good), "status 500"},
			"redirects": {func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
			}, "status 307"},
			"hangs":        {hang, "no answer in time"},
			"garbage":      {reply(200, "<html>welcome</html>"), "not what was asked for"},
			"half":         {reply(200, c.good[:len(c.good)-2]), "not what was asked for"},
			"another type": {reply(200, `{"VIMs": {"a": 1}, "answers": "c1", "links": 5}`), "not what was asked for"},
			"away":         {nil, "connection refused"},
			"absent":       {nil, "not configured"},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				file := ""
				switch {
				case test.handler != nil:
					server := httptest.NewServer(test.handler)
					defer server.Close()
					file = entry(kind, server.URL)
					if name == "hangs" {
						file = strings.Replace(file, "30s", "100ms", 1)
					}
				case name == "away":
					file = entry(kind, gone.URL)
				}
				got := solve(t, c.text, file, nil)
				want := "not found"
				if name == "answers" {
					want = "c2 c2"
				}
				if chosen(got) != want {
					t.Errorf("got %s, want %s; notes %q", chosen(got), want, got.Notes)
				}
				said := strings.Contains(homing.Explain(got), "gave no answer: ")
				named := strings.Contains(homing.Explain(got), test.note) && said
				if test.note != "" && !named || test.note == "" && said {
					t.Errorf("want %q in the explanation:\n%s", test.note, homing.Explain(got))
				}
			})
		}
	}
}

// hang answers nothing until the caller goes away.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the caller went
	<-r.Context().Done()
}

func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // read to its end, so that the connection is used again
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the caller may have gone
	}
}

// controller is a VIM controller with so much free on each VIM, which keeps what
// it was asked.
type controller struct {
	free map[string]float64
	mu   sync.Mutex
	seen []string
}

func (c *controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a request that breaks off is none
	var ask struct {
		VCPU float64 `json:"vCPU"`
		VIMs []string
	}
	if json.Unmarshal(body, &ask) != nil {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.seen = append(c.seen, string(body))
	c.mu.Unlock()
	fits := []string{}
	for _, vim := range ask.VIMs {
		if ask.VCPU <= c.free[vim] {
			fits = append(fits, vim)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"VIMs": fits}) // the caller may have gone
}

// TestVIMsAreNotOverbooked has demands that fit one by one, and not together.
func TestVIMsAreNotOverbooked(t *testing.T) {
	t.Parallel()
	for free, want := range map[float64]string{1: "not found", 3: "c1 c2", 4: "c1 c1"} {
		c := &controller{free: map[string]float64{"acme_r1": free, "acme_r2": free}}
		server := httptest.NewServer(c)
		got := solve(t, constraints["vim"].text, entry("vim", server.URL), nil)
		server.Close()
		if chosen(got) != want {
			t.Errorf("%v free: got %s, want %s", free, chosen(got), want)
		}
		asked := []string{`{"VIMs":["acme_r1","acme_r2"],"vCPU":2}`, `{"VIMs":["acme_r1","acme_r2"],"vCPU":4}`}
		if free < 2 {
			asked = asked[:1]
		}
		if diff := cmp.Diff(asked, c.seen); diff != "" {
			t.Errorf("%v free: asked %s", free, diff)
		}
	}
}

// TestVIMRequestsAreBounded asks about many demands, alike and different.
func TestVIMRequestsAreBounded(t *testing.T) {
	t.Parallel()
	question := func(demands int, amount float64) homing.Question {
		return homing.Question{Type: homing.AskVIM, Controller: "multicloud", Amounts: map[string]float64{"vCPU": amount}, Candidates: []string{"v"}, Demands: demands}
	}
	var each []homing.Question
	for i := range 70 {
		each = append(each, question(1, float64(i)))
	}
	for name, test := range map[string]struct {
		questions []homing.Question
		free      float64 // what is seen to be free, of 1000
	}{
		"many alike":     {[]homing.Question{question(500, 1)}, 64},
		"two kinds":      {[]homing.Question{question(100, 1), question(100, 10)}, 77},
		"many different": {each, 69},
	} {
		c := &controller{free: map[string]float64{"v": 1000}}
		server := httptest.NewServer(c)
		s, err := New([]byte(entry("vim", server.URL)), Config{})
		if err != nil {
			t.Fatal(err)
		}
		s.all[0].Timeout = mostTimeout
		answers := s.Answer(t.Context(), test.questions)
		server.Close()
		if len(c.seen) > 70 || answers[0].Err != nil || answers[0].Free["v"]["vCPU"] != test.free {
			t.Errorf("%s: %d requests, answer %v, want %v free", name, len(c.seen), answers[0], test.free)
		}
	}
}

// TestOneRequestForAllChecks batches what one system is asked, and asks several
// side by side.
func TestOneRequestForAllChecks(t *testing.T) {
	t.Parallel()
	var requests []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a request that breaks off shows in the comparison
		user, password, _ := r.BasicAuth()
		requests = append(requests, fmt.Sprint(user, " ", password, " ", string(body)))
		_, _ = io.WriteString(w, `{"answers": [{"candidates": ["s2", "r1"]}, {"candidates": ["r1"]}]}`) // the test sees what is missing
	}))
	defer server.Close()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hlo:geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(fmt.Appendf(nil, "systems: [{name: '*', kind: service, url: %s, basicAuthFile: %s}]", server.URL, password), Config{})
	if err != nil {
		t.Fatal(err)
	}
	answers := s.Answer(t.Context(), []homing.Question{
		{Type: homing.AskInstance, Controller: "SDN-C", Constraint: "x", Request: map[string]any{"bw": 1}, Candidates: []string{"s1", "s2"}},
		{Type: homing.AskVIM, Controller: "SDN-C", Candidates: []string{"v"}},
		{Type: homing.AskRegion, Controller: "SDN-C", Constraint: "y", Candidates: []string{"r1"}},
	})
	want := []homing.Answer{{Fits: []string{"s2"}}, {Err: homing.ErrNotConfigured}, {Fits: []string{"r1"}}}
	if diff := cmp.Diff(want, answers, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`hlo geheim {"checks":[{"type":"instance_fit","name":"SDN-C","constraint":"x","request":{"bw":1},"candidates":["s1","s2"]},{"type":"region_fit","name":"SDN-C","constraint":"y","request":{},"candidates":["r1"]}]}`}, requests); diff != "" {
		t.Error(diff)
	}
}

// world answers entity queries.
type world struct {
	entities string
	err      error
	asked    []ngsild.Query
}

func (w *world) List(_ context.Context, q ngsild.Query, page func([]ngsild.Entity) error) (int, error) {
	w.asked = append(w.asked, q)
	if w.err != nil {
		return -1, w.err
	}
	all, errs := ngsild.DecodeEntities([]byte(w.entities))
	if len(errs) > 0 {
		return -1, errors.Join(errs...)
	}
	kept := slices.DeleteFunc(all, func(e ngsild.Entity) bool { return !slices.Contains(q.Types, e.Type) })
	return len(kept), page(kept)
}

// TestEntitiesAnswer asks entities of every kind.
func TestEntitiesAnswer(t *testing.T) {
	t.Parallel()
	for kind, test := range map[string]struct{ query, entities string }{
		"vim":     {`{type: Vim, q: 'up=="yes"', candidate: vimId, amounts: {vCPU: freeVcpu}}`, `[{"id":"urn:v:1","type":"Vim","vimId":"acme_r1","freeVcpu":-1},{"id":"urn:v:2","type":"Vim","vimId":"acme_r2","freeVcpu":4}]`},
		"service": {`{type: Report, candidate: of, amounts: {bw: free}}`, `[{"id":"urn:x:1","type":"Report","of":["c1","c2"],"free":{"type":"Property","value":5}},{"id":"urn:x:2","type":"Report","of":"c1","free":1}]`},
		"license": {`{type: Licence, license: product, key: group, candidate: heldBy}`, `[{"id":"urn:l:1","type":"Licence","product":"fw","group":"gold","heldBy":{"type":"Relationship","object":["c2"]}},{"id":"urn:l:2","type":"Licence","product":"fw","group":"silver","heldBy":"c1"},{"id":"urn:l:3","type":"Licence","product":"lb","group":"gold","heldBy":"c1"}]`},
		"network": {`{type: Link, from: a, to: z, latency: ms}`, `[{"id":"urn:n:1","type":"Link","a":"plant","z":"r2","ms":4.5},{"id":"urn:n:2","type":"Link","a":"r1","z":"plant","ms":9}]`},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			name := map[string]string{"vim": "multicloud"}[kind]
			if name == "" {
				name = "'*'"
			}
			file := fmt.Sprintf("systems: [{name: %s, kind: %s, entities: %s}]", name, kind, test.query)
			w := &world{entities: test.entities}
			if got := solve(t, constraints[kind].text, file, w); chosen(got) != "c2 c2" {
				t.Errorf("got %s, want c2 c2: %s", chosen(got), homing.Explain(got))
			}
			if len(w.asked) != 1 {
				t.Errorf("asked %d times, want once", len(w.asked))
			}
			for broker, why := range map[Broker]string{&world{err: errors.New("status 503")}: "ask the broker: status 503", nil: "no broker", &world{entities: "[]"}: ""} {
				got := solve(t, constraints[kind].text, file, broker)
				if chosen(got) != "not found" || !strings.Contains(homing.Explain(got), why) {
					t.Errorf("got %s, want not found, and %q in:\n%s", chosen(got), why, homing.Explain(got))
				}
			}
		})
	}
}

// TestTwoProvidersOfLinks: what one knows counts when the other is away, and the
// other is named.
func TestTwoProvidersOfLinks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(reply(200, constraints["network"].good))
	defer server.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	file := fmt.Sprintf("systems:\n- {name: one, kind: network, url: %s}\n- {name: two, kind: network, url: %s}\n", server.URL, gone.URL)
	got := solve(t, constraints["network"].text, file, nil)
	if chosen(got) != "c2 c2" || !strings.Contains(homing.Explain(got), "two: ") {
		t.Errorf("got %s: %s", chosen(got), homing.Explain(got))
	}
}

// A system that repeats what it was sent is not quoted, whether that is an answer or not.
func TestSystemsAreNotQuoted(t *testing.T) {
	t.Parallel()
	const secret, good = "4711001100", "HTTP/1.0 200 OK\r\n\r\n"
	dir := t.TempDir()
	for file, text := range map[string]string{"token": secret, "basic": "user:" + secret} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, answer := range map[string]string{
		"a VIM":        good + `{"VIMs": [["` + secret + `"]]}`,
		"a number":     good + `{"VIMs": ` + secret + `}`,
		"no JSON":      good + secret,
		"no HTTP":      secret + " and " + base64.StdEncoding.EncodeToString([]byte("user:"+secret)),
		"its reason":   "HTTP/1.0 500 " + secret,
		"sent on":      "HTTP/1.0 307 x\r\nLocation: http://%zz/" + secret,
		"a wrong code": "HTTP/1.0 " + secret,
	} {
		for _, auth := range []string{"tokenFile: " + filepath.Join(dir, "token"), "basicAuthFile: " + filepath.Join(dir, "basic")} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				conn, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 64<<10)); err != nil {
					t.Error(err)
				}
				_, _ = io.WriteString(conn, answer+"\r\n\r\n") // the caller went away
			}()
			set, err := New([]byte("systems: [{name: v, kind: vim, url: \"http://"+l.Addr().String()+"\", "+auth+"}]"), Config{})
			if err != nil {
				t.Fatal(err)
			}
			got := set.Answer(t.Context(), []homing.Question{{Type: homing.AskVIM, Controller: "v", Candidates: []string{"v1"}}})[0].Err
			if got == nil || strings.Contains(got.Error(), secret) || strings.Contains(got.Error(), "dXNlc") {
				t.Errorf("%s, %s: got %v", name, auth[:5], got)
			}
			_ = l.Close() // it was listening
			<-done
		}
	}
}
