package agent

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Of the sides of a move whose component is not to be on either, the one that came
// last is taken back, and the time that it had counts from when it came.
func TestTheLatestSideOfAMove(t *testing.T) {
	t.Parallel()
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	side := func(element string, created int, from string, moved int) *llo.Live {
		l := &llo.Live{UID: types.UID(element), Created: at(created), Annotations: map[string]string{llo.ElementAnnotation: element}}
		if from != "" {
			l.Annotations[llo.MovedFrom], l.Annotations[llo.MovedAt] = from, at(moved).Format(time.RFC3339)
		}
		return l
	}
	for name, c := range map[string]struct {
		live  []*llo.Live
		late  string
		since int
	}{
		"one move": {[]*llo.Live{side("a", 0, "", 0), side("b", 10, "a", 10)}, "b", 10},
		"moved on twice, and both came from a third": {[]*llo.Live{side("c", 0, "a", 30), side("b", 10, "a", 20)}, "c", 30},
		"the other way round":                        {[]*llo.Live{side("c", 0, "a", 20), side("b", 10, "a", 30)}, "b", 30},
		"the old side was made anew during the move": {[]*llo.Live{side("a", 50, "", 0), side("b", 10, "a", 10)}, "b", 10},
		"a clock was wrong":                          {[]*llo.Live{side("a", 0, "", 0), side("b", 10, "a", 5000)}, "b", 10},
		"no side says that it moved":                 {[]*llo.Live{side("a", 20, "", 0), side("b", 10, "", 0)}, "a", 20},
		"one is on no element":                       {[]*llo.Live{side("", 50, "", 0), side("b", 10, "", 0)}, "b", 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			late, since := latest(c.live, at(100))
			if late == nil || string(elementOf(late)) != c.late || !since.Equal(at(c.since)) {
				t.Errorf("the latest is %v, since %v; want %s, since %v", late, since, c.late, at(c.since))
			}
		})
	}
}

// What a move left here of a component that is another domain's goes when an object of the
// other agent does the work: the wanted one, or the one that stays while that cannot be made.
func TestMovedAwayGoesWhenAnotherDoesTheWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said status
		goes bool
	}{
		"one of ours ran that was here before":         {status{Phase: mapping.Running, Reason: "Running", UID: "former"}, false},
		"the wanted one runs":                          {status{Phase: mapping.Running, Reason: "Running", UID: "theirs"}, true},
		"it does not yet":                              {status{Phase: mapping.Pending, Reason: "Pending", UID: "theirs"}, false},
		"this one was reported to run":                 {status{Phase: mapping.Running, Reason: "Running", UID: "ours"}, false},
		"its name is held, and another stays":          {status{Phase: mapping.Pending, Reason: reasonNameHeld, UID: "theirs"}, true},
		"its name is held, and none stays":             {status{Phase: mapping.Pending, Reason: reasonNameHeld}, false},
		"its name was held before, and this one stays": {status{Phase: mapping.Pending, Reason: reasonNameHeld, UID: "ours"}, false},
		"its kind is missing, and another stays":       {status{Phase: mapping.Pending, Reason: reasonKindMissing, UID: "theirs"}, true},
		"it is refused":                                {status{Phase: mapping.Refused, Reason: reasonRejected, UID: "theirs"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			r := &reconciler{cfg: Config{DryRun: true, SyncPolicy: syncAll}, tracker: newTracker(time.Now), now: time.Now,
				clusters: someClusters(t, 1), log: slog.New(slog.NewTextHandler(&log, nil))}
			e := component("Running")
			e.Attrs[attrDeployment] = ngsild.Attribute{Kind: ngsild.Property, Value: c.said.value()}
			p := &pass{view: view{record: record{entity: e, ours: "former"}, id: someID}, placement: placement{want: elsewhere}, live: []*llo.Live{{Cluster: defaultCluster, UID: "ours"}}}
			r.noteOurs(p, c.said.UID)
			if err := r.deleteMovedAway(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if goes := strings.Contains(log.String(), "would be deleted"); goes != c.goes {
				t.Errorf("it goes: %v\n%s", goes, &log)
			}
		})
	}
}

// The note of a move that was taken back may still be there when the move is ordered again: in a
// cluster that could not be reached meanwhile. The move has its whole time then.
func TestMoveOrderedAgainHasItsTime(t *testing.T) {
	t.Parallel()
	now := epoch.Add(time.Hour)
	r := &reconciler{cfg: Config{MoveTimeout: time.Minute}, tracker: newTracker(func() time.Time { return now }), now: func() time.Time { return now }}
	main := &llo.Live{Annotations: map[string]string{llo.MovedFrom: "a", llo.MovedAt: epoch.Format(time.RFC3339)}}
	look := func(element string) string {
		e := component("Starting")
		e.Attrs[attrElement] = ngsild.Attribute{Kind: ngsild.Relationship, Value: element}
		r.tracker.notified(e, now)
		v, _ := r.tracker.get(someID)
		p := &pass{view: v}
		r.notePlaced(p)
		back, _ := r.moveOverdue(p, main)
		return back
	}
	if back := look("b"); back != "a" {
		t.Errorf("the first look takes it back to %q", back)
	}
	look("a")
	now = now.Add(10 * time.Second)
	if back := look("b"); back != "" {
		t.Errorf("ordered again, it is taken back at once to %q", back)
	}
	now = now.Add(time.Minute)
	if back := look("b"); back != "a" {
		t.Errorf("after its time it is taken back to %q", back)
	}
	look("a")
	now = now.Add(10 * time.Second)
	look("b")
	if now = now.Add(-30 * time.Second); look("b") != "a" {
		t.Error("a clock that was set back hides that it is overdue")
	}
}
