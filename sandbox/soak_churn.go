package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// churn has components come, change and go, so many at a time; each waits for what it
// caused, so that the rate is what broker, agent and API server take together.
func (s *soaking) churn(ctx context.Context) error {
	images, err := s.sight(ctx)
	if err != nil {
		return err
	}
	defer images.close()
	until := time.Now().Add(s.o.time)
	var next, changes atomic.Int64
	group, inner := errgroup.WithContext(ctx)
	for range s.o.inHand {
		group.Go(func() error {
			for time.Now().Before(until) && inner.Err() == nil {
				id, entity := s.componentAfter(int(next.Add(1)))
				if err := s.oneLife(inner, images, id, entity); err != nil {
					return err
				}
				changes.Add(3)
			}
			return inner.Err()
		})
	}
	flat := &flatness{}
	group.Go(func() error { return flat.watch(inner, s.rig, until) })
	if err := group.Wait(); err != nil {
		return err
	}
	s.lives, s.rate = int(next.Load()), float64(changes.Load())/s.o.time.Seconds()
	s.report.add("churn_changes_per_second", s.rate, "", fmt.Sprintf("created, changed, removed; %d components", s.lives))
	if err := s.quiet(ctx, 2*time.Second); err != nil {
		return err
	}
	growth, wrong := flat.judge(s.report)
	s.growth, s.wrong = growth, append(s.wrong, wrong...)
	return nil
}

// componentAfter is a component like those that stand, with a name that no other has.
func (s *soaking) componentAfter(i int) (id string, entity json.RawMessage) {
	like := s.load.Components[i%len(s.load.Components)]
	id = fmt.Sprintf("urn:ngsi-ld:Service:load-00000:Component:churn-%07d", i)
	var e map[string]any
	if err := json.Unmarshal(like, &e); err != nil {
		panic(err) // it was encoded by package world
	}
	e["id"] = id
	e["service"] = map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:Service:load-00000"}
	entity, _ = json.Marshal(e) // it was decoded from JSON
	return id, entity
}

// oneLife creates a component, changes it, orders it away and deletes its entity, and
// waits for each to be seen.
func (s *soaking) oneLife(ctx context.Context, seen *sightings, id string, entity json.RawMessage) error {
	created := seen.image(id, "registry.example.org/load/worker:1.0.0")
	if err := createEntities(ctx, s.brokerURL, fmt.Appendf(nil, "[%s]", entity)); err != nil {
		return err
	}
	if err := seen.await(ctx, created, id, "created"); err != nil {
		return err
	}
	changed := seen.image(id, "registry.example.org/load/worker:2.0.0")
	if err := s.patchImage(ctx, id, "registry.example.org/load/worker:2.0.0"); err != nil {
		return err
	}
	if err := seen.await(ctx, changed, id, "changed"); err != nil {
		return err
	}
	away := `{"serviceComponentStatus":{"type":"Relationship","object":"urn:ngsi-ld:ServiceComponentStatus:Removing"}}`
	if _, err := s.askBroker(ctx, http.MethodPatch, "entities/"+id, away, http.StatusNoContent); err != nil {
		return err
	}
	err := poll(ctx, soakPatience, func() error {
		text, err := s.askBroker(ctx, http.MethodGet, "entities/"+id, "", http.StatusOK)
		if err == nil && !strings.Contains(text, "ServiceComponentStatus:Finished") {
			err = fmt.Errorf("it is not Finished: %s", text)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w; %d notifications were lost", id, err, s.lost(ctx))
	}
	_, err = s.askBroker(ctx, http.MethodDelete, "entities/"+id, "", http.StatusNoContent)
	return err
}

// lost is how many notifications did not arrive; -1 if the broker does not say.
func (s *soaking) lost(ctx context.Context) int {
	text, err := s.askBroker(ctx, http.MethodGet, "subscriptions", "", http.StatusOK)
	var subscriptions []struct{ Notification struct{ TimesFailed int } }
	if err != nil || json.Unmarshal([]byte(text), &subscriptions) != nil {
		return -1
	}
	failed := 0
	for _, one := range subscriptions {
		failed += one.Notification.TimesFailed
	}
	return failed
}

// soakPatience is how long one step of one component may take under load.
const soakPatience = 2 * time.Minute

// askBroker sends a request about an entity or a subscription and returns the answer's body.
func (s *soaking) askBroker(ctx context.Context, method, path, body string, want int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.brokerURL+"/ngsi-ld/v1/"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("%s %s: the broker answers %s", method, path, resp.Status)
	}
	return string(text), err
}
