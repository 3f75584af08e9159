package agent

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/sandbox/broker"
)

// stopping is an agent whose passes have ended, and what its broker holds.
func stopping(t *testing.T, holds map[string]any) *service {
	t.Helper()
	world := broker.New(broker.Options{})
	t.Cleanup(world.Close)
	server := httptest.NewServer(world)
	t.Cleanup(server.Close)
	r := &reconciler{client: ngsild.NewClient(ngsild.ClientConfig{BaseURL: server.URL}), metrics: newMetrics(prometheus.NewRegistry()),
		log: slog.New(slog.DiscardHandler), now: time.Now, domains: newDomains([]string{"*"}), desk: newDesk()}
	if err := r.client.CreateEntity(t.Context(), someID, typeComponent, holds); err != nil {
		t.Fatal(err)
	}
	r.tracker, r.links, r.clusters = newTracker(r.now), newLinks(r.client, &followed{}, r.now), newClusters(1, r.log, nil)
	r.current.Store(&rules{followed: r.links.follow})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.links.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s := &service{reconciler: r, lead: newLead(false), receiver: ngsild.NewReceiver(ngsild.ReceiverConfig{})}
	s.tracker.broker.heard(s.now(), s.now())
	s.tracker.listed(component("Running"), s.now().Add(-time.Hour))
	return s
}

// wrote is a pass by which the agent has written a status word, knowing what it knows now.
func (s *service) wrote(word string, err error) {
	v, _ := s.tracker.get(someID)
	s.tracker.said(&v, map[string]any{attrStatus: word}, err)
}

// What a report of ours has crossed in the broker is ordered there again when the agent
// stops, unless it was carried out, or something else was ordered since.
func TestCrossedOrdersArePutBack(t *testing.T) {
	t.Parallel()
	word := func(word string, more ...any) map[string]any {
		attrs := map[string]any{attrStatus: map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:ServiceComponentStatus:" + word},
			attrElement: map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:InfrastructureElement:1"}}
		for i := 0; i < len(more); i += 2 {
			attrs[more[i].(string)] = map[string]any{"type": "Property", "value": more[i+1]}
		}
		return attrs
	}
	ended := (&status{Phase: mapping.Succeeded, UID: "1"}).value()
	again := component("Starting")
	again.Attrs[attrDeployment] = ngsild.Attribute{Kind: ngsild.Property, Value: ended}
	for name, c := range map[string]struct {
		holds map[string]any // what the broker has in the end
		does  func(s *service, now time.Time)
		want  string
	}{
		"a report crossed it": {word("Running"), func(s *service, now time.Time) {
			s.wrote("Running", nil)
			s.tracker.notified(component("Removing"), now)
		}, "Removing"},
		"a report without an answer may come after it": {word("Running"), func(s *service, now time.Time) {
			s.tracker.notified(component("Starting"), now.Add(-time.Minute))
			s.wrote("Running", errNoLeader)
			s.tracker.notified(component("Removing"), now.Add(4*time.Second))
		}, "Removing"},
		"it still stands": {word("Removing"), func(s *service, now time.Time) {
			s.wrote("Running", nil)
			s.tracker.notified(component("Removing"), now)
		}, "Removing"},
		"something else was ordered since": {word("Starting"), func(s *service, now time.Time) {
			s.wrote("Running", nil)
			s.tracker.notified(component("Removing"), now)
		}, "Starting"},
		"the report knows of it": {word("Failed"), func(s *service, now time.Time) {
			s.tracker.notified(component("Starting"), now)
			s.wrote("Failed", nil)
		}, "Failed"},
		"a report of others stands over it": {word("Failed"), func(s *service, now time.Time) {
			s.tracker.notified(component("Removing"), now)
		}, "Failed"},
		"a job ended as ordered": {word("Finished", attrDeployment, ended), func(s *service, now time.Time) {
			s.wrote("Finished", nil)
			s.tracker.notified(component("Starting"), now)
		}, "Finished"},
		"a job is to run again": {word("Finished", attrDeployment, ended), func(s *service, now time.Time) {
			s.wrote("Finished", nil)
			s.tracker.notified(again, now)
		}, "Starting"},
		"it was carried out": {word("Running"), func(s *service, now time.Time) {
			s.wrote("Running", nil)
			s.tracker.notified(component("Starting"), now)
			v, _ := s.tracker.get(someID)
			s.tracker.carriedOut(&v)
		}, "Running"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stopping(t, c.holds)
			c.does(s, s.now())
			s.putBackCrossed(t.Context())
			e, err := s.client.Entity(t.Context(), someID)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Enum(attrStatus); got != c.want {
				t.Errorf("the broker says %s, want %s", got, c.want)
			}
		})
	}
}
