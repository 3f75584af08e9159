package agent

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/sandbox/broker"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	type try struct {
		after time.Duration
		n     int // so many entities go missing, one object each
		admit int // and so many of them may go
	}
	cases := map[string]struct {
		objects int
		tries   []try
	}{
		"few objects: the least number":           {objects: 10, tries: []try{{0, 5, 5}}},
		"one over the least number stops the one": {objects: 10, tries: []try{{0, 6, 5}}},
		"a fifth of many":                         {objects: 100, tries: []try{{0, 20, 20}, {minute, 1, 0}}},
		"the window moves on":                     {objects: 100, tries: []try{{0, 20, 20}, {6 * minute, 10, 10}}},
		"within the window they add up":           {objects: 100, tries: []try{{0, 12, 12}, {4 * minute, 12, 8}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, left := epoch, c.objects
			g := newGuard(&Config{PruneMaxPercent: 20, PruneMin: 5}, func() ([]*llo.Live, int) { return nil, left }, func() time.Time { return now }, slog.New(slog.DiscardHandler))
			for round, try := range c.tries {
				now = now.Add(try.after)
				admitted := 0
				for i := range try.n {
					id := ngsild.EntityID(fmt.Sprintf("%d-%d", round, i))
					if g.admit(id, 1) {
						g.deleted(id, types.UID(id))
						left--
						admitted++
					}
				}
				if admitted != try.admit {
					t.Errorf("round %d: admitted %d of %d, want %d", round, admitted, try.n, try.admit)
				}
			}
		})
	}
}

func TestGuardHoldsAllWhenAllAreMissingAtOnce(t *testing.T) {
	t.Parallel()
	g := newGuard(&Config{PruneMaxPercent: 20, PruneMin: 5}, func() ([]*llo.Live, int) { return nil, 50 }, func() time.Time { return epoch }, slog.New(slog.DiscardHandler))
	for i := range 50 {
		g.expect(ngsild.EntityID(fmt.Sprint(i)), nil, 1)
	}
	for i := range 50 {
		if g.admit(ngsild.EntityID(fmt.Sprint(i)), 1) {
			t.Fatalf("number %d of 50 missing at once may go", i)
		}
	}
	if g.held() != 50 {
		t.Errorf("held %d, want 50", g.held())
	}
	for i := range 45 {
		g.returned(ngsild.EntityID(fmt.Sprint(i)), nil)
	}
	if !g.admit("49", 1) {
		t.Error("five missing of 50 may not go after the others came back")
	}
}

func TestGuardCountsAnObjectOnce(t *testing.T) {
	t.Parallel()
	g := newGuard(&Config{PruneMaxPercent: 20, PruneMin: 2}, func() ([]*llo.Live, int) { return nil, 5 }, func() time.Time { return epoch }, slog.New(slog.DiscardHandler))
	gone, there := &llo.Live{UID: "gone"}, &llo.Live{UID: "there"}
	g.admit("a", 1)
	g.deleted("a", gone.UID)
	if left := g.left("a", []*llo.Live{gone, there, {UID: "finalizer", Deleting: true}}); len(left) != 1 || left[0] != there {
		t.Errorf("left to delete: %v; want only what neither went nor goes", left)
	}
	g.deleted("a", gone.UID) // a second pass before the watch told
	if !g.admit("b", 1) {
		t.Error("one deletion counts twice")
	}
}

// A deletion of which the answer was lost counts when its object is seen to be gone, though
// the entity was made anew meanwhile.
func TestGuardCountsWhatWasAttempted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then  func(g *guard, tried *llo.Live)
		admit bool
	}{
		"nothing is left":         {func(g *guard, _ *llo.Live) { g.returned("a", nil) }, false},
		"made anew, object gone":  {func(g *guard, _ *llo.Live) { g.returned("a", []*llo.Live{{UID: "another"}}) }, false},
		"made anew, object stays": {func(g *guard, tried *llo.Live) { g.returned("a", []*llo.Live{tried}) }, true},
		"and goes later": {func(g *guard, tried *llo.Live) {
			g.returned("a", []*llo.Live{tried})
			g.returned("a", nil)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuard(&Config{PruneMaxPercent: 20, PruneMin: 1}, func() ([]*llo.Live, int) { return nil, 5 }, func() time.Time { return epoch }, slog.New(slog.DiscardHandler))
			tried := &llo.Live{UID: "tried"}
			g.admit("a", 1)
			g.attempted("a", tried.UID)
			c.then(g, tried)
			if admitted := g.admit("b", 1); admitted != c.admit {
				t.Errorf("one more is admitted: %v, want %v", admitted, c.admit)
			}
		})
	}
}

// An object counts once: as one that went for five minutes, though a list lacks its entity again
// and a finalizer holds it, and not for longer.
func TestGuardCountsWhatFinalizersHoldOnce(t *testing.T) {
	t.Parallel()
	now := epoch
	live := map[ngsild.EntityID]*llo.Live{}
	g := newGuard(&Config{PruneMaxPercent: 20}, func() ([]*llo.Live, int) { return slices.Collect(maps.Values(live)), 0 },
		func() time.Time { return now }, slog.New(slog.DiscardHandler))
	for i := range 100 {
		live[ngsild.EntityID(fmt.Sprint(i))] = &llo.Live{UID: types.UID(fmt.Sprint(i))}
	}
	remove := func(from, to int) (admitted int) {
		for i := from; i < to; i++ {
			id := ngsild.EntityID(fmt.Sprint(i))
			left := g.left(id, []*llo.Live{live[id]})
			if len(left) == 1 && g.admit(id, 1) {
				g.deleted(id, uids(left)...)
				admitted++
			}
		}
		return admitted
	}
	resync := func(to int) { // all entities before it are missing
		for i := range to {
			id := ngsild.EntityID(fmt.Sprint(i))
			g.expect(id, []*llo.Live{live[id]}, 0)
		}
	}
	finalizers := func(to int) {
		for i := range to {
			live[ngsild.EntityID(fmt.Sprint(i))] = &llo.Live{UID: types.UID(fmt.Sprint(i)), Deleting: true}
		}
	}

	if n := remove(0, 19); n != 19 {
		t.Fatalf("%d of 19 may go", n)
	}
	resync(19) // before the watch told
	if n := remove(19, 20); n != 1 {
		t.Error("the twentieth may not go: what went counts twice")
	}
	finalizers(20)
	resync(20)
	if n := remove(20, 30); n != 0 {
		t.Errorf("%d more than 20 of 100 may go", n)
	}
	for i := 20; i < 30; i++ { // they are back
		g.returned(ngsild.EntityID(fmt.Sprint(i)), nil)
	}
	now = now.Add(guardWindow + time.Second)
	resync(20)
	if n := remove(20, 36); n != 16 {
		t.Errorf("%d of 16 may go, and 80 are left", n)
	}
	if n := remove(36, 37); n != 0 {
		t.Error("17 of 80 may go")
	}
}

// A deletion of which the answer was lost counts as soon as its object is seen to go, and what
// else the entity has counts beside it.
func TestGuardCountsWhatWasAttemptedAndIsHeld(t *testing.T) {
	t.Parallel()
	a, b := &llo.Live{UID: "a"}, &llo.Live{UID: "b"}
	held := &llo.Live{UID: "a", Deleting: true}
	again := func(g *guard, live ...*llo.Live) []*llo.Live { // as the next pass does
		left := g.left("one", live)
		g.admit("one", len(left))
		return left
	}
	for name, c := range map[string]struct {
		then func(g *guard)
		want int // so many count
	}{
		"both stay":                 {func(g *guard) { again(g, a, b) }, 2},
		"one goes":                  {func(g *guard) { again(g, held, b) }, 2},
		"one goes, by a list":       {func(g *guard) { g.expect("one", []*llo.Live{held, b}, 0) }, 2},
		"one goes, the entity back": {func(g *guard) { g.returned("one", []*llo.Live{held, b}) }, 1},
		"one goes, the other later": {func(g *guard) {
			g.deleted("one", uids(again(g, held, b))...)
			g.expect("one", []*llo.Live{held, b}, 0)
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuard(&Config{PruneMin: 9}, func() ([]*llo.Live, int) { return nil, 0 }, func() time.Time { return epoch }, slog.New(slog.DiscardHandler))
			g.attempted("one", uids(again(g, a, b))...)
			c.then(g)
			if n := len(g.went) + g.waiting["one"]; n != c.want {
				t.Errorf("%d count, want %d", n, c.want)
			}
		})
	}
}

// What cannot go any more is not waited for, nor what is there after all, paused or not.
func TestGuardForgetsWhatCannotGo(t *testing.T) {
	t.Parallel()
	one := func(change func(*llo.Live)) []*llo.Live {
		l := &llo.Live{UID: "one", Annotations: map[string]string{llo.OriginAnnotation: originBroker}}
		change(l)
		return []*llo.Live{l}
	}
	stays := one(func(*llo.Live) {})
	deleting := one(func(l *llo.Live) { l.Deleting = true })
	paused := one(func(l *llo.Live) { l.Annotations[llo.PausedAnnotation] = "true" })
	for name, c := range map[string]struct {
		then func(r *reconciler) error
		want int
	}{
		"it goes already": {func(r *reconciler) error {
			return r.deleteAbsent(t.Context(), &pass{view: view{id: someID}, live: deleting})
		}, 0},
		"a list lacks it, it goes": {func(r *reconciler) error { r.guard.expect(someID, deleting, 0); return nil }, 0},
		"paused, and there": {func(r *reconciler) error {
			return r.apply(t.Context(), &pass{view: view{id: someID}, live: paused, paused: true, placement: placement{want: wanted}})
		}, 0},
		"paused, and gone": {func(r *reconciler) error {
			return r.apply(t.Context(), &pass{view: view{id: someID}, live: paused, paused: true, placement: placement{want: gone}})
		}, 1},
		"paused, and a list lacks it": {func(r *reconciler) error { r.guard.expect(someID, paused, 0); return nil }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reconciler{cfg: Config{SyncPolicy: syncAll}, log: slog.New(slog.DiscardHandler), now: time.Now}
			r.guard = newGuard(&r.cfg, func() ([]*llo.Live, int) { return stays, 0 }, r.now, r.log)
			r.guard.expect(someID, stays, 0)
			r.guard.admit("another", 0) // shuts it
			if err := c.then(r); err != nil {
				t.Fatal(err)
			}
			if got := r.guard.held() - 1; got != c.want { // another
				t.Errorf("%d are waited for, want %d", got, c.want)
			}
		})
	}
}

// What other domains hold for us goes through the guard as what we hold does: each copy counts
// once, for five minutes, and all of them are what the share is of.
func TestGuardCountsCopiesElsewhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		copies, percent, least int
		want                   int // so many of the first four whose entities go may go
	}{
		"the least number": {10, 1, 1, 1}, "a share of all": {10, 20, 1, 2}, "all of few": {4, 20, 5, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reconciler{cfg: Config{AgentID: "me", SyncPolicy: syncAll, PruneMaxPercent: c.percent, PruneMin: c.least},
				log: slog.New(slog.DiscardHandler), now: time.Now, client: emptyBroker(t)}
			r.tracker, r.clusters = newTracker(r.now), newClusters(1, r.log, nil)
			r.neighbours = newNeighbours(nil, r)
			r.guard = newGuard(&r.cfg, (&service{reconciler: r}).prunable, r.now, r.log)
			var ids []ngsild.EntityID
			for i := range c.copies {
				id := ngsild.EntityID(fmt.Sprint("urn:ngsi-ld:Service:s:Component:", i))
				ids = append(ids, id)
				r.neighbours.ask("urn:b", "https://b", allocation.Allocation{Component: id, Element: "urn:e"}, "", "", "")
			}
			for range 2 { // the second time before the domain has answered
				for _, id := range ids[:4] {
					r.tracker.suspect(id)
					v, _ := r.tracker.get(id)
					if err := r.deleteAbsent(t.Context(), &pass{view: v}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if went := c.copies - r.neighbours.standing(); went != c.want {
				t.Errorf("%d were told to go, want %d", went, c.want)
			}
			if held := r.guard.held(); held != 4-c.want {
				t.Errorf("%d are held back, want %d", held, 4-c.want)
			}
		})
	}
}

// A copy that is made anew is another one.
func TestGuardTellsCopiesElsewhereApart(t *testing.T) {
	t.Parallel()
	now := epoch
	r := &reconciler{log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }}
	r.neighbours = newNeighbours(nil, r)
	seen := map[types.UID]bool{}
	for range 2 {
		for _, domain := range []ngsild.EntityID{"urn:b", "urn:c"} {
			r.neighbours.ask(domain, "https://b", allocation.Allocation{Component: someID, Element: "urn:e"}, "", "", "")
		}
		for _, name := range r.staysElsewhere(someID) {
			seen[name] = true
		}
		if r.dropEverywhere(someID); len(r.staysElsewhere(someID)) > 0 {
			t.Error("what was told to go counts as staying")
		}
		now = now.Add(time.Second)
	}
	if len(seen) != 4 {
		t.Errorf("two copies in two domains each are %d", len(seen))
	}
}

// emptyBroker is a broker that holds nothing but our subscription.
func emptyBroker(t *testing.T) *ngsild.Client {
	t.Helper()
	world := broker.New(broker.Options{})
	t.Cleanup(world.Close)
	server := httptest.NewServer(world)
	t.Cleanup(server.Close)
	client := ngsild.NewClient(ngsild.ClientConfig{BaseURL: server.URL})
	s := ngsild.Subscription{ID: subscriptionID("me", "components"), Type: "Subscription", Entities: []ngsild.EntitySelector{{Type: typeComponent}}}
	s.Notification.Endpoint.URI = "http://127.0.0.1:1/notify"
	if err := client.CreateSubscription(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return client
}
