package plans

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/sandbox/broker"
)

// shop is a book over a broker, with what a test wants to change of either.
type shop struct {
	*Book
	t      *testing.T
	client *ngsild.Client
	broker *broker.Broker
	routes routers.Router
	down   atomic.Bool   // the broker answers 503
	later  time.Duration // added to the clock
	ended  chan Status
}

const clouds = `{"candidates": [
 {"candidate_id": "c1", "inventory_type": "cloud", "location_id": "r1", "cost": 1, "vim-id": "v1"},
 {"candidate_id": "c2", "inventory_type": "cloud", "location_id": "r2", "cost": 2, "vim-id": "v2"}]}`

func newShop(t *testing.T, change func(*Config)) *shop {
	t.Helper()
	s := &shop{t: t, broker: broker.New(broker.Options{}), ended: make(chan Status, 16)}
	t.Cleanup(s.broker.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		s.broker.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.client = ngsild.NewClient(ngsild.ClientConfig{BaseURL: server.URL})
	cfg := Config{
		Broker: s.client, Owner: "agent-1", Inventory: func(context.Context) (*homing.Inventory, error) { return inventory(t, clouds), nil },
		Solvers: 1, Most: 100, Keep: time.Hour, Now: func() time.Time { return time.Now().Add(s.later) }, Rand: strings.NewReader(""),
		Log: slog.New(slog.DiscardHandler), Observe: func(status Status) { s.ended <- status },
	}
	if change != nil {
		change(&cfg)
	}
	s.Book = NewBook(cfg)
	var err error
	if s.routes, err = gorillamux.NewRouter(OpenAPI()); err != nil {
		t.Fatal(err)
	}
	return s
}

func inventory(t *testing.T, text string) *homing.Inventory {
	inv, errs := homing.ParseInventory([]byte(text))
	if len(errs) > 0 {
		t.Error(errs)
	}
	return inv
}

// run works on plans until the test ends, or stop is called.
func (s *shop) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
		done <- nil
	}
	s.t.Cleanup(stop)
	return stop
}

// call sends a request, compares it and the answer with the description, and
// gives status and body.
func (s *shop) call(method, target, body string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequest(method, "http://agent"+target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	handler := s.Handler()
	if strings.HasSuffix(target, "healthcheck") || strings.HasSuffix(target, "openapi.json") || target == "/" {
		handler = Open()
	}
	handler.ServeHTTP(w, r)
	got := w.Result()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.described(r, body, got, text)
	return got.StatusCode, string(text)
}

func (s *shop) described(r *http.Request, body string, got *http.Response, text []byte) {
	s.t.Helper()
	route, params, err := s.routes.FindRoute(r)
	if err != nil {
		if got.StatusCode != 404 && got.StatusCode != 405 {
			s.t.Errorf("%s %s is not described: %v", r.Method, r.URL, err)
		}
		return
	}
	r.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil && got.StatusCode < 300 {
		s.t.Errorf("%s %s: answer %d, while the description does not allow the request: %v", r.Method, r.URL, got.StatusCode, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: got.StatusCode, Header: got.Header, Body: io.NopCloser(bytes.NewReader(text)), Options: &openapi3filter.Options{IncludeResponseStatus: true}}
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		s.t.Errorf("%s %s: answer %d does not fit the description: %v\n%s", r.Method, r.URL, got.StatusCode, err, text)
	}
}

// order is the body of a request with one constraint.
func body(constraint string, more ...string) string {
	return fmt.Sprintf(`{"name": "mine", %s"template": {"homing_template_version": "2018-02-01", "demands": {"a": [{"inventory_provider": "aai", "inventory_type": "cloud"}], "b": [{"inventory_provider": "aai", "inventory_type": "cloud"}]}, "constraints": {%s}}}`, strings.Join(more, ""), constraint)
}

const apart = `"apart": {"type": "zone", "demands": ["a", "b"], "properties": {"qualifier": "different", "category": "region"}}`

// create hands a plan in and gives its id.
func (s *shop) create(order string) string {
	s.t.Helper()
	code, text := s.call("POST", "/v1/plans", order)
	var v view
	if err := json.Unmarshal([]byte(text), &v); code != 201 || err != nil || v.Status != Accepted || v.ID == "" {
		s.t.Fatalf("got %d %s", code, text)
	}
	return v.ID
}

// wait waits for a plan's end, and gives the plan.
func (s *shop) wait(id string) view {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		code, text := s.call("GET", "/v1/plans/"+id, "")
		var got struct{ Plans []view }
		if err := json.Unmarshal([]byte(text), &got); code != 200 || err != nil || len(got.Plans) != 1 {
			s.t.Fatalf("got %d %s", code, text)
		}
		if got.Plans[0].Status.final() {
			return got.Plans[0]
		}
		select {
		case <-s.ended:
		case <-deadline:
			s.t.Fatalf("the plan stays %s", text)
		}
	}
}

func places(v view) string {
	var all []string
	for _, r := range v.Recommendations {
		all = append(all, fmt.Sprint(r["a"].Candidate["candidate_id"], "+", r["b"].Candidate["candidate_id"]))
	}
	return strings.Join(all, " ")
}

// TestLife takes plans to each of their ends.
func TestLife(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	s.run()
	best := s.create(body(apart))
	three := s.create(body(apart, `"num_solution": "all", `))
	two := s.create(body("", `"limit": 2, "timeout": 30, `))
	disjoint := s.create(body("", `"num_solution": 9, "disjoint": true, `))
	none := s.create(body(apart + `, "together": {"type": "zone", "demands": ["a", "b"], "properties": {"qualifier": "same", "category": "region"}}`))
	nobody := s.create(body(`"fit": {"type": "vim_fit", "demands": "a", "properties": {"controller": "multicloud", "request": {"vCPU": 1}}}`))
	file := s.create(`{"files": {"k": "r2"}, "parameters": {"where": {"get_file": "k"}}, "template": "{homing_template_version: 2018-02-01, parameters: {where: r1}, demands: {a: [{inventory_provider: aai, inventory_type: cloud, region: {get_param: where}}], b: [{inventory_provider: aai, inventory_type: cloud}]}}"}`)
	empty := s.create(strings.Replace(body(apart), `"cloud"}`, `"cloud", "region": "r9"}`, 1))
	for id, want := range map[string]struct {
		status  Status
		places  string
		message string
	}{
		best: {Done, "c1+c2", ""}, three: {Done, "c1+c2 c2+c1", ""}, two: {Done, "c1+c1 c1+c2", ""}, disjoint: {Done, "c1+c1 c2+c2", ""},
		file:   {Done, "c2+c1", ""},
		none:   {NotFound, "", "no assignment satisfies the constraints; these cannot hold together: apart, together"},
		nobody: {NotFound, "", "no assignment satisfies the constraints; these cannot hold together: fit"},
		empty:  {Failed, "", "template.demands.a: Unable to find any candidate for demand a: of 2 candidates of the inventory (0 not ready, 0 with figures too old) none has the type, provider and attributes that its requirements ask for"},
	} {
		v := s.wait(id)
		if v.Status != want.status || places(v) != want.places || v.Message != want.message {
			t.Errorf("got %s %q %q, want %s %q %q", v.Status, places(v), v.Message, want.status, want.places, want.message)
		}
	}
	v := s.wait(best)
	if v.Name != "mine" || v.Optimal == nil || !*v.Optimal || v.Objectives[0].Value != 3 || len(v.Objectives[0].Terms) == 0 || v.RunnerUp == nil || *v.Gap != 0 {
		t.Errorf("got %+v", v)
	}
	if v := s.wait(nobody); len(v.Notes) != 1 || !strings.Contains(v.Notes[0], `"multicloud" gave no answer: not configured`) {
		t.Errorf("notes %q do not name the system", v.Notes)
	}
	code, text := s.call("GET", "/v1/plans", "")
	if code != 200 || strings.Count(text, `"status"`) != 8 || strings.Contains(text, "recommendations") {
		t.Errorf("got %d %s", code, text)
	}
	if code, _ := s.call("DELETE", "/v1/plans/"+best, ""); code != 204 {
		t.Errorf("delete: %d", code)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if code, _ := s.call(method, "/v1/plans/"+best, ""); code != 404 {
			t.Errorf("%s after the delete: %d", method, code)
		}
	}
}

// TestRefusals: what is wrong is told at once, all of it, and becomes no plan.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	wrong := strings.NewReplacer("aai", "x", "different", "other").Replace(body(apart))
	for name, c := range map[string]struct {
		method, target, body string
		code                 int
		want                 []string
	}{
		"template":    {"POST", "/v1/plans", wrong, 400, []string{`"template.demands.a[0].inventory_provider"`, `"template.demands.b[0].inventory_provider"`, `"template.constraints.apart.properties.qualifier"`}},
		"validate":    {"POST", "/v1/plans/validate", wrong, 422, []string{`"template.demands.a[0].inventory_provider"`, `"template.constraints.apart.properties.qualifier"`}},
		"dry run":     {"POST", "/v1/plans?dry_run=translate", wrong, 422, []string{`"template.demands.a[0].inventory_provider"`}},
		"no region":   {"POST", "/v1/plans/validate", strings.Replace(body(""), `"cloud"}`, `"cloud", "region": "r9"}`, 1), 422, []string{`"template.demands.a"`}},
		"a line":      {"POST", "/v1/plans", `{"template": "demands: {}\ndemands: {}\n"}`, 400, []string{"in line 1 and in line 2"}},
		"duplicates":  {"POST", "/v1/plans", `{"template": {"demands": {}, "demands": {}}}`, 400, []string{"occurs twice"}},
		"members":     {"POST", "/v1/plans", `{"templat": {}, "name": 3, "files": [], "parameters": 1, "timeout": 0, "num_solution": "none", "limit": -1, "name": "x", "disjoint": "no"}`, 400, []string{`{"path":"name","message":"occurs twice`, `"templat","message":"unknown member: accepted is one of name, template,`, `"template","message":"required, and missing`, `"path":"files"`, `"path":"parameters"`, `"path":"timeout"`, `"path":"num_solution"`, `"path":"limit"`, `"path":"disjoint"`}},
		"no mapping":  {"POST", "/v1/plans", `{"template": 3}`, 400, []string{`"path":"template"`}},
		"no object":   {"POST", "/v1/plans", `[]`, 400, []string{"the body is no JSON object"}},
		"half":        {"POST", "/v1/plans", `{"template"`, 400, []string{"the body is no JSON"}},
		"more":        {"POST", "/v1/plans", `{"template": {}} {}`, 400, []string{"something after"}},
		"large":       {"POST", "/v1/plans", `{"template": "` + strings.Repeat("x", mostBody) + `"}`, 413, []string{"524288 bytes"}},
		"large text":  {"POST", "/v1/plans", `{"files": {"f": "` + strings.Repeat("<", mostBody*9/20) + `"}, ` + body("")[1:], 413, []string{"524288 bytes"}},
		"no plan":     {"GET", "/v1/plans/nobody", "", 404, []string{"There is no plan of this id"}},
		"no path":     {"GET", "/v1/nothing", "", 404, nil},
		"PUT":         {"PUT", "/v1/plans", "{}", 405, []string{"does not take the method"}},
		"two names":   {"POST", "/v1/plans", `{"name": "a", "name": "b", "template": {}}`, 400, []string{`"path":"name"`}},
		"a long name": {"POST", "/v1/plans", `{"name": "` + strings.Repeat("n", 300) + `", ` + body("")[len(`{"name": "mine", `):], 400, []string{`"path":"name"`}},
	} {
		code, text := s.call(c.method, c.target, c.body)
		if code != c.code {
			t.Errorf("%s: got %d, want %d: %s", name, code, c.code, text)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s", name, want, text)
			}
		}
	}
	if code, text := s.call("GET", "/v1/plans", ""); code != 200 || text != `{"plans":[]}`+"\n" {
		t.Errorf("got %d %s, want no plans", code, text)
	}
	if code, text := s.call("POST", "/v1/plans/validate", body(apart)); code != 200 || !strings.Contains(text, `"candidates":{"a":2,"b":2}`) {
		t.Errorf("validate: %d %s", code, text)
	}
	if code, text := s.call("POST", "/v1/plans?dry_run=translate", body(apart)); code != 200 || !strings.Contains(text, `"valid":true`) {
		t.Errorf("dry run: %d %s", code, text)
	}
	for _, target := range []string{"/v1/plans/healthcheck", "/v1/openapi.json", "/"} {
		if code, text := s.call("GET", target, ""); code != 200 {
			t.Errorf("%s: %d %s", target, code, text)
		}
	}
	s.down.Store(true)
	for _, c := range [][2]string{{"GET", "/v1/plans"}, {"GET", "/v1/plans/x"}, {"DELETE", "/v1/plans/x"}, {"POST", "/v1/plans"}} {
		order := ""
		if c[0] == "POST" {
			order = body(apart)
		}
		if code, text := s.call(c[0], c[1], order); code != 503 || strings.Contains(text, "down") {
			t.Errorf("%s %s while the broker is down: %d %s", c[0], c[1], code, text)
		}
	}
}

// TestRestart leaves plans at every status, and has another agent of the same name
// take them up; plans of others are left alone.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	left := map[string]string{}
	for _, status := range []Status{Accepted, Translated, Solving, Solved} {
		id := s.create(body(apart))
		if err := s.client.Merge(t.Context(), entityID(id), properties(map[string]string{attrStatus: string(status)})); err != nil {
			t.Fatal(err)
		}
		left[string(status)] = id
	}
	tired, broken, foreign := s.create(body(apart)), s.create(body(apart)), s.create(body(apart))
	for id, change := range map[string]map[string]string{
		tired: {attrAttempts: "5"}, broken: {attrOrder: "{"}, foreign: {attrOwner: "agent-2"},
	} {
		if err := s.client.Merge(t.Context(), entityID(id), properties(change)); err != nil {
			t.Fatal(err)
		}
	}
	s.Book = NewBook(s.Config)
	s.run()
	for status, id := range left {
		if v := s.wait(id); v.Status != Done || places(v) != "c1+c2" {
			t.Errorf("left at %s: got %+v", status, v)
		}
	}
	if v := s.wait(tired); v.Status != Failed || !strings.Contains(v.Message, "given up") {
		t.Errorf("a plan that the agent dies of: got %s %s", v.Status, v.Message)
	}
	if v := s.wait(broken); v.Status != Failed || !strings.Contains(v.Message, "changed by somebody else") {
		t.Errorf("a plan that was changed: got %s %s", v.Status, v.Message)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if code, _ := s.call(method, "/v1/plans/"+foreign, ""); code != 404 {
			t.Errorf("%s of another agent's plan: %d", method, code)
		}
	}
	if e, err := s.client.Entity(t.Context(), entityID(foreign)); err != nil || planOf(&e).Status != Accepted {
		t.Errorf("another agent's plan: %v %+v", err, e)
	}
}

// TestReservations has a controller that refuses one candidate, one that refuses
// all, and an agent that dies while it reserves.
func TestReservations(t *testing.T) {
	t.Parallel()
	type told struct{ Action, ID, Candidate string }
	var heard []told
	var refuses atomic.Value
	refuses.Store("c1")
	controller := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m told
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		heard = append(heard, m)
		if m.Action == "reserve" && strings.Contains(refuses.Load().(string), m.Candidate) {
			http.Error(w, "full", http.StatusConflict)
		}
	}))
	defer controller.Close()
	set, err := systems.New([]byte("systems: [{name: SDN-C, kind: service, reserveUrl: "+controller.URL+"}]"), systems.Config{})
	if err != nil {
		t.Fatal(err)
	}
	order := strings.Replace(body(""), `"constraints"`, `"reservations": {"hold": {"type": "instance_reservation", "demands": ["a"], "properties": {"controller": "SDN-C", "request": {"bw": 1}}}}, "constraints"`, 1)
	s := newShop(t, func(c *Config) { c.Systems = set })
	stop := s.run()
	id := s.create(order)
	if v := s.wait(id); v.Status != Done || places(v) != "c2+c1" || *v.Optimal || v.Message != "what is better could not be reserved" {
		t.Errorf("got %+v", v)
	}
	refuses.Store("c1 c2")
	if v := s.wait(s.create(order)); v.Status != Failed || !strings.Contains(v.Message, "reserve hold_a: status 409") {
		t.Errorf("got %s %s", v.Status, v.Message)
	}
	stop()
	refuses.Store("")
	heard = nil
	id = s.create(order)
	if err := s.client.Merge(t.Context(), entityID(id), properties(map[string]string{attrStatus: string(Reserving), attrOutcome: `{"reserved": {"hold_a": {"c2": true}}}`})); err != nil {
		t.Fatal(err)
	}
	s.run()
	if v := s.wait(id); v.Status != Done || places(v) != "c1+c1" || !*v.Optimal {
		t.Errorf("got %+v", v)
	}
	if want := []told{{"release", id + "/hold_a", "c2"}, {"reserve", id + "/hold_a", "c1"}}; fmt.Sprint(heard) != fmt.Sprint(want) {
		t.Errorf("the controller heard %v, want %v", heard, want)
	}
	none := newShop(t, nil)
	none.run()
	if v := none.wait(none.create(order)); v.Status != Failed || !strings.Contains(v.Message, "not configured") {
		t.Errorf("without a controller: got %s %s", v.Status, v.Message)
	}
}

// TestBounds: how many plans are kept, how long, and that a deleted one is not
// worked on any more.
func TestBounds(t *testing.T) {
	t.Parallel()
	begun, freed := make(chan struct{}, 8), make(chan struct{})
	s := newShop(t, func(c *Config) {
		c.Most = 2
		c.Inventory = func(ctx context.Context) (*homing.Inventory, error) {
			select {
			case begun <- struct{}{}:
			default:
			}
			select {
			case <-freed:
				return inventory(t, clouds), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	})
	stop := s.run()
	first, second := s.create(body(apart)), s.create(body(apart))
	<-begun
	if code, _ := s.call("POST", "/v1/plans", body(apart)); code != 429 {
		t.Errorf("a third plan, while none has ended: %d", code)
	}
	if code, _ := s.call("DELETE", "/v1/plans/"+first, ""); code != 204 {
		t.Errorf("delete: %d", code)
	}
	<-begun // the second: work on the first has ended
	close(freed)
	s.wait(second)
	third := s.create(body(apart))
	s.wait(third)
	fourth := s.create(body(apart))
	s.wait(fourth)
	if code, _ := s.call("GET", "/v1/plans/"+second, ""); code != 404 {
		t.Errorf("the oldest that ended, when there is no room: %d", code)
	}
	stop()
	s.later = 2 * time.Hour
	s.run()
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := s.client.Entity(t.Context(), entityID(fourth))
		if errors.Is(err, ngsild.ErrNotFound) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("an old plan is still there: %v", err)
		}
	}
}

// TestWaitsForTheBroker: a plan whose inventory cannot be read is no error.
func TestWaitsForTheBroker(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	s := newShop(t, func(c *Config) {
		c.Inventory = func(context.Context) (*homing.Inventory, error) {
			if tries.Add(1) == 1 {
				return nil, errors.New("status 503")
			}
			return inventory(t, clouds), nil
		}
	})
	s.run()
	if v := s.wait(s.create(body(apart))); v.Status != Done || tries.Load() != 2 {
		t.Errorf("got %s after %d readings", v.Status, tries.Load())
	}
}

// TestPutOffIsNotForgotten: a plan that could not be worked on is tried again soon
// even when another one comes meanwhile.
func TestPutOffIsNotForgotten(t *testing.T) {
	t.Parallel()
	failed := make(chan struct{})
	var tries atomic.Int64
	s := newShop(t, func(c *Config) {
		c.Inventory = func(context.Context) (*homing.Inventory, error) {
			if tries.Add(1) == 1 {
				defer close(failed)
				return nil, errors.New("status 503")
			}
			return inventory(t, clouds), nil
		}
	})
	s.run()
	first := s.create(body(apart))
	<-failed
	second := s.create(body(apart))
	for _, id := range []string{second, first} {
		if v := s.wait(id); v.Status != Done {
			t.Errorf("got %s", v.Status)
		}
	}
}

// TestDefects: a plan that makes the solver panic fails alone, and an outcome that
// is too large is cut.
func TestDefects(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	var list []string
	for i := range 200 {
		list = append(list, fmt.Sprintf(`{"candidate_id": "c%d", "inventory_type": "cloud", "location_id": "r%d", "all_directives": ["%s"]}`, i, i, strings.Repeat("x", 20_000)))
	}
	s := newShop(t, func(c *Config) {
		c.Inventory = func(context.Context) (*homing.Inventory, error) {
			if asked.Add(1) == 1 {
				return nil, nil
			}
			return inventory(t, `{"candidates": [`+strings.Join(list, ",")+`]}`), nil
		}
	})
	s.run()
	if v := s.wait(s.create(body(apart))); v.Status != Failed || !strings.Contains(v.Message, "internal error") {
		t.Errorf("got %s %s", v.Status, v.Message)
	}
	if v := s.wait(s.create(body(apart, `"num_solution": "all", `))); v.Status != Done || len(v.Recommendations) != 25 || !strings.Contains(v.Message, "not everything could be kept") {
		t.Errorf("got %s, %d recommendations, %q", v.Status, len(v.Recommendations), v.Message)
	}
}
