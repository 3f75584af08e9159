package plans

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/hlo-agent/hlo-agent/agent/claims"
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
		Broker: s.client, Owner: "agent-1", Inventory: func(context.Context, string) (*homing.Inventory, error) { return inventory(t, clouds), nil },
		Claims:  func(context.Context) (claims.Claims, error) { return nil, nil },
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
