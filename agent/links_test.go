package agent

import (
	"slices"
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

// A list that was asked for before a notification came may be older than it, or newer:
// what it says otherwise is read anew.
func TestListsSettleNothingThatWasToldSince(t *testing.T) {
	t.Parallel()
	const id = "urn:ngsi-ld:Service:shop"
	service := func(overlay bool) ngsild.Entity {
		return ngsild.Entity{ID: id, Type: typeService, Attrs: map[string]ngsild.Attribute{attrOverlay: {Value: overlay}}}
	}
	now := epoch
	for name, c := range map[string]struct {
		told, listed bool
		after        time.Duration // from the question to the notification
		known, on    bool
	}{
		"told before, and changed since": {false, true, -time.Second, true, true},
		"told since":                     {true, false, time.Second, false, false},
		"told in the same moment":        {true, false, 0, false, false},
		"told since, and the list knows": {true, true, time.Second, true, true},
	} {
		l := newLinks(nil, &followed{map[string][]string{typeService: {attrOverlay}}}, func() time.Time { return now })
		asked := now
		now = asked.Add(c.after)
		l.put(service(c.told), now)
		l.depend("urn:c", id)
		now = asked.Add(2 * time.Second)
		again := l.listed(service(c.listed), asked)
		e, known := l.cached(id)
		if known != c.known || known && e.Attrs[attrOverlay].Value != c.on {
			t.Errorf("%s: known %v, %v", name, known, e)
		}
		if news := c.told != c.listed; news != slices.Contains(again, "urn:c") {
			t.Errorf("%s: looked at again: %v", name, again)
		}
	}
}
