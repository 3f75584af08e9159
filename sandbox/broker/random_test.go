package broker

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// TestRandomMerges compares the values after many merges with a merge of Go
// maps.
func TestRandomMerges(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	b := newBench(t, Options{})
	b.create("1", `"v":{"type":"Property","value":{"k0":1}}`)
	want := any(map[string]any{"k0": 1.0})
	for i := range 300 {
		patch := randomObject(r, 3)
		raw, err := json.Marshal(patch)
		if err != nil {
			t.Fatal(err)
		}
		b.do(204, "PATCH", "/entities/urn:x:1", `{"v":{"type":"Property","value":`+string(raw)+`}}`)
		want = mergeGo(want, patch)
		var got struct{ V any }
		body := b.do(200, "GET", "/entities/urn:x:1?options=keyValues", "")
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.V, want) {
			t.Fatalf("merge %d of %s: got %v, want %v", i, raw, got.V, want)
		}
	}
}

func randomObject(r *rand.Rand, depth int) map[string]any {
	out := map[string]any{}
	for range r.IntN(4) + 1 {
		k := fmt.Sprintf("k%d", r.IntN(4))
		switch n := r.IntN(5); {
		case n == 0:
			out[k] = nullURI
		case n < 3 && depth > 0:
			out[k] = randomObject(r, depth-1)
		case n == 3:
			out[k] = []any{float64(r.IntN(9)), "x"}
		default:
			out[k] = float64(r.IntN(9))
		}
	}
	return out
}

func mergeGo(was, in any) any {
	patch, ok := in.(map[string]any)
	if !ok {
		return in
	}
	old, ok := was.(map[string]any)
	if !ok {
		old = map[string]any{}
	}
	out := map[string]any{}
	for k, v := range old {
		out[k] = v
	}
	for k, v := range patch {
		if v == nullURI {
			delete(out, k)
			continue
		}
		out[k] = mergeGo(out[k], v)
	}
	return out
}

// TestMangledRequests sends recorded bodies with bytes changed, which must
// never end in anything but an answer.
func TestMangledRequests(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	b := New(Options{Distributed: true})
	defer b.Close()
	bodies := []string{
		componentJSON(1), "[" + componentJSON(1) + "," + componentJSON(2) + "]", `["urn:ngsi-ld:Service:bench:Component:c000001"]`,
		`{"a":{"type":"Property","value":{"b":[1,{"c":"urn:ngsi-ld:null"}]},"observedAt":"2026-01-01T00:00:00Z","unitCode":"X"},"d":[{"value":1,"datasetId":"urn:d:1"}]}`,
		`{"type":"Subscription","entities":[{"type":"T"}],"q":"a==\"b\";(c|!d)","isActive":false,"notification":{"endpoint":{"uri":"http://x:1/y"}}}`,
		`{"type":"Query","entities":[{"type":"T"}],"q":"a>1","attrs":["a"]}`,
	}
	paths := []string{"/entities", "/entities/urn:ngsi-ld:Service:bench:Component:c000001", "/entities/urn:ngsi-ld:Service:bench:Component:c000001/attrs",
		"/entities/urn:ngsi-ld:Service:bench:Component:c000001/attrs/a", "/subscriptions", "/entityOperations/create", "/entityOperations/upsert",
		"/entityOperations/update", "/entityOperations/delete", "/entityOperations/query"}
	methods := []string{"POST", "PATCH", "PUT"}
	for range 3000 {
		raw := []byte(bodies[r.IntN(len(bodies))])
		for range r.IntN(3) {
			raw[r.IntN(len(raw))] = `{}[]",:0a\ `[r.IntN(11)]
		}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, jsonRequest(methods[r.IntN(3)], paths[r.IntN(len(paths))], string(raw)))
		if body := w.Body.String(); w.Code < 200 || w.Code == 500 || body != "" && !json.Valid([]byte(body)) {
			t.Fatalf("%s: %d %s", raw, w.Code, body)
		}
	}
	list := httptest.NewRecorder()
	b.ServeHTTP(list, jsonRequest("GET", "/entities?local=true&limit=1000&options=concise", ""))
	if !json.Valid(list.Body.Bytes()) {
		t.Errorf("the list is no JSON: %s", list.Body)
	}
}

// TestManyClients works on the same entities from several goroutines, with a
// subscription; meant for the race detector.
func TestManyClients(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.subscribe("s", "/ok/s", "")
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			for i := range 25 {
				id := fmt.Sprintf("urn:x:%d", i%5)
				for _, r := range []struct{ method, path, body string }{
					{"POST", "/entities", `{"id":"` + id + `","type":"T","n":1}`},
					{"PATCH", "/entities/" + id, fmt.Sprintf(`{"c%d":%d}`, c, i)},
					{"GET", "/entities?type=T&options=concise", ""},
					{"GET", "/subscriptions", ""},
					{"PATCH", "/subscriptions/urn:ngsi-ld:Subscription:s", `{"isActive":true}`},
				} {
					b.broker.ServeHTTP(httptest.NewRecorder(), jsonRequest(r.method, r.path, r.body))
				}
			}
		})
	}
	clients.Wait()
	b.broker.Close()
	s := b.broker.Stats()
	got := b.receiver.take(0, 0)
	if int64(len(got)) != s.NotificationsSent || s.NotificationsFailed != 0 || s.EntitiesStored != 5 {
		t.Errorf("%d received, stats %+v", len(got), s)
	}
	for _, g := range got {
		if !strings.HasPrefix(g.line, "POST /ok/s?subscriptionId=") || !json.Valid([]byte(g.body)) {
			t.Errorf("broken notification: %+v", g)
		}
	}
}
