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
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Changes whose latency is taken: rounds of so many, at rest, under a load of others and under load in turn.
const (
	busyRounds = 4
	busyGroup  = 25
)

// What the agent does for one entity that changes all the time: so many passes at once, and so many a second then.
const (
	busyBurst  = 10
	busyPasses = 5.0
)

// starved is how many times longer half of the others' changes may take while the agent is under load than while
// somebody else is. It tells starvation from a noisy machine; performance.md has what was measured.
const starved = 3.0

// noise compares the latency of changes at rest, and while somebody else is notified, with
// that while notifications come that mean nothing.
func (s *soaking) noise(ctx context.Context) error {
	elements := s.elementNotifications()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	var refused, slowest atomic.Int64
	to := func(url string) load {
		return load{s.o.noise, 32, func(ctx context.Context, i int) error {
			began := time.Now()
			body := bytes.ReplaceAll(elements[i%len(elements)], []byte("NOTIFIED"), []byte(began.UTC().Format("2006-01-02T15:04:05.000Z")))
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
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
			if took := int64(time.Since(began)); url == s.agent.url && took > slowest.Load() {
				slowest.Store(took)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return errors.Join(err, resp.Body.Close())
		}}
	}
	others := newSink()
	defer others.Close()
	rate, _, _, err := s.compare(ctx, "noise", to(s.agent.url), to(others.URL))
	if err != nil {
		return err
	}
	s.report.add("noise_notifications_per_second", rate, "", fmt.Sprintf("%d asked for; the slowest answer took %v", s.o.noise, time.Duration(slowest.Load()).Round(time.Millisecond)))
	if n := refused.Load(); n > 0 {
		s.wrong = append(s.wrong, fmt.Errorf("%d notifications were not answered with 204", n))
	}
	return nil
}

// newSink is somebody else who is notified: what it costs to send to it, and to be answered,
// is no doing of the agent.
func newSink() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // whoever sends it hears of what is wrong
		w.WriteHeader(http.StatusNoContent)
	}))
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

// busy compares the latency of changes at rest, and while an entity is changed all the time
// of which somebody else is notified, with that while another component is, and looks where
// that one ends.
func (s *soaking) busy(ctx context.Context) error {
	others := newSink()
	defer others.Close()
	const foreign = "urn:ngsi-ld:Meter:soak"
	for _, post := range []struct{ path, body string }{
		{"entities", fmt.Sprintf(`{"id":%q,"type":"Meter","containerImage":{"type":"Property","value":"none"}}`, foreign)},
		{"subscriptions", fmt.Sprintf(`{"id":"urn:ngsi-ld:Subscription:soak","type":"Subscription","entities":[{"type":"Meter"}],"notification":{"endpoint":{"uri":%q,"accept":"application/json"}}}`, others.URL)},
	} {
		if _, err := s.askBroker(ctx, http.MethodPost, post.path, post.body, http.StatusCreated); err != nil {
			return err
		}
	}
	to := func(id string) load {
		return load{s.o.hot, 16, func(ctx context.Context, i int) error {
			return s.patchImage(ctx, id, fmt.Sprintf("registry.example.org/load/worker:3.0.%d", i))
		}}
	}
	id := s.id(s.o.n - 1)
	rate, sent, took, err := s.compare(ctx, "busy", to(id), to(foreign))
	if err != nil {
		return err
	}
	before, err := s.generation(ctx, id)
	if err != nil {
		return err
	}
	s.report.add("busy_changes_per_second", rate, "", fmt.Sprintf("%d asked for; %d changes became %d of the object", s.o.hot, sent, before))
	if most := int64(busyRounds*busyBurst + busyPasses*took.Seconds()); before > most {
		s.wrong = append(s.wrong, fmt.Errorf("the busy component's object was changed %d times in %v, which is not coalesced: %d at most", before, took.Round(time.Second), most))
	}
	return s.patchImage(ctx, id, finalImage)
}

// finalImage is what the busy entity orders last.
const finalImage = "registry.example.org/load/worker:9.9.9"

// compare takes the latency of changes in turn at rest, under a load that others have, and
// under one that the agent has, and says how often a second the latter was put on it, how often in
// all, and for how long.
func (s *soaking) compare(ctx context.Context, name string, ours, others load) (rate float64, sent int64, took time.Duration, err error) {
	seen, err := s.sight(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	defer seen.close()
	var quiet, beside, loaded []time.Duration
	turn := 0
	react := func(ctx context.Context, to *[]time.Duration) error {
		*to, err = s.reactions(ctx, seen, *to, turn)
		turn++
		return err
	}
	for range busyRounds {
		if err := react(ctx, &quiet); err != nil {
			return 0, 0, 0, err
		}
		_, _, err := others.during(ctx, func(ctx context.Context) error { return react(ctx, &beside) })
		if err != nil {
			return 0, 0, 0, err
		}
		if err := s.quiet(ctx, time.Second); err != nil {
			return 0, 0, 0, err
		}
		n, lasted, err := ours.during(ctx, func(ctx context.Context) error { return react(ctx, &loaded) })
		if err != nil {
			return 0, 0, 0, err
		}
		sent, took = sent+n, took+lasted
		if err := s.quiet(ctx, time.Second); err != nil {
			return 0, 0, 0, err
		}
	}
	for _, p := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		a, b, c := percentile(loaded, p.share), percentile(beside, p.share), percentile(quiet, p.share)
		s.report.add(name+"_latency_"+p.name+"_ratio", ratio(a, b), "", fmt.Sprintf("%v under load, %v under the same load of others, %v at rest, %d changes of each",
			a.Round(100*time.Microsecond), b.Round(100*time.Microsecond), c.Round(100*time.Microsecond), len(loaded)))
		s.report.add(name+"_latency_"+p.name+"_by_rest", ratio(a, c), "", "the same by that at rest")
		if p.share == 0.5 && ratio(a, b) > starved {
			s.wrong = append(s.wrong, fmt.Errorf("%s: changes of others take %.1f times as long as under the same load of somebody else, %.0f at most", name, ratio(a, b), starved))
		}
	}
	return float64(sent) / took.Seconds(), sent, took, nil
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
			if i != s.o.n-1 && i >= 3*busyRounds*busyGroup {
				continue // never changed
			}
			ordered, err := s.askBroker(ctx, http.MethodGet, "entities/"+id, "", http.StatusOK)
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

// load is something that is done so often a second, from a few goroutines.
type load struct {
	perSecond, workers int
	do                 func(ctx context.Context, i int) error
}

// during puts the load on while something else is done, and says how often it was done and in
// which time. What is late is made up for.
func (l load) during(ctx context.Context, other func(context.Context) error) (int64, time.Duration, error) {
	inner, stop := context.WithCancel(ctx)
	group, inner := errgroup.WithContext(inner)
	began := time.Now()
	var count, done atomic.Int64
	for range l.workers {
		group.Go(func() error {
			for {
				i := count.Add(1)
				if err := pause(inner, time.Until(began.Add(time.Duration(i)*time.Second/time.Duration(l.perSecond)))); err != nil {
					return err
				}
				if err := l.do(inner, int(i)); err != nil {
					return err
				}
				done.Add(1)
			}
		})
	}
	err := other(inner)
	stop()
	took := time.Since(began)
	if failed := group.Wait(); !errors.Is(failed, context.Canceled) || ctx.Err() != nil {
		err = errors.Join(err, failed)
	}
	return done.Load(), took, err
}
