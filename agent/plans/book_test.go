package plans

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

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
	// What an agent may not send for now says nothing of the controller: it is sent later.
	var open atomic.Bool
	fenced, err := systems.New([]byte("systems: [{name: SDN-C, kind: service, reserveUrl: "+controller.URL+"}]"), systems.Config{
		Fence: func(way http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if !open.Load() {
					return nil, fmt.Errorf("%w: not now", ngsild.ErrRetry)
				}
				return way.RoundTrip(r)
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	fence := newShop(t, func(c *Config) {
		c.Systems, c.Log = fenced, slog.New(slog.NewTextHandler(writer(func() { open.Store(true) }), nil)) // it says that it will try again
	})
	fence.run()
	if v := fence.wait(fence.create(order)); v.Status != Done || places(v) != "c1+c1" {
		t.Errorf("behind a fence: got %+v", v)
	}
	none := newShop(t, nil)
	none.run()
	if v := none.wait(none.create(order)); v.Status != Failed || !strings.Contains(v.Message, "not configured") {
		t.Errorf("without a controller: got %s %s", v.Status, v.Message)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type writer func()

func (f writer) Write(text []byte) (int, error) { f(); return len(text), nil }

// TestBounds: how many plans are kept, how long, and that a deleted one is not
// worked on any more.
func TestBounds(t *testing.T) {
	t.Parallel()
	begun, freed := make(chan struct{}, 8), make(chan struct{})
	s := newShop(t, func(c *Config) {
		c.Most = 2
		c.Inventory = func(ctx context.Context, _ string) (*homing.Inventory, error) {
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
		c.Inventory = func(context.Context, string) (*homing.Inventory, error) {
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
		c.Inventory = func(context.Context, string) (*homing.Inventory, error) {
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
		c.Inventory = func(context.Context, string) (*homing.Inventory, error) {
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

// room is a template that takes 3 of the 4 that each of two places has.
func room(more string) string {
	return `{"name": "mine", ` + more + `"template": {"homing_template_version": "2018-02-01", "demands": {"a": [{"inventory_provider": "aai", "inventory_type": "cloud"}]},
		"constraints": {"fit": {"type": "capacity", "demands": ["a"], "properties": {"request": {"cpu": 3}, "limits": {"cpu": "free"}}}}}}`
}

// TestRoomIsHeld: what one plan was given no other is, however many are solved at once, until its time is over or it is
// deleted.
func TestRoomIsHeld(t *testing.T) {
	t.Parallel()
	read := atomic.Int64{}
	all := make(chan struct{})
	s := newShop(t, func(c *Config) {
		c.Solvers = 2
		c.Inventory = func(ctx context.Context, _ string) (*homing.Inventory, error) {
			if read.Add(1) == 2 { // both solve on the same knowledge
				close(all)
			}
			select {
			case <-all:
			case <-ctx.Done():
			}
			return inventory(t, `{"candidates": [
				{"candidate_id": "c1", "inventory_type": "cloud", "location_id": "r1", "cost": 1, "free": 4},
				{"candidate_id": "c2", "inventory_type": "cloud", "location_id": "r2", "cost": 2, "free": 4}]}`), nil
		}
	})
	s.Claims = func(ctx context.Context) (claims.Claims, error) {
		var found claims.Claims
		_, err := s.client.List(ctx, ClaimsQuery(), func(page []ngsild.Entity) error {
			for i := range page {
				found = append(found, ClaimsOf(&page[i], s.Now())...)
			}
			return nil
		})
		return found, err
	}
	place := func(v view) string {
		on, _, _ := strings.Cut(places(v), "+")
		return on
	}
	first, second := s.create(room("")), s.create(room(""))
	s.run()
	on := map[string]string{}
	for _, id := range []string{first, second} {
		v := s.wait(id)
		if v.Status != Done {
			t.Fatalf("got %+v", v)
		}
		on[place(v)] = id
	}
	if len(on) != 2 {
		t.Fatalf("two plans at once were given %v", on)
	}
	if v := s.wait(s.create(room(""))); v.Status != NotFound {
		t.Errorf("with no room left: %+v", v)
	}
	if code, _ := s.call("DELETE", "/v1/plans/"+on["c1"], ""); code != 204 {
		t.Fatalf("delete: %d", code)
	}
	for range 2 { // without a hold nothing is kept
		if v := s.wait(s.create(room(`"hold": 0, `))); v.Status != Done || place(v) != "c1" {
			t.Errorf("after the deletion: %+v", v)
		}
	}
	if v := s.wait(s.create(room(`"hold": 1, `))); v.Status != Done || place(v) != "c1" {
		t.Errorf("after the deletion: %+v", v)
	}
	deadline := time.Now().Add(20 * time.Second)
	for v := (view{}); v.Status != Done; {
		if v = s.wait(s.create(room(`"hold": 0, `))); time.Now().After(deadline) {
			t.Fatalf("a hold of a second does not end: %+v", v)
		}
	}
}
