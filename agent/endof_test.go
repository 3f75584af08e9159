package agent

import (
	"testing"
	"time"

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
		"ordered again after the end":                        {says("Finished", mapping.Succeeded, "1"), says("Starting", mapping.Succeeded, "1"), 20, true},
		"the first order, come again":                        {says("Finished", mapping.Succeeded, "1"), says("Starting", mapping.Progressing, "1"), 12, false},
		"the order for the object before, come again":        {says("Finished", mapping.Succeeded, "1"), says("Starting", mapping.Failed, "0"), 12, false},
		"its report is replaced by what another agent lacks": {says("Finished", mapping.Succeeded, "1"), says("Starting", mapping.Pending, ""), 20, true},
		"the end was reported of another object meanwhile":   {says("Finished", mapping.Succeeded, "0"), says("Starting", mapping.Succeeded, "0"), 20, false},
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
