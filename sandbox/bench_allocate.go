package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

const allocateClients = 32 // that ask at once, and apply at once on the bare side

// measureAllocate compares the rate at which components are made that other
// domains ask for with that of applying the same objects bare, and counts what
// the agent asks of others for each. The entities are where the callers made
// them: the agent is told nothing of them and reads each when it is asked.
func measureAllocate(ctx context.Context, r *rig, report *benchReport) error {
	deaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer deaf.Close()
	r.settings["API_AUTH"], r.settings["NOTIFICATION_URL"] = "off", deaf.URL+"/notify"
	defer func() { delete(r.settings, "API_AUTH"); delete(r.settings, "NOTIFICATION_URL") }()
	load := world.Generate(r.options.n, world.LoadOptions{})
	calls, err := callsOf(load)
	if err != nil {
		return err
	}
	m := &allocating{rig: r, load: load, calls: calls}
	var agent, bare []spent
	var objects []*unstructured.Unstructured
	asking := func() (took spent, err error) {
		took, objects, err = m.round(ctx)
		return took, err
	}
	applying := func() (spent, error) {
		if err := r.clean(ctx); err != nil {
			return spent{}, err
		}
		return r.timed(ctx, bareNamespace, len(objects), func() error { return r.applyBy(ctx, objects, allocateClients) })
	}
	for round := range r.options.rounds + 1 { // the first warms up and gives the bare side its objects
		first, second := asking, applying
		if round%2 == 1 {
			first, second = applying, asking
		}
		a, err := first()
		if err != nil {
			return err
		}
		b, err := second()
		if err != nil {
			return err
		}
		if round%2 == 1 {
			a, b = b, a
		}
		r.log.Info("allocate", "round", round, "agent", a.clock, "bare", b.clock, "ratio", fmt.Sprintf("%.3f", ratio(b.clock, a.clock)))
		if round > 0 {
			agent, bare = append(agent, a), append(bare, b)
		} else {
			m.answers = nil
		}
	}
	clock := func(s spent) time.Duration { return s.clock }
	a, b := each(agent, clock), each(bare, clock)
	report.add("allocate_ratio", ratio(median(b), median(a)), "0.8 at least", fmt.Sprintf("rate of POST to the watch at %d clients, agent %s s, bare %s s", allocateClients, seconds(a), seconds(b)))
	report.add("allocate_agent_seconds", median(a).Seconds(), "", fmt.Sprintf("%.0f a second", float64(report.n)/median(a).Seconds()))
	report.add("allocate_bare_seconds", median(b).Seconds(), "", fmt.Sprintf("%.0f a second", float64(report.n)/median(b).Seconds()))
	processor := func(s spent) time.Duration { return s.processor }
	report.add("allocate_processor_ratio", ratio(median(each(agent, processor)), median(each(bare, processor))), "", "of all processes, the callers and the broker included")
	report.add("allocate_p50_seconds", percentile(m.answers, 0.5).Seconds(), "", "to the answer, when the resource is in the cluster")
	report.add("allocate_p99_seconds", percentile(m.answers, 0.99).Seconds(), "", "")
	return m.countRequests(ctx, report)
}

// allocating asks for the components of a load.
type allocating struct {
	*rig
	load  world.Load
	calls []allocateCall

	mu      sync.Mutex
	answers []time.Duration
}

// allocateCall is one component as it is asked for.
type allocateCall struct {
	id, service, element, image string
	body                        []byte
}

// callsOf makes the requests for the components of a load, in the newer form,
// and takes the elements out of their entities.
func callsOf(load world.Load) ([]allocateCall, error) {
	var calls []allocateCall
	for i, text := range load.Components {
		var e map[string]any
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, err
		}
		at := func(name, member string) any { return e[name].(map[string]any)[member] } // as they were generated
		c := allocateCall{id: e["id"].(string), service: at("service", "object").(string), element: at("infrastructureElement", "object").(string), image: at("containerImage", "value").(string)}
		var err error
		c.body, err = json.Marshal(map[string]any{"service_component": map[string]any{
			"id": c.id, "image": c.image, "infrastructure_element": map[string]any{"id": c.element},
			"envVars": at("envVars", "value"), "cliArgs": at("cliArgs", "value"), "ports": []any{},
			"exposePorts": false, "isJob": false, "isPrivate": false,
		}})
		if err != nil {
			return nil, err
		}
		delete(e, "infrastructureElement")
		if load.Components[i], err = json.Marshal(e); err != nil {
			return nil, err
		}
		calls = append(calls, c)
	}
	return calls, nil
}

// begin starts an agent to which the elements are known, and then makes the
// components' entities, of which it does not hear.
func (m *allocating) begin(ctx context.Context) error {
	if err := m.clean(ctx); err != nil {
		return err
	}
	if err := m.create(ctx, m.load.Base); err != nil {
		return err
	}
	if err := m.startAgent(ctx); err != nil {
		return err
	}
	return m.create(ctx, m.load.Components)
}

func (m *allocating) round(ctx context.Context) (spent, []*unstructured.Unstructured, error) {
	if err := m.begin(ctx); err != nil {
		return spent{}, nil, err
	}
	took, err := m.timed(ctx, agentNamespace, len(m.calls), func() error { return m.askAll(ctx) })
	if err != nil {
		return spent{}, nil, err
	}
	objects, err := m.copies(ctx)
	return took, objects, err
}

// askAll asks for everything once.
func (m *allocating) askAll(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: allocateClients}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(allocateClients)
	for _, c := range m.calls {
		group.Go(func() error {
			began := time.Now()
			code, err := c.post(ctx, client, "http://"+m.settings["LISTEN_ADDR"])
			if err == nil && code != http.StatusCreated {
				err = fmt.Errorf("ask for %s: status %d", c.id, code)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.answers = append(m.answers, time.Since(began))
			return err
		})
	}
	return group.Wait()
}

func (c *allocateCall) post(ctx context.Context, client *http.Client, base string) (code int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/hlo_al/services/"+c.service, bytes.NewReader(c.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

// countRequests counts what the agent asks of broker and API server until all
// components run and their entities say so.
func (m *allocating) countRequests(ctx context.Context, report *benchReport) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	orchestrating, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- runOrchestrators(orchestrating, m.server.REST(), m.log) }()
	read, applied, err := m.requestsOfAll(ctx)
	stop()
	if err = errors.Join(err, <-ended); err != nil {
		return err
	}
	report.add("allocate_requests_per_allocation", (read+applied)/float64(len(m.calls)), "3",
		fmt.Sprintf("until the entity says Running: %.0f to the broker, %.0f to the API server", read, applied))
	return m.clean(ctx)
}

func (m *allocating) requestsOfAll(ctx context.Context) (broker, kube float64, err error) {
	before, err := m.agentMetrics(ctx)
	if err != nil {
		return 0, 0, err
	}
	if err := m.askAll(ctx); err != nil {
		return 0, 0, err
	}
	err = poll(ctx, m.patience(), func() error {
		running, err := m.countEntities(ctx, runningComponents)
		if err == nil && running < len(m.calls) {
			err = fmt.Errorf("%d of %d components are Running", running, len(m.calls))
		}
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	if err := m.quiet(ctx, 3*time.Second); err != nil {
		return 0, 0, err
	}
	after, err := m.agentMetrics(ctx)
	of := func(name string) float64 { return after[name] - before[name] }
	return of("hlo_agent_broker_requests_total"), of("hlo_agent_kubernetes_requests_total"), err
}
