package agent

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
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
