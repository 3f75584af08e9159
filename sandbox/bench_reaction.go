package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
)

const (
	reactionChanges = 500 // of each side that count
	reactionWarmUp  = 20  // before them
	reactionGroup   = 10  // changes of one side before the other's turn

	// apart is how far the changes of one entity are apart at least: nearer ones
	// are in doubt and cost a read, which is not what is measured.
	apart = 2100 * time.Millisecond
	// breath is left between a change and the next, so that each finds rest.
	breath = 10 * time.Millisecond
)

// reaction changes the image of one component after the other, through the
// broker and bare, and takes the time until the watch shows it.
type reaction struct {
	*rig
	observer *observer
	bare     []*unstructured.Unstructured
	changed  map[string]time.Time // when an object was changed last
	sent     []time.Duration      // through the broker, from sending the PATCH
}

func measureReaction(ctx context.Context, r *rig, bare []*unstructured.Unstructured, report *benchReport) error {
	o, err := r.observe(ctx)
	if err != nil {
		return err
	}
	defer o.close()
	m := &reaction{rig: r, observer: o, bare: bare, changed: map[string]time.Time{}}
	var agent, alone []time.Duration
	for at := 0; at < reactionWarmUp+reactionChanges; at += reactionGroup {
		byAgent, err := m.group(ctx, at, m.throughBroker)
		if err != nil {
			return fmt.Errorf("through the broker: %w", err)
		}
		byHand, err := m.group(ctx, at, m.direct)
		if err != nil {
			return fmt.Errorf("bare: %w", err)
		}
		if at >= reactionWarmUp {
			agent, alone = append(agent, byAgent...), append(alone, byHand...)
		}
	}
	for _, p := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		a, b := percentile(agent, p.share), percentile(alone, p.share)
		report.add("reaction_"+p.name+"_ratio", ratio(a, b), "1.5", fmt.Sprintf("%d changes of each side", len(agent)))
		report.add("reaction_"+p.name+"_agent_seconds", a.Seconds(), "", fmt.Sprintf("%.4f from sending the PATCH", percentile(m.sent[reactionWarmUp:], p.share).Seconds()))
		report.add("reaction_"+p.name+"_bare_seconds", b.Seconds(), "", "")
		r.log.Info("reaction", "percentile", p.name, "agent", a, "bare", b, "ratio", fmt.Sprintf("%.3f", ratio(a, b)))
	}
	return nil
}

// group does some changes of one side, one after the other.
func (m *reaction) group(ctx context.Context, at int, change func(ctx context.Context, o *unstructured.Unstructured, image string) (time.Duration, error)) ([]time.Duration, error) {
	var all []time.Duration
	for i := range reactionGroup {
		o := m.bare[(at+i)%len(m.bare)]
		took, err := change(ctx, o, fmt.Sprintf("registry.example.org/load/worker:2.0.%d", at+i))
		if err != nil {
			return nil, err
		}
		all = append(all, took)
		if err := pause(ctx, breath); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// throughBroker takes the time from the answer to a PATCH of the entity.
func (m *reaction) throughBroker(ctx context.Context, o *unstructured.Unstructured, image string) (time.Duration, error) {
	if err := m.rest(ctx, agentNamespace+"/"+o.GetName()); err != nil {
		return 0, err
	}
	done := m.awaitImage(agentNamespace, o, image)
	sent := time.Now()
	if err := m.patchImage(ctx, o.GetAnnotations()[llo.EntityAnnotation], image); err != nil {
		return 0, err
	}
	answered := time.Now()
	at, err := m.observer.wait(ctx, done, time.Minute)
	m.sent = append(m.sent, at.Sub(sent))
	return at.Sub(answered), err
}

// direct takes the time from the start of an apply of the changed object.
func (m *reaction) direct(ctx context.Context, o *unstructured.Unstructured, image string) (time.Duration, error) {
	if err := m.rest(ctx, bareNamespace+"/"+o.GetName()); err != nil {
		return 0, err
	}
	if err := unstructured.SetNestedField(o.Object, image, "spec", "image"); err != nil {
		return 0, err
	}
	done := m.awaitImage(bareNamespace, o, image)
	began := time.Now()
	if err := m.applyOne(ctx, o); err != nil {
		return 0, err
	}
	at, err := m.observer.wait(ctx, done, time.Minute)
	return at.Sub(began), err
}

// rest waits until the object's last change is long enough ago.
func (m *reaction) rest(ctx context.Context, key string) error {
	wait := time.Until(m.changed[key].Add(apart))
	m.changed[key] = time.Now().Add(max(wait, 0))
	return pause(ctx, wait)
}

func (m *reaction) awaitImage(namespace string, o *unstructured.Unstructured, image string) <-chan time.Time {
	done := make(chan time.Time, 1)
	kind, name := o.GetKind(), o.GetName()
	found := false
	m.observer.expect(func(object *unstructured.Unstructured, at time.Time) {
		if found || object.GetNamespace() != namespace || object.GetName() != name || object.GetKind() != kind {
			return
		}
		if is, _, _ := unstructured.NestedString(object.Object, "spec", "image"); is == image {
			found = true
			done <- at
		}
	})
	return done
}

func (r *rig) patchImage(ctx context.Context, entity, image string) error {
	body := fmt.Appendf(nil, `{"containerImage":{"type":"Property","value":%q}}`, image)
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, r.brokerURL+"/ngsi-ld/v1/entities/"+entity, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("change %s: %w", entity, err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusNoContent {
		err = errors.Join(err, fmt.Errorf("change %s: the broker answers %s", entity, resp.Status))
	}
	return errors.Join(err, resp.Body.Close())
}

// pause blocks for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
