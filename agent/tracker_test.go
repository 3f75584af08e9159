package agent

import (
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

var epoch = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

const someID = ngsild.EntityID("urn:ngsi-ld:Service:s:Component:c")

// component makes an entity with a status and further attributes as name, value pairs.
func component(status string, more ...any) ngsild.Entity {
	e := ngsild.Entity{ID: someID, Type: typeComponent, Attrs: map[string]ngsild.Attribute{}}
	if status != "" {
		e.Attrs[attrStatus] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "urn:ngsi-ld:ServiceComponentStatus:" + status}
	}
	for i := 0; i < len(more); i += 2 {
		e.Attrs[more[i].(string)] = ngsild.Attribute{Kind: ngsild.Property, Value: more[i+1]}
	}
	return e
}

// heard is one thing that the tracker is told: a notification after so many
// milliseconds of the broker's clock.
type heard struct {
	at     int
	entity ngsild.Entity
}

func TestNotified(t *testing.T) {
	t.Parallel()
	bad := component("Running")
	bad.Attrs["infrastructureElement"] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "urn:ngsi-ld:IE:1", Malformed: true}
	badEcho := component("", "containerImage", "a")
	badEcho.Attrs[attrStatus] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "urn:ngsi-ld:ServiceComponentStatus:Running", Malformed: true}
	running := map[string]string{attrStatus: "urn:ngsi-ld:ServiceComponentStatus:Running"}
	cases := map[string]struct {
		wrote       map[string]string // what we last wrote
		order       order             // open before
		told        []heard
		doubt, work bool // afterwards; work is of the last one
		open        order
		image       string // what the newest known entity says
	}{
		"the first notification is believed": {
			told: []heard{{0, component("Starting", "containerImage", "a")}}, work: true, open: starting, image: "a"},
		"a change after 2 s is believed": {
			told: []heard{{0, component("Running", "containerImage", "a")}, {2000, component("Running", "containerImage", "b")}}, work: true, image: "b"},
		"a change within 2 s is read": {
			told: []heard{{0, component("Running", "containerImage", "a")}, {1999, component("Running", "containerImage", "b")}}, doubt: true, work: true, image: "b"},
		"a repetition is nothing": {
			told: []heard{{0, component("Running", "containerImage", "a")}, {10, component("Running", "containerImage", "a")}}, image: "a"},
		"an older one that differs is read and not taken": {
			told: []heard{{5000, component("Running", "containerImage", "b")}, {0, component("Running", "containerImage", "a")}}, doubt: true, work: true, image: "b"},
		"an older one that says the same is nothing": {
			told: []heard{{5000, component("Running", "containerImage", "b")}, {0, component("Running", "containerImage", "b")}}, image: "b"},
		"figures and our own reports decide nothing": {
			told: []heard{{0, component("Running", "containerImage", "a", "currentCpuUsage", int64(1))},
				{10, component("Running", "containerImage", "a", "currentCpuUsage", int64(2))}}, image: "a"},
		"the echo of our report costs no read": {
			wrote: running,
			told:  []heard{{0, component("Starting", "containerImage", "a")}, {10, component("Running", "containerImage", "a")}}, work: true, open: starting, image: "a"},
		"the malformed echo of our report costs no read": {
			wrote: running, told: []heard{{0, component("Running", "containerImage", "a")}, {10, badEcho}}, image: "a"},
		"a malformed attribute that decides is read": {
			told: []heard{{0, component("Running", "containerImage", "a")}, {3000, bad}}, doubt: true, work: true, image: "a"},
		"a foreign report decides nothing but is looked at": {
			wrote: running,
			told:  []heard{{0, component("Running", "containerImage", "a")}, {10, component("Failed", "containerImage", "a")}}, work: true, image: "a"},
		"an order that a report of ours crossed stays open": {
			wrote: running,
			told:  []heard{{0, component("Removing", "containerImage", "a")}, {10, component("Running", "containerImage", "a")}}, work: true, open: removing, image: "a"},
		"an order that comes late stays an order": {
			wrote: running,
			told:  []heard{{1000, component("Running", "containerImage", "a")}, {0, component("Removing", "containerImage", "a")}}, work: true, open: removing, image: "a"},
		"a later order replaces an earlier one": {
			told: []heard{{0, component("Removing", "containerImage", "a")}, {3000, component("Starting", "containerImage", "a")}}, work: true, open: starting, image: "a"},
		"a removal at the moment of another order is read": {
			told: []heard{{0, component("Starting", "containerImage", "a")}, {0, component("Removing", "containerImage", "a")}}, doubt: true, work: true, open: starting, image: "a"},
		"another order at the moment of a removal stands": {
			told: []heard{{0, component("Removing", "containerImage", "a")}, {0, component("Starting", "containerImage", "a")}}, doubt: true, work: true, open: starting, image: "a"},
		"an earlier order does not replace a later one": {
			told: []heard{{3000, component("Starting", "containerImage", "a")}, {0, component("Removing", "containerImage", "a")}}, doubt: true, work: true, open: starting, image: "a"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTracker(func() time.Time { return epoch })
			rec := tr.record(someID)
			rec.wrote, rec.order = c.wrote, c.order
			work := false
			for _, h := range c.told {
				work = tr.notified(h.entity, epoch.Add(time.Duration(h.at)*time.Millisecond))
			}
			v, _ := tr.get(someID)
			image, _ := v.entity.Text("containerImage")
			if v.doubt != c.doubt || work != c.work || v.order != c.open || image != c.image {
				t.Errorf("got doubt %v, work %v, order %q, image %q; want %v, %v, %q, %q",
					v.doubt, work, v.order, image, c.doubt, c.work, c.open, c.image)
			}
		})
	}
}

// An order that we write again over a report is no newer order than a removal of
// which we hear after that; one that people give after the removal is.
func TestRemovalHeardLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		restored, removed, anew int // seconds
		told, open              order
	}{
		"before we wrote": {10, 5, 0, removing, removing}, "after we wrote": {5, 10, 0, removing, starting},
		"before it was ordered anew": {5, 10, 15, starting, starting},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := epoch
			second := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
			tr := newTracker(func() time.Time { return now })
			tr.broker.heard(epoch, epoch)
			tr.notified(component("Starting"), epoch)
			tr.update(someID, func(rec *record) {
				rec.restored, rec.wroteAt, rec.again = second(c.restored), second(c.restored), starting
			})
			tr.notified(component("Starting"), second(c.restored))
			if c.anew > 0 {
				tr.notified(component("Starting"), second(c.anew))
			}
			now = second(20)
			tr.notified(component("Removing"), second(c.removed))
			if v, _ := tr.get(someID); v.order != c.told {
				t.Errorf("order %q, want %q", v.order, c.told)
			}
			now = second(21)
			v, _ := tr.get(someID)
			tr.read(component("Starting"), now, v.version)
			if v, _ := tr.get(someID); v.order != c.open {
				t.Errorf("after a read that shows Starting: order %q, want %q", v.order, c.open)
			}
		})
	}
}

// That an order stands in the broker which we wrote again over a report of ours says nothing
// of a removal that came between the two, whoever tells of it for whatever reason.
func TestRemovalHeardLateOverOneOfOurReports(t *testing.T) {
	t.Parallel()
	second := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	for name, c := range map[string]struct {
		then func(tr *tracker)
		open order
	}{
		"nothing more":   {func(*tracker) {}, removing},
		"another change": {func(tr *tracker) { tr.notified(component("Overload", "exposePorts", "true"), second(15)) }, removing},
		"a list":         {func(tr *tracker) { tr.listed(component("Overload"), second(15)) }, removing},
		"a read":         {func(tr *tracker) { tr.read(component("Overload"), second(15), tr.version(someID)) }, removing},
		"ordered anew":   {func(tr *tracker) { tr.notified(component("Overload"), second(15)) }, overload},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTracker(func() time.Time { return second(20) })
			tr.broker.heard(epoch, epoch)
			tr.notified(component("Overload"), epoch)
			tr.notified(component("Failed"), second(5))                                             // our report
			tr.update(someID, func(rec *record) { rec.restored, rec.again = second(10), overload }) // the object runs again
			tr.notified(component("Overload"), second(10).Add(time.Millisecond))                    // the echo
			tr.update(someID, func(rec *record) { rec.heard = second(11) })                         // so that a list counts
			c.then(tr)
			tr.notified(component("Removing"), second(9))
			if v, _ := tr.get(someID); v.order != c.open {
				t.Errorf("order %q, want %q", v.order, c.open)
			}
			tr.read(component("Overload"), second(21), tr.version(someID))
			if v, _ := tr.get(someID); v.order != c.open {
				t.Errorf("after a read: order %q, want %q", v.order, c.open)
			}
		})
	}
}

func TestReadSettlesDoubtUnlessSomethingNewerWasHeard(t *testing.T) {
	t.Parallel()
	tr := newTracker(func() time.Time { return epoch })
	tr.notified(component("Running", "containerImage", "a"), epoch)
	tr.notified(component("Running", "containerImage", "b"), epoch.Add(time.Second))
	v, _ := tr.get(someID)
	if !v.doubt {
		t.Fatal("two changes within 2 s leave no doubt")
	}
	tr.notified(component("Running", "containerImage", "c"), epoch.Add(1500*time.Millisecond))
	tr.read(component("Running", "containerImage", "stale"), epoch, v.version)
	if v, _ := tr.get(someID); !v.doubt {
		t.Error("a read that was asked for before a notification settled the doubt about it")
	}
	v, _ = tr.get(someID)
	tr.read(component("Running", "containerImage", "c"), epoch, v.version)
	v, _ = tr.get(someID)
	if image, _ := v.entity.Text("containerImage"); v.doubt || image != "c" {
		t.Errorf("after the read: doubt %v, image %q", v.doubt, image)
	}
}

func TestListedDoesNotOverwriteWhatWasHeardSince(t *testing.T) {
	t.Parallel()
	now := epoch
	tr := newTracker(func() time.Time { return now })
	asked := now
	now = now.Add(time.Second)
	tr.notified(component("Running", "containerImage", "new"), epoch)
	tr.listed(component("Running", "containerImage", "old"), asked)
	v, _ := tr.get(someID)
	if image, _ := v.entity.Text("containerImage"); image != "new" {
		t.Errorf("a list overwrote a newer notification: image %q", image)
	}
	if gone := tr.unlisted(map[ngsild.EntityID]bool{}, asked); len(gone) != 0 {
		t.Errorf("what was heard of while the list was under way is held for gone: %v", gone)
	}
	if gone := tr.unlisted(map[ngsild.EntityID]bool{}, now.Add(time.Second)); len(gone) != 1 {
		t.Errorf("what a later list lacks is not held for gone: %v", gone)
	}
}

// What is heard of while a list is under way may be older than the list, above all the echo of our
// own report and the answer to it: what the list says otherwise is read.
func TestListSettlesNothingThatWasHeardSince(t *testing.T) {
	t.Parallel()
	running := component("Running", "containerImage", "a", "exposePorts", "ours", "currentCpuUsage", int64(1))
	for name, c := range map[string]struct {
		listed ngsild.Entity
		doubt  bool
	}{
		"the same":                {running, false},
		"figures":                 {component("Running", "containerImage", "a", "exposePorts", "ours", "currentCpuUsage", int64(2)), false},
		"a change":                {component("Running", "containerImage", "b", "exposePorts", "ours", "currentCpuUsage", int64(1)), true},
		"an order":                {component("Removing", "containerImage", "a", "exposePorts", "ours", "currentCpuUsage", int64(1)), true},
		"a foreign report":        {component("Failed", "containerImage", "a", "exposePorts", "ours", "currentCpuUsage", int64(1)), true},
		"a change of what we set": {component("Running", "containerImage", "a", "exposePorts", "theirs", "currentCpuUsage", int64(1)), true},
	} {
		for how, listed := range map[string]func(*tracker, ngsild.Entity, time.Time){"listed": (*tracker).listed, "elsewhere": (*tracker).elsewhere} {
			now := epoch
			tr := newTracker(func() time.Time { return now })
			tr.record(someID).wrote = map[string]string{attrStatus: "urn:ngsi-ld:ServiceComponentStatus:Running", "exposePorts": "ours"}
			tr.notified(running, epoch)
			asked := now.Add(time.Second)
			now = asked.Add(time.Second)
			tr.notified(running, epoch.Add(500*time.Millisecond))
			before := tr.version(someID)
			listed(tr, c.listed, asked)
			if v, _ := tr.get(someID); v.doubt != c.doubt {
				t.Errorf("%s, %s: doubt %v, want %v", name, how, v.doubt, c.doubt)
			}
			tr.read(running, asked, before) // asked for before the list was there
			if v, _ := tr.get(someID); v.doubt != c.doubt {
				t.Errorf("%s, %s: doubt %v after a read that may be older than the list, want %v", name, how, v.doubt, c.doubt)
			}
			tr.read(c.listed, now, tr.version(someID))
			v, _ := tr.get(someID)
			got, _ := v.entity.Text("containerImage")
			if want, _ := c.listed.Text("containerImage"); v.doubt || got != want {
				t.Errorf("%s, %s: doubt %v, image %q after a read, want %q", name, how, v.doubt, got, want)
			}
		}
	}
}

func TestWhatSpeaksAgainIsNotGone(t *testing.T) {
	t.Parallel()
	tr := newTracker(func() time.Time { return epoch })
	tr.notified(component("Running"), epoch)
	tr.notified(ngsild.Entity{ID: someID, Type: typeComponent, Deleted: true}, epoch.Add(3*time.Second))
	if v, _ := tr.get(someID); !v.absent {
		t.Fatal("a deletion notice was not taken in")
	}
	tr.notified(component("Running"), epoch.Add(6*time.Second))
	if v, _ := tr.get(someID); v.absent || !v.doubt {
		t.Errorf("created again: absent %v, doubt %v; want it read", v.absent, v.doubt)
	}
}

func TestLastingQuarrelIsContestedUntilItEnds(t *testing.T) {
	t.Parallel()
	tr := newTracker(func() time.Time { return epoch })
	ours, theirs := component("Running"), component("Failed")
	rec := tr.record(someID)
	rec.known, rec.entity = true, ours
	rec.wrote = map[string]string{attrStatus: "urn:ngsi-ld:ServiceComponentStatus:Running"}
	at := epoch
	for range lastingQuarrel {
		at = at.Add(10 * time.Second)
		tr.notified(theirs, at)
		at = at.Add(10 * time.Second)
		tr.notified(ours, at)
	}
	tr.listed(ours, at)
	if v, _ := tr.get(someID); !v.contested {
		t.Fatal("a lasting quarrel is not contested")
	}
	tr.listed(ours, at.Add(time.Minute))
	if v, _ := tr.get(someID); v.contested {
		t.Error("still contested after a resync without a foreign report")
	}
}

// What changes all the time has a pass five times a second, after a burst; what is calm never waits.
func TestPace(t *testing.T) {
	t.Parallel()
	now := epoch
	tracker := newTracker(func() time.Time { return now })
	if wait := tracker.pace(someID); wait != 0 {
		t.Errorf("an entity of which nothing is known waits %v", wait)
	}
	tracker.suspect(someID)
	passes := func(of, every time.Duration) (n int) {
		for end := now.Add(of); now.Before(end); now = now.Add(every) {
			if tracker.pace(someID) == 0 {
				n++
			}
		}
		return n
	}
	if n := passes(10*time.Second, time.Millisecond); n != passBurst+50-1 {
		t.Errorf("%d passes in 10 s, want the burst of %d and five a second", n, passBurst)
	}
	_ = tracker.pace(someID) // due at this very moment
	if wait := tracker.pace(someID); wait <= 0 || wait > passInterval {
		t.Errorf("the next one waits %v, want at most %v", wait, passInterval)
	}
	now = now.Add(passBurst * passInterval)
	if n := passes(10*time.Second, 500*time.Millisecond); n != 20 {
		t.Errorf("%d of 20 passes, want all: two a second are calm", n)
	}
	now = now.Add(-time.Hour)
	if wait := tracker.pace(someID); wait != 0 {
		t.Errorf("it waits %v after the clock was set back", wait)
	}
}

// A deletion that is told after something newer is of a life before, perhaps: the broker is asked.
func TestDeletionToldLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at            int
		absent, doubt bool
	}{"it is the newest": {20, true, false}, "something newer was told": {5, false, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTracker(func() time.Time { return epoch })
			tr.broker.heard(epoch, epoch)
			tr.notified(component("Starting"), epoch.Add(10*time.Second))
			tr.update(someID, func(rec *record) { rec.doubt = false })
			tr.notified(ngsild.Entity{ID: someID, Type: typeComponent, Deleted: true}, epoch.Add(time.Duration(c.at)*time.Second))
			if v, _ := tr.get(someID); v.absent != c.absent || v.doubt != c.doubt {
				t.Errorf("absent %v, in doubt %v; want %v, %v", v.absent, v.doubt, c.absent, c.doubt)
			}
		})
	}
}

// What was ordered of an entity ends with it, in whatever order that is told: one that is made
// anew under its id orders what it says, which may be nothing but to be there.
func TestOrdersEndWithTheirEntity(t *testing.T) {
	t.Parallel()
	type step func(tr *tracker)
	second := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	told := func(word string, at int) step {
		return func(tr *tracker) { tr.notified(component(word), second(at)) }
	}
	deleted := func(at int) step {
		return func(tr *tracker) {
			tr.notified(ngsild.Entity{ID: someID, Type: typeComponent, Deleted: true}, second(at))
		}
	}
	listed := func(word string, at int) step {
		return func(tr *tracker) {
			tr.update(someID, func(rec *record) { rec.heard = second(at - 1) }) // so that the list counts
			tr.listed(component(word), second(at))
		}
	}
	proved := func(at int) step {
		return func(tr *tracker) { tr.gone(someID, second(at), tr.version(someID)) }
	}
	for name, c := range map[string]struct {
		steps []step
		open  order
	}{
		"made anew without a word":            {[]step{told("Removing", 0), deleted(5), told("", 10)}, none},
		"made anew with a report":             {[]step{told("Removing", 0), deleted(5), told("Running", 10)}, none},
		"made anew and ordered away":          {[]step{told("Removing", 0), deleted(5), told("Removing", 10)}, removing},
		"made anew, and a list tells":         {[]step{told("Removing", 0), deleted(5), listed("", 10)}, none},
		"the removal is told last":            {[]step{deleted(5), listed("", 10), told("Removing", 0)}, none},
		"the deletion is told last":           {[]step{told("Removing", 0), told("", 10), deleted(5)}, none},
		"the deletion is of the life before":  {[]step{told("Removing", 10), deleted(5)}, removing},
		"the same, and a list told the order": {[]step{listed("Removing", 10), deleted(5)}, removing},
		"no deletion is told, but proved":     {[]step{told("Removing", 0), proved(5), told("", 10)}, none},
		"not heard of":                        {[]step{told("Removing", 0), told("", 10)}, removing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTracker(func() time.Time { return second(20) })
			tr.broker.heard(epoch, epoch)
			tr.notified(component("Running"), second(-10))
			for _, step := range c.steps {
				step(tr)
			}
			if v, _ := tr.get(someID); v.order != c.open {
				t.Errorf("order %q, want %q", v.order, c.open)
			}
		})
	}
}

// What was heard while the proof was under way may be of the life that began after it.
func TestProofOfAbsenceOverlooksNothingNewer(t *testing.T) {
	t.Parallel()
	tr := newTracker(func() time.Time { return epoch })
	tr.notified(component("Running"), epoch)
	version := tr.version(someID)
	tr.notified(component("Removing"), epoch.Add(time.Second))
	if tr.gone(someID, epoch, version) {
		t.Error("an entity that has just spoken counts as gone")
	}
	if v, _ := tr.get(someID); v.order != removing {
		t.Errorf("order %q, want %q", v.order, removing)
	}
}
