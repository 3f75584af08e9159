package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Changes whose latency is taken: rounds of so many, at rest and under load in turn.
const (
	busyRounds = 4
	busyGroup  = 25
)

// noise compares the latency of changes at rest with that while notifications come
// that mean nothing.
func (s *soaking) noise(ctx context.Context) error {
	elements := s.elementNotifications()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	var sent, refused, slowest atomic.Int64
	load := paced(s.o.noise, 32, func(ctx context.Context, i int) error {
		began := time.Now()
		body := bytes.ReplaceAll(elements[i%len(elements)], []byte("NOTIFIED"), []byte(began.UTC().Format("2006-01-02T15:04:05.000Z")))
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.agent.url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(ngsild.SecretHeader, soakSecret)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusNoContent {
			refused.Add(1)
		}
		sent.Add(1)
		if took := int64(time.Since(began)); took > slowest.Load() {
			slowest.Store(took)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	})
	took, err := s.compare(ctx, "noise", load)
	if err != nil {
		return err
	}
	s.report.add("noise_notifications_per_second", float64(sent.Load())/took.Seconds(), "", fmt.Sprintf("%d asked for; the slowest answer took %v", s.o.noise, time.Duration(slowest.Load()).Round(time.Millisecond)))
	if n := refused.Load(); n > 0 {
		s.wrong = append(s.wrong, fmt.Errorf("%d of %d notifications were not answered with 204", n, sent.Load()))
	}
	return nil
}

// elementNotifications are what the broker sends when figures of elements change, all
// else being as it is known.
func (s *soaking) elementNotifications() [][]byte {
	var bodies [][]byte
	for _, e := range s.load.Base {
		if bytes.Contains(e, []byte(`"type":"InfrastructureElement"`)) {
			bodies = append(bodies, fmt.Appendf(nil, `{"id":"urn:ngsi-ld:Notification:soak","type":"Notification","subscriptionId":%q,"notifiedAt":"NOTIFIED","data":[%s]}`,
				"urn:ngsi-ld:Subscription:hlo-agent:"+soakAgent+":links", e))
		}
	}
	return bodies
}

// busy compares the latency of changes at rest with that while one other entity is
// changed all the time, and looks where that one ends.
func (s *soaking) busy(ctx context.Context) error {
	id := s.id(s.o.n - 1)
	var sent atomic.Int64
	took, err := s.compare(ctx, "busy", paced(s.o.hot, 16, func(ctx context.Context, i int) error {
		sent.Add(1)
		return s.patchImage(ctx, id, fmt.Sprintf("registry.example.org/load/worker:3.0.%d", i))
	}))
	if err != nil {
		return err
	}
	before, err := s.generation(ctx, id)
	if err != nil {
		return err
	}
	s.report.add("busy_changes_per_second", float64(sent.Load())/took.Seconds(), "", fmt.Sprintf("%d asked for; %d changes became %d of the object", s.o.hot, sent.Load(), before))
	return s.patchImage(ctx, id, finalImage)
}

// finalImage is what the busy entity orders last.
const finalImage = "registry.example.org/load/worker:9.9.9"

// compare takes the latency of changes in turn at rest and under a load, and says how
// long the load took.
func (s *soaking) compare(ctx context.Context, name string, load func(context.Context) error) (took time.Duration, err error) {
	seen := s.sight(ctx)
	defer seen.close()
	var quiet, loaded []time.Duration
	for round := range busyRounds {
		if quiet, err = s.reactions(ctx, seen, quiet, 2*round); err != nil {
			return 0, err
		}
		inner, stop := context.WithCancel(ctx)
		var group errgroup.Group
		began := time.Now()
		group.Go(func() error {
			err := load(inner)
			if inner.Err() != nil && ctx.Err() == nil {
				return nil // told to end
			}
			return err
		})
		loaded, err = s.reactions(ctx, seen, loaded, 2*round+1)
		stop()
		err = errors.Join(err, group.Wait())
		took += time.Since(began)
		if err != nil {
			return 0, err
		}
		if err := s.quiet(ctx, time.Second); err != nil {
			return 0, err
		}
	}
	for _, p := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		a, b := percentile(loaded, p.share), percentile(quiet, p.share)
		s.report.add(name+"_latency_"+p.name+"_ratio", ratio(a, b), "", fmt.Sprintf("%v under load, %v at rest, %d changes of each", a.Round(100*time.Microsecond), b.Round(100*time.Microsecond), len(loaded)))
	}
	return took, nil
}

// reactions changes components one after the other and takes the time until the
// object shows it.
func (s *soaking) reactions(ctx context.Context, seen *sightings, to []time.Duration, turn int) ([]time.Duration, error) {
	for i := range busyGroup {
		id := s.id((turn*busyGroup + i) % (s.o.n - 1))
		s.images++
		image := fmt.Sprintf("registry.example.org/load/worker:4.0.%d", s.images)
		done := seen.image(id, image)
		began := time.Now()
		if err := s.patchImage(ctx, id, image); err != nil {
			return nil, err
		}
		if err := seen.await(ctx, done, id, "changed"); err != nil {
			return nil, err
		}
		to = append(to, time.Since(began))
		if err := pause(ctx, 2*breath); err != nil {
			return nil, err
		}
	}
	return to, nil
}

func (s *soaking) id(i int) string {
	var e struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(s.load.Components[i], &e) // it was encoded by package world
	return e.ID
}

// generation is how often the object of an entity was changed.
func (s *soaking) generation(ctx context.Context, id string) (int64, error) {
	objects, err := s.objects(ctx)
	if err != nil {
		return 0, err
	}
	if o := objects[id]; o != nil {
		return o.GetGeneration(), nil
	}
	return 0, fmt.Errorf("%s has no object", id)
}

// objects are those of the agent, by entity.
func (s *soaking) objects(ctx context.Context) (map[string]*unstructured.Unstructured, error) {
	objects := map[string]*unstructured.Unstructured{}
	for _, resource := range s.resources {
		list, err := s.cluster.Resource(resource).Namespace(agentNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list what the agent made: %w", err)
		}
		for i := range list.Items {
			objects[list.Items[i].GetAnnotations()[llo.EntityAnnotation]] = &list.Items[i]
		}
	}
	return objects, nil
}

// check asks whether anything was forgotten: the cluster holds one object for each
// component that stands, made of what its entity orders last, and no other.
func (s *soaking) check(ctx context.Context) error {
	err := poll(ctx, soakPatience, func() error {
		objects, err := s.objects(ctx)
		if err != nil {
			return err
		}
		if len(objects) != s.o.n {
			return fmt.Errorf("%d objects for %d components", len(objects), s.o.n)
		}
		for i := range s.o.n {
			id := s.id(i)
			o := objects[id]
			if o == nil {
				return fmt.Errorf("%s has no object", id)
			}
			if i != s.o.n-1 && i >= 2*busyRounds*busyGroup {
				continue // never changed
			}
			ordered, err := s.askBroker(ctx, http.MethodGet, id, "", http.StatusOK)
			if err != nil {
				return err
			}
			if image, _, _ := unstructured.NestedString(o.Object, "spec", "image"); !strings.Contains(ordered, `"`+image+`"`) {
				return fmt.Errorf("%s has the image %s, which it does not order", id, image)
			}
		}
		return nil
	})
	if err != nil {
		s.wrong = append(s.wrong, fmt.Errorf("the end is not right: %w", err))
	}
	return nil
}

// paced does something so often a second, from a few goroutines, until ctx ends or
// something fails. What is late is not made up for.
func paced(perSecond, workers int, do func(ctx context.Context, i int) error) func(context.Context) error {
	var count atomic.Int64
	return func(ctx context.Context) error {
		group, inner := errgroup.WithContext(ctx)
		for range workers {
			group.Go(func() error {
				tick := time.NewTicker(time.Second * time.Duration(workers) / time.Duration(perSecond))
				defer tick.Stop()
				for {
					select {
					case <-inner.Done():
						return inner.Err()
					case <-tick.C:
					}
					if err := do(inner, int(count.Add(1))); err != nil {
						return err
					}
				}
			})
		}
		return group.Wait()
	}
}
