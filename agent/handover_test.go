package agent

import (
	"log/slog"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// lonely are neighbours that nobody asks anything of yet.
func lonely(now func() time.Time) *neighbours {
	return &neighbours{now: now, log: slog.New(slog.DiscardHandler), again: func(ngsild.EntityID) {}, look: func(ngsild.EntityID) {}, count: func(string) {}, moved: func(ngsild.EntityID, string, string) {},
		left: map[ngsild.EntityID]string{}, lanes: map[ngsild.EntityID]*lane{}, copies: map[ngsild.EntityID]map[ngsild.EntityID]*copied{}}
}

// What is reported when a domain is asked does not run there, unless it was asked
// before: it keeps its object when the component moves on within it.
func TestObjectThatWasThereBefore(t *testing.T) {
	t.Parallel()
	type step struct{ domain, element, reported string } // no element: the domain is to end its copy
	for name, test := range map[string]struct {
		steps []step
		want  string
	}{
		"the first time":                          {[]step{{"b", "b1", "ours"}}, "ours"},
		"on within it, not there yet":             {[]step{{"b", "b1", "ours"}, {"b", "b2", "ours"}}, "ours"},
		"on within it, there already":             {[]step{{"b", "b1", "ours"}, {"b", "b2", "b's"}}, "ours"},
		"on within it twice":                      {[]step{{"b", "b1", ""}, {"b", "b2", "b's"}, {"b", "b3", "b's"}}, ""},
		"there again after its end":               {[]step{{"b", "b1", "ours"}, {"b", "", ""}, {"b", "b2", "ours anew"}}, "ours anew"},
		"back to it from a third that has it":     {[]step{{"b", "b1", "ours"}, {"g", "g1", "b's"}, {"b", "b2", "g's"}}, "g's"},
		"back to it from a third that has it not": {[]step{{"b", "b1", "ours"}, {"g", "g1", "b's"}, {"b", "b2", "b's"}}, "ours"},
	} {
		now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
		n := lonely(func() time.Time { return now })
		var got copied
		for _, s := range test.steps {
			now = now.Add(time.Minute)
			if s.element == "" {
				n.drop(ngsild.EntityID(s.domain), "", "urn:s", "urn:c", false)
				continue
			}
			got = n.ask(ngsild.EntityID(s.domain), "https://"+s.domain, allocation.Allocation{Component: "urn:c", Service: "urn:s", Element: ngsild.EntityID(s.element)}, "k1", s.reported, "")
		}
		if got.aside != test.want || got.since != now {
			t.Errorf("%s: held for another object: %q, want %q; since %v, want %v", name, got.aside, test.want, got.since, now)
		}
	}
}
