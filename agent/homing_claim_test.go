package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/hlo-agent/hlo-agent/agent/plans"
	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/sandbox/broker"
)

// chooser is the homer of one agent on a broker.
type chooser struct {
	*homer
	news chan ngsild.EntityID
}

func newChooser(t *testing.T, agent, address string) *chooser {
	t.Helper()
	c := &chooser{news: make(chan ngsild.EntityID, 64)}
	r := &reconciler{client: ngsild.NewClient(ngsild.ClientConfig{BaseURL: address}), metrics: newMetrics(prometheus.NewRegistry()), log: slog.New(slog.DiscardHandler), now: time.Now}
	r.cfg.AgentID, r.cfg.HomingStale = agent, time.Minute
	r.tracker, r.links, r.queue = newTracker(r.now), newLinks(r.client, &followed{}, r.now), newQueue(r.metrics)
	c.homer = newHomer(r, func() bool { return true })
	c.again = func(id ngsild.EntityID) { c.news <- id }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

// place asks for a component until an element was chosen and written, as a pass does, or refused.
func (c *chooser) place(t *testing.T, a ask) (element ngsild.EntityID) {
	deadline := time.After(time.Minute)
	for {
		d, said := c.consult(a)
		switch {
		case d != nil:
			err := c.client.Merge(t.Context(), a.id, map[string]any{
				attrElement:  map[string]any{"type": "Relationship", "object": string(d.element)},
				attrDecision: map[string]any{"type": "Property", "value": d.value},
			})
			if err != nil {
				t.Error(err)
			}
			c.withdraw(a.id)
			return d.element
		case said.reason == reasonNoElementFits:
			c.withdraw(a.id)
			return ""
		}
		select {
		case <-c.news:
		case <-deadline:
			t.Errorf("%s: still %+v", a.id, said)
			return ""
		}
	}
}

// TestAgentsNeverOverbook has three agents choose from the same elements in the same moment, with room for two
// of the three components: whoever is told yes has his room alone, and no room stays empty.
func TestAgentsNeverOverbook(t *testing.T) {
	t.Parallel()
	var met atomic.Int64
	t.Run("rounds", func(t *testing.T) {
		for round := range 12 {
			t.Run(fmt.Sprint(round), func(t *testing.T) {
				t.Parallel()
				met.Add(overbook(t, round))
			})
		}
	})
	if met.Load() == 0 {
		t.Error("no two ever chose the same room, so nothing was shown")
	}
}

func overbook(t *testing.T, round int) (met int64) {
	world := broker.New(broker.Options{})
	t.Cleanup(world.Close)
	server := httptest.NewServer(world)
	t.Cleanup(server.Close)
	client := ngsild.NewClient(ngsild.ClientConfig{BaseURL: server.URL})
	create := func(id ngsild.EntityID, typ string, attrs map[string]any) {
		if err := client.CreateEntity(t.Context(), id, typ, attrs); err != nil {
			t.Fatal(err)
		}
	}
	property := func(v any) map[string]any { return map[string]any{"type": "Property", "value": v} }
	link := func(id string) map[string]any { return map[string]any{"type": "Relationship", "object": id} }
	for _, id := range []ngsild.EntityID{"urn:ngsi-ld:InfrastructureElement:1", "urn:ngsi-ld:InfrastructureElement:2"} {
		create(id, typeElement, map[string]any{"availableRam": property(1000), "ramCapacity": property(4000), "cpuCores": property(4), "currentCpuUsage": property(1)})
	}
	create("urn:ngsi-ld:Requirements:1", typeRequirements, map[string]any{"requiredRam": property(600)})
	on := make(chan ngsild.EntityID, 3)
	var agents []*chooser
	for i := range 3 {
		service := fmt.Sprintf("urn:ngsi-ld:Service:%d", i)
		a := ask{id: ngsild.EntityID(service + ":Component:c"), service: ngsild.EntityID(service), cause: causeStarting, requirements: "urn:ngsi-ld:Requirements:1"}
		create(a.id, typeComponent, map[string]any{attrStatus: property("Starting"), attrRequirements: link(string(a.requirements)), attrService: link(service)})
		c := newChooser(t, fmt.Sprintf("agent-%d", (i+round)%3), server.URL)
		agents = append(agents, c)
		go func() { on <- c.place(t, a) }()
	}
	placed := map[ngsild.EntityID]int{}
	for range agents {
		placed[<-on]++
	}
	if placed["urn:ngsi-ld:InfrastructureElement:1"] != 1 || placed["urn:ngsi-ld:InfrastructureElement:2"] != 1 {
		t.Errorf("placed %v, want one on each element", placed)
	}
	for _, c := range agents {
		var m dto.Metric
		if err := c.metrics.homingDecisions.WithLabelValues(resultTaken).Write(&m); err != nil {
			t.Error(err)
		}
		met += int64(m.GetCounter().GetValue())
	}
	return met
}

// TestPlansKeepTheirRoom: what a plan holds is not given to a component until its time is over.
func TestPlansKeepTheirRoom(t *testing.T) {
	t.Parallel()
	world := broker.New(broker.Options{})
	t.Cleanup(world.Close)
	server := httptest.NewServer(world)
	t.Cleanup(server.Close)
	c := newChooser(t, "agent", server.URL)
	property := func(v any) map[string]any { return map[string]any{"type": "Property", "value": v} }
	const element, plan = "urn:ngsi-ld:InfrastructureElement:1", "urn:ngsi-ld:HomingPlan:1"
	for id, attrs := range map[ngsild.EntityID]map[string]any{
		element:                      {"type": typeElement, "availableRam": property(1000), "ramCapacity": property(4000), "cpuCores": property(4), "currentCpuUsage": property(1)},
		"urn:ngsi-ld:Requirements:1": {"type": typeRequirements, "requiredRam": property(600)},
		plan: {"type": plans.EntityType, "planOwner": property("another"), "planStatus": property("done"), "planHold": property("60"),
			"planChanged": property(time.Now().Format(time.RFC3339Nano)), "planHeld": property(`{"` + element + `": {"ram": 600}}`)},
	} {
		typ := attrs["type"].(string)
		delete(attrs, "type")
		if err := c.client.CreateEntity(t.Context(), id, typ, attrs); err != nil {
			t.Fatal(err)
		}
	}
	a := ask{id: "urn:ngsi-ld:Service:1:Component:c", service: "urn:ngsi-ld:Service:1", cause: causeStarting, requirements: "urn:ngsi-ld:Requirements:1"}
	if err := c.client.CreateEntity(t.Context(), a.id, typeComponent, map[string]any{attrStatus: property("Starting")}); err != nil {
		t.Fatal(err)
	}
	if on := c.place(t, a); on != "" {
		t.Errorf("placed on %s, whose room a plan has", on)
	}
	if err := c.client.Merge(t.Context(), plan, map[string]any{"planChanged": property(time.Now().Add(-time.Minute).Format(time.RFC3339Nano))}); err != nil {
		t.Fatal(err)
	}
	if on := c.place(t, a); on != element {
		t.Errorf("after the plan's time it is placed on %q", on)
	}
}
