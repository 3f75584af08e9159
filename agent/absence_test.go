package agent

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
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
			g := newGuard(&Config{PruneMaxPercent: 20, PruneMin: 5}, func() int { return left }, func() time.Time { return now }, slog.New(slog.DiscardHandler))
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
	g := newGuard(&Config{PruneMaxPercent: 20, PruneMin: 5}, func() int { return 50 }, func() time.Time { return epoch }, slog.New(slog.DiscardHandler))
	for i := range 50 {
		g.expect(ngsild.EntityID(fmt.Sprint(i)), 1)
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
	g := newGuard(&Config{PruneMaxPercent: 20, PruneMin: 2}, func() int { return 5 }, func() time.Time { return epoch }, slog.New(slog.DiscardHandler))
	gone, there := &llo.Live{UID: "gone"}, &llo.Live{UID: "there"}
	g.admit("a", 1)
	g.deleted("a", gone.UID)
	if left := g.left([]*llo.Live{gone, there, {UID: "finalizer", Deleting: true}}); len(left) != 1 || left[0] != there {
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
			g := newGuard(&Config{PruneMaxPercent: 20, PruneMin: 1}, func() int { return 5 }, func() time.Time { return epoch }, slog.New(slog.DiscardHandler))
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
