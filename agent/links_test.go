package agent

import (
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Who handles a service that names nobody: the agent of the one Domain that there
// is, or of the entry point. That there is only one is told by a whole list of our
// own broker alone, not by what is left of them.
func TestHandlerAmongDomains(t *testing.T) {
	t.Parallel()
	const north, south = "urn:ngsi-ld:Domain:North", "urn:ngsi-ld:Domain:South"
	domain := func(id ngsild.EntityID) ngsild.Entity {
		return ngsild.Entity{ID: id, Type: typeDomain, Attrs: map[string]ngsild.Attribute{"isEntrypoint": {Value: id == north}}}
	}
	now := epoch
	for name, c := range map[string]struct {
		happens func(list func(...ngsild.EntityID), l *links)
		want    ngsild.EntityID
	}{
		"two":           {func(list func(...ngsild.EntityID), _ *links) { list(north, south) }, north},
		"one":           {func(list func(...ngsild.EntityID), _ *links) { list(south) }, south},
		"one is left":   {func(list func(...ngsild.EntityID), _ *links) { list(north, south); list(south) }, south},
		"an empty list": {func(list func(...ngsild.EntityID), _ *links) { list(north, south); list() }, north},
		"one that is read while no list is to be had": {func(_ func(...ngsild.EntityID), l *links) { l.put(domain(south), time.Time{}) }, ""},
		"one is read anew": {func(list func(...ngsild.EntityID), l *links) {
			list(north, south)
			l.put(ngsild.Entity{ID: north, Type: typeDomain}, now) // which lacks what it had
		}, ""},
		"another one comes": {func(list func(...ngsild.EntityID), l *links) { list(south); l.put(domain(north), now) }, north},
	} {
		l := newLinks(nil, &followed{map[string][]string{typeDomain: {"isEntrypoint"}}}, func() time.Time { return now })
		c.happens(func(ids ...ngsild.EntityID) {
			now = now.Add(time.Minute)
			asked, seen := now, map[ngsild.EntityID]bool{}
			for _, id := range ids {
				l.put(domain(id), time.Time{})
				seen[id] = true
			}
			l.drop(seen, asked)
		}, l)
		r := &reconciler{links: l, domains: newDomains([]string{south})}
		if got := r.handler(nil); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
