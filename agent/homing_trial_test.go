package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// world is a broker in memory that answers reads, and has every subscription.
type world struct {
	mu       sync.Mutex
	entities map[string]map[string]any
	readings atomic.Int64 // of the elements
	down     atomic.Bool
}

func (w *world) set(id string, attrs map[string]any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.entities == nil {
		w.entities = map[string]map[string]any{}
	}
	e, ok := w.entities[id]
	if !ok {
		e = map[string]any{"id": id}
		w.entities[id] = e
	}
	for name, v := range attrs {
		e[name] = v
	}
}

// RoundTrip implements http.RoundTripper.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, id, one := strings.Cut(r.URL.Path, "/entities/"); one {
		return w.entity(r, id)
	}
	if _, id, one := strings.Cut(r.URL.Path, "/subscriptions/"); one {
		return reply(r, http.StatusOK, map[string]any{"id": id, "type": "Subscription"})
	}
	query := r.URL.Query()
	found := []map[string]any{}
	for id, e := range w.entities {
		if query.Get("id") != "" && !strings.Contains(query.Get("id"), id) || query.Get("type") != "" && !strings.Contains(query.Get("type"), e["type"].(string)) {
			continue
		}
		found = append(found, e)
	}
	if strings.Contains(query.Get("type"), typeElement) {
		w.readings.Add(1)
	}
	status := http.StatusOK
	if w.down.Load() {
		status = http.StatusServiceUnavailable
	}
	text, err := json.Marshal(found)
	header := http.Header{"Content-Type": {"application/json"}, "Ngsild-Results-Count": {strconv.Itoa(len(found))}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

// entity answers a read by id. It needs the lock.
func (w *world) entity(r *http.Request, id string) (*http.Response, error) {
	if e, there := w.entities[id]; there {
		return reply(r, http.StatusOK, e)
	}
	return reply(r, http.StatusNotFound, map[string]any{"type": "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound", "title": "Entity Not Found"})
}

func reply(r *http.Request, status int, body any) (*http.Response, error) {
	text, err := json.Marshal(body)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

func (w *world) element(id string, ram float64) {
	w.set(id, map[string]any{"type": typeElement, "availableRam": ram, "ramCapacity": 100_000, "cpuCores": 4, "currentCpuUsage": 10})
}

// speaks has an element say how it is now.
func (w *world) speaks(id string) {
	w.set(id, map[string]any{"type": typeElement, "availableRam": map[string]any{"type": "Property", "value": 1,
		"observedAt": time.Now().UTC().Format(time.RFC3339)}})
}

func (w *world) wants(id string, ram float64) {
	w.set(id, map[string]any{"type": typeRequirements, "requiredRam": ram})
}

// trial is a homer on a world, with passes that ask for components.
type trial struct {
	*homer
	world *world
	done  func()
}

func newTrial(t *testing.T) *trial {
	w := &world{}
	client := ngsild.NewClient(ngsild.ClientConfig{BaseURL: "http://broker", Transport: w})
	ctx, cancel := context.WithCancel(t.Context())
	h := &homer{
		client: client, tracker: newTracker(time.Now), metrics: newMetrics(prometheus.NewRegistry()), log: slog.New(slog.DiscardHandler),
		links: newLinks(client, &followed{}, time.Now), now: time.Now, again: func(ngsild.EntityID) {}, poke: make(chan struct{}, 1),
		promises: promises{}, services: map[ngsild.EntityID]*waiting{}, of: map[ngsild.EntityID]ngsild.EntityID{}, ailing: map[ngsild.EntityID]ailing{},
		who: "agent", contested: func() bool { return false },
		inventory: newInventory(2*time.Minute, time.Now),
	}
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx) }()
	return &trial{h, w, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}}
}

func wish(service, name string) ask {
	return ask{id: ngsild.EntityID(service + ":Component:" + name), service: ngsild.EntityID(service), cause: causeStarting,
		requirements: ngsild.EntityID("R:" + name)}
}

// solved is how often a service was solved.
func (tr *trial) solved() int {
	n := 0.0
	for _, result := range []string{resultChosen, resultNone, resultInvalid, resultMissing, resultTimeout} {
		var m dto.Metric
		if err := tr.metrics.homingDecisions.WithLabelValues(result).Write(&m); err != nil {
			panic(err)
		}
		n += m.GetCounter().GetValue()
	}
	return int(n)
}

// soon wants an element to be chosen within a time.
func (tr *trial) soon(t *testing.T, a ask, within time.Duration) {
	t.Helper()
	for began := time.Now(); ; after(time.Second) {
		d, said := tr.consult(a)
		if d != nil {
			return
		}
		if time.Since(began) > within {
			t.Fatalf("after %v still %+v", within, said)
		}
	}
}

func after(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}
