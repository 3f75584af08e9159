package agent

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Starting runs a job again only where it was seen beside the report of the end of
// the very object that is there, however late it comes and however often.
func TestStartingIsANewOrderBesideTheReportedEnd(t *testing.T) {
	t.Parallel()
	says := func(word string, phase mapping.Phase, uid string) ngsild.Entity {
		e := component(word)
		e.Attrs[attrDeployment] = ngsild.Attribute{Kind: ngsild.Property, Value: (&status{Phase: phase, UID: uid}).value()}
		return e
	}
	cases := map[string]struct {
		first, late ngsild.Entity
		at          int // seconds, of the late one; the first comes at 10
		anew        bool
	}{
		"ordered again after the end":                      {says("Finished", mapping.Succeeded, "1"), says("Starting", mapping.Succeeded, "1"), 20, true},
		"the first order, come again":                      {says("Finished", mapping.Succeeded, "1"), says("Starting", mapping.Progressing, "1"), 12, false},
		"the order for the object before, come again":      {says("Finished", mapping.Succeeded, "1"), says("Starting", mapping.Failed, "0"), 12, false},
		"the first order, come again without a report":     {says("Finished", mapping.Succeeded, "1"), says("Starting", mapping.Pending, ""), 10, false},
		"the end was reported of another object meanwhile": {says("Finished", mapping.Succeeded, "0"), says("Starting", mapping.Succeeded, "0"), 20, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTracker(func() time.Time { return epoch })
			tr.notified(c.first, epoch.Add(10*time.Second))
			tr.notified(c.late, epoch.Add(time.Duration(c.at)*time.Second))
			v, _ := tr.get(someID)
			v.entity = c.first // a report of ours may have crossed the order
			p := &pass{view: v, placement: placement{order: v.order}}
			if got := p.endedBefore("1"); got != c.anew {
				t.Errorf("it runs again: %v", got)
			}
		})
	}
}

// What is in the way of the order is reported over that end, and read with the order again.
func TestEndIsRememberedWithItsOrder(t *testing.T) {
	t.Parallel()
	tr := newTracker(func() time.Time { return epoch })
	tr.broker.heard(epoch, epoch)
	e := component("Starting")
	for at, phase := range []mapping.Phase{mapping.Succeeded, mapping.Pending} {
		e.Attrs[attrDeployment] = ngsild.Attribute{Kind: ngsild.Property, Value: (&status{Phase: phase, UID: "1"}).value()}
		tr.notified(e, epoch.Add(time.Duration(10*at)*time.Second))
		tr.read(e, epoch.Add(time.Duration(10*at+1)*time.Second), tr.version(someID))
		if v, _ := tr.get(someID); v.order != starting || v.endOf != "1" {
			t.Errorf("%s: order %q after the end of %q", phase, v.order, v.endOf)
		}
	}
}

// An order that was carried out, or taken for another agent's, stands until a report replaces its word:
// when the move that it made is taken back, or comes here, the end before it is no answer to it.
func TestEndIsRememberedWhileTheWordStands(t *testing.T) {
	t.Parallel()
	set, err := mapping.Load(mapping.Source{Name: "m.yaml", Data: []byte(`{apiVersion: hlo-agent.github.io/v1alpha1, kind: Mapping, metadata: {name: m}, spec: {objects: [
		{id: fails, object: {apiVersion: example.org/v1, kind: Fails, metadata: {name: a}}, status: {rules: [{phase: Failed}]}}]}}`)})
	if err != nil {
		t.Fatal(err)
	}
	fails := &llo.Live{Key: llo.Key{GVK: schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Fails"}, Name: "a"}, UID: "1"}
	for word, anew := range map[string]bool{"Starting": true, "Running": false} {
		tr := newTracker(func() time.Time { return epoch })
		says := func(at int, word string, phase mapping.Phase, uid string) *pass {
			e := component(word)
			e.Attrs[attrDeployment] = ngsild.Attribute{Kind: ngsild.Property, Value: (&status{Phase: phase, UID: uid}).value()}
			tr.notified(e, epoch.Add(time.Duration(at)*time.Second))
			v, _ := tr.get(someID)
			return &pass{view: v, placement: placement{order: starting}, rules: &rules{Set: set}, live: []*llo.Live{fails}}
		}
		p := says(10, "Starting", mapping.Failed, "1")
		tr.carriedOut(&p.view)
		says(20, word, mapping.Progressing, "2")
		p = says(30, "Starting", mapping.Progressing, "2")
		if got := p.endedBefore("1"); got != anew {
			t.Errorf("after %s it runs again: %v", word, got)
		}
		tr.carriedOut(&p.view)
		p.view, _ = tr.get(someID) // the echo of our report is on its way yet
		if got := p.endedBefore("1"); got != anew {
			t.Errorf("after %s it runs again by the word alone: %v", word, got)
		}
	}
}
