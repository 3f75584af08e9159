package agent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// A service whose components arrive one by one is solved once.
func TestHomerGathers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		tr.world.element("e1", 10_000)
		for i := range 6 {
			name := fmt.Sprint("c", i)
			tr.world.wants("R:"+name, 100)
			if d, said := tr.consult(wish("s", name)); d != nil || !said.pending {
				t.Fatalf("answered at once: %v %v", d, said)
			}
			after(400 * time.Millisecond)
		}
		after(time.Second)
		if n := tr.solved(); n != 1 {
			t.Errorf("solved %d times, want once", n)
		}
		for i := range 6 {
			if d, _ := tr.consult(wish("s", fmt.Sprint("c", i))); d == nil || d.element != "e1" {
				t.Errorf("c%d: %+v", i, d)
			}
		}
		if tr.world.readings.Load() != 1 {
			t.Errorf("the elements were read %d times", tr.world.readings.Load())
		}
	})
}

// Nothing is solved again because a load figure moved a little, and not often
// because it moves much.
func TestHomerRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ram   func(n int) float64 // every 20 s
		least int
		most  int
	}{
		// Once at first, and once every five minutes in any case.
		"a figure that wobbles":    {func(n int) float64 { return 1000 + float64(n%3)*20 }, 12, 14},
		"a figure that swings":     {func(n int) float64 { return 500 + float64(n%2)*1000 }, 24, 42},
		"a figure that gets worse": {func(n int) float64 { return 4000 / float64(n+1) }, 12, 14},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTrial(t)
				defer tr.done()
				tr.world.element("e1", c.ram(0))
				tr.world.wants("R:c", 5000)
				tr.consult(wish("s", "c"))
				for n := range 180 {
					tr.world.element("e1", c.ram(n))
					after(20 * time.Second)
				}
				if n := tr.solved(); n < c.least || n > c.most {
					t.Errorf("solved %d times in an hour, want %d to %d", n, c.least, c.most)
				}
				if n := tr.world.readings.Load(); n < 170 || n > 200 {
					t.Errorf("read %d times in an hour, want one every 20 s", n)
				}
				tr.withdraw(wish("s", "c").id)
				before := tr.world.readings.Load()
				after(time.Hour)
				if n := tr.world.readings.Load() - before; n > 62 {
					t.Errorf("read %d times in an hour in which nothing waited", n)
				}
			})
		})
	}
}

// What makes an element fit is noticed within the time between two readings.
func TestHomerTriesAgainWhenItMatters(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"more memory":             func(w *world) { w.element("e1", 6000) },
		"another element":         func(w *world) { w.element("e2", 6000) },
		"a status":                func(w *world) { w.set("e3", map[string]any{"infrastructureElementStatus": "Ready"}) },
		"what a component wanted": func(w *world) { w.wants("R:c", 500) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := newTrial(t)
				defer tr.done()
				tr.world.element("e1", 1000)
				tr.world.element("e3", 9000)
				tr.world.set("e3", map[string]any{"infrastructureElementStatus": "Maintenance"})
				tr.world.wants("R:c", 5000)
				tr.consult(wish("s", "c"))
				after(10 * time.Minute)
				if d, said := tr.consult(wish("s", "c")); d != nil || said.reason != reasonNoElementFits {
					t.Fatalf("%+v %+v", d, said)
				}
				change(tr.world)
				tr.required("R:c")
				tr.soon(t, wish("s", "c"), 30*time.Second)
			})
		})
	}
}

// While the broker is down it is asked ever less often, and nothing is lost.
func TestHomerWhileTheBrokerIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		tr.world.element("e1", 1000)
		tr.world.wants("R:c", 500)
		tr.world.down.Store(true)
		tr.consult(wish("s", "c"))
		after(2 * time.Minute)
		if n := tr.world.readings.Load(); n < 8 || n > 14 {
			t.Errorf("asked %d times in two minutes", n)
		}
		tr.world.down.Store(false)
		tr.soon(t, wish("s", "c"), 20*time.Second)
	})
}

// A choice that cannot be written is made anew, from figures of that time.
func TestHomerForgetsOldChoices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		tr.world.element("e1", 1000)
		tr.world.wants("R:c", 500)
		tr.consult(wish("s", "c"))
		after(time.Second)
		if d, _ := tr.consult(wish("s", "c")); d == nil || d.element != "e1" {
			t.Fatalf("%+v", d)
		}
		tr.world.element("e1", 10)
		tr.world.element("e2", 900)
		after(figuresAge)
		if d, said := tr.consult(wish("s", "c")); d != nil || !said.pending {
			t.Fatalf("an old choice: %+v", d)
		}
		after(time.Second)
		if d, _ := tr.consult(wish("s", "c")); d == nil || d.element != "e2" {
			t.Errorf("got %+v, want e2", d)
		}
	})
}

// Elements that go silent are left, but not when most of them do at once.
func TestHomerHush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		said := func(id ngsild.EntityID) cause {
			tr.mu.Lock()
			defer tr.mu.Unlock()
			return tr.ails(id, &ngsild.Entity{})
		}
		for minute := range 12 {
			for i, until := range []int{99, 99, 99, 4, 8} { // minutes
				if minute < until {
					tr.world.speaks(fmt.Sprint("e", i))
				}
			}
			after(time.Minute)
		}
		for id, want := range map[ngsild.EntityID]cause{"e0": settled, "e3": causeSilent, "e4": causeSilent, "unheard-of": settled} {
			if got := said(id); got != want {
				t.Errorf("%s: %q, want %q", id, got, want)
			}
		}
		after(10 * time.Minute) // nobody speaks
		if got := said("e3"); got != settled {
			t.Errorf("with everybody silent: %q", got)
		}
		if !tr.silent("e3") || !tr.silent("e0") {
			t.Error("silent elements may be chosen")
		}
	})
}

// An element that was well in between is not left before its grace is over, though
// nothing was on it meanwhile or what was there was paused.
func TestGraceBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		tr.world.speaks("e1")
		on := component("Running")
		on.Attrs[attrElement] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "e1"}
		says := func(word string) *pass {
			tr.world.set("e1", map[string]any{attrElementStatus: word})
			p := &pass{view: view{record: record{entity: on}}}
			p.input.Element = &ngsild.Entity{ID: "e1", Type: typeElement, Attrs: map[string]ngsild.Attribute{attrElementStatus: {Value: word}}}
			return p
		}
		for range 2 {
			p := says("Maintenance")
			if why, wait := tr.unfit(p, 3*time.Minute); why != settled || wait != 3*time.Minute {
				t.Fatalf("left at once: %q, %v", why, wait)
			}
			after(2 * time.Minute)
			if _, wait := tr.unfit(p, 3*time.Minute); wait != time.Minute {
				t.Fatalf("the grace does not pass: %v", wait)
			}
			says("Ready") // and no pass sees it
			for range 5 {
				tr.world.speaks("e1")
				after(time.Minute)
			}
		}
	})
}

// Whose clock is wrong takes no element for silent: the broker's notifications tell
// what time it is there.
func TestHomerWhoseClockIsWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		there := func() time.Time { return time.Now().Add(-time.Hour) }
		tr.tracker.broker.heard(there(), time.Now())
		tr.world.element("e1", 1000)
		tr.world.set("e1", map[string]any{"cpuCores": map[string]any{"type": "Property", "value": 4, "observedAt": there().UTC().Format(time.RFC3339)}})
		tr.world.wants("R:c", 500)
		tr.consult(wish("s", "c"))
		tr.soon(t, wish("s", "c"), 5*time.Second)
	})
}

// Requirements that a list lacked are asked for again, and their room counts then.
func TestHomerPromisesOfMissingRequirements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		tr.world.element("e1", 1000)
		placed := component("Starting")
		placed.Attrs[attrElement] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "e1"}
		placed.Attrs[attrRequirements] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "R:a"}
		tr.tracker.listed(placed, time.Now())
		tr.world.wants("R:b", 600)
		tr.consult(wish("s", "b"))
		after(time.Second)
		if d, _ := tr.consult(wish("s", "b")); d == nil {
			t.Fatal("not chosen, though nothing is known of what the other one needs")
		}
		tr.withdraw(wish("s", "b").id)
		tr.world.wants("R:a", 600)
		tr.consult(wish("s", "b"))
		after(time.Second)
		if d, said := tr.consult(wish("s", "b")); d != nil || said.reason != reasonNoElementFits {
			t.Errorf("the room of a component is given away whose requirements are there now: %+v", d)
		}
	})
}

// What did not come up on one element is not moved between the others for ever.
func TestMovesThatFailed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		on, previous, element, notOn string
		ago                          time.Duration
		want                         string
	}{
		"never moved":               {on: "e1", element: "e1"},
		"it arrived":                {on: "e2", previous: "e1", element: "e2", notOn: "e3"},
		"taken back":                {on: "e1", previous: "e1", element: "e2", want: "e2"},
		"taken back again":          {on: "e1", previous: "e1", element: "e2", notOn: "e3 e4", want: "e3 e4 e2"},
		"people put it elsewhere":   {on: "e5", previous: "e1", element: "e2", notOn: "e3"},
		"long ago":                  {on: "e1", previous: "e1", element: "e2", notOn: "e3", ago: failedFor},
		"it has none, as at first":  {},
		"it has none any more":      {previous: "e1", element: "e2"},
		"by a clock that was wrong": {on: "e1", previous: "e1", element: "e2", ago: -time.Hour, want: "e2"},
	} {
		e := component("Running")
		e.Attrs[attrDecision] = ngsild.Attribute{Kind: ngsild.Property, Value: map[string]any{"element": c.element, "previous": c.previous, "notOn": c.notOn, "decidedAt": now.Add(-c.ago).Format(time.RFC3339)}}
		if delete(e.Attrs, attrElement); c.on != "" {
			e.Attrs[attrElement] = ngsild.Attribute{Kind: ngsild.Relationship, Value: c.on}
		}
		if got := newAsk(&pass{view: view{record: record{entity: e}, id: e.ID}}, causeNotReady, now).notOn; got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// What only the list of elements shows is not chosen over and over.
func TestHomerRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		tr.world.element("ghost", 1000)
		tr.world.wants("R:c", 500)
		for began := time.Now(); time.Since(began) < time.Hour; after(time.Second) {
			if d, _ := tr.consult(wish("s", "c")); d != nil {
				tr.reject(d.asked.id)
			}
		}
		if n := tr.solved(); n < 8 || n > 30 {
			t.Errorf("solved %d times in an hour", n)
		}
	})
}

// Room that was chosen for one service and is not written yet is not given to
// another, nor is that of components that do not run yet.
func TestHomerReserves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		tr.world.element("e1", 1000)
		tr.world.wants("R:a", 600)
		tr.world.wants("R:b", 600)
		tr.consult(wish("s", "a"))
		after(time.Second)
		tr.consult(wish("t", "b"))
		after(time.Second)
		if d, said := tr.consult(wish("t", "b")); d != nil || said.reason != reasonNoElementFits {
			t.Fatalf("the room of a choice was given again: %+v", d)
		}
		// The choice is written, and the component is Starting there.
		placed := component("Starting")
		placed.ID = wish("s", "a").id
		placed.Attrs[attrElement] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "e1"}
		placed.Attrs[attrRequirements] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "R:a"}
		tr.tracker.listed(placed, time.Now())
		tr.withdraw(placed.ID)
		after(6 * time.Minute)
		if d, said := tr.consult(wish("t", "b")); d != nil || said.reason != reasonNoElementFits {
			t.Fatalf("the room of a Starting component was given again: %+v", d)
		}
		// It runs; the element's figures show it only a little later.
		placed.Attrs[attrStatus] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "urn:ngsi-ld:ServiceComponentStatus:Running"}
		tr.tracker.listed(placed, time.Now())
		after(5 * time.Second)
		tr.elementChanged() // has it read
		tr.required("R:b")  // and solved
		after(2 * time.Second)
		if d, said := tr.consult(wish("t", "b")); d != nil || said.reason != reasonNoElementFits {
			t.Fatalf("given again before the figures could show it: %+v", d)
		}
		tr.world.element("e1", 400)
		after(6 * time.Minute)
		if d, said := tr.consult(wish("t", "b")); d != nil || said.reason != reasonNoElementFits {
			t.Fatalf("400 MB for 600: %+v", d)
		}
		tr.world.element("e1", 1000) // it has gone
		tr.soon(t, wish("t", "b"), time.Minute)
	})
}

// That an element may be tried again where a component did not come up, an hour ago, changes nothing of
// what is said of it until that was looked into.
func TestRefusalStandsWhenAnElementMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.done()
		tr.world.element("e1", 1000)
		tr.world.wants("R:c", 5000)
		a := wish("s", "c")
		a.notOn = "e2"
		tr.consult(a)
		after(time.Minute)
		solved := tr.solved()
		a.notOn = ""
		if _, said := tr.consult(a); said.reason != reasonNoElementFits {
			t.Errorf("said at once: %+v", said)
		}
		after(time.Second)
		if _, said := tr.consult(a); said.reason != reasonNoElementFits || tr.solved() != solved+1 {
			t.Errorf("solved %d times since; %+v", tr.solved()-solved, said)
		}
		tr.world.element("e2", 6000)
		tr.soon(t, a, 30*time.Second)
	})
}

// A choice that was noted by a clock far ahead keeps a component where it is no longer than others do, and
// not once more when that time has come.
func TestRestByAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		decided, seen time.Duration // ago; it is seen there since
		rests         bool
	}{
		"moved just now":                              {time.Second, time.Second, true},
		"long ago":                                    {time.Hour, time.Hour, false},
		"seen just now, after a start":                {time.Hour, time.Second, false},
		"noted by a clock ahead, moved just now":      {-time.Second, time.Second, true},
		"noted by a clock ahead, whose time has come": {time.Second, time.Hour, false},
	} {
		now := epoch
		e := component("Running")
		e.Attrs[attrElement] = ngsild.Attribute{Kind: ngsild.Relationship, Value: "e1"}
		e.Attrs[attrDecision] = ngsild.Attribute{Kind: ngsild.Property, Value: map[string]any{"element": "e1", "previous": "e2", "decidedAt": now.Add(-c.decided).Format(time.RFC3339)}}
		r := &reconciler{cfg: Config{HomingGrace: time.Minute}, domains: newDomains([]string{"*"}), now: func() time.Time { return now }}
		p := &pass{view: view{record: record{entity: e, onSince: now.Add(-c.seen)}, id: e.ID}, placement: placement{want: wanted, order: overload}}
		r.homer = &homer{now: r.now, ailing: map[ngsild.EntityID]ailing{}, inventory: newInventory(0, r.now)}
		why, _ := r.causeOf(p)
		if (why == settled) != c.rests {
			t.Errorf("%s: %q", name, why)
		}
	}
}
