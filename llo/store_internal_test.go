package llo

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shelf is a store and what it has told.
type shelf struct {
	*store
	told []string
}

func newShelf() *shelf {
	s := &shelf{}
	s.store = newStore(func(entity string) { s.told = append(s.told, entity) }, func() {})
	return s
}

// seen makes the sighting of an object of ours, of entity e-NAME, in a version.
func seen(name string, version int, change ...func(*sighting)) *sighting {
	s := &sighting{
		Live: Live{
			Key: Key{testKind, "ns", name}, UID: "u", ResourceVersion: fmt.Sprint(version), raw: fmt.Sprint(version),
			Annotations: map[string]string{InputHash: "h"},
		},
		ours: true, owner: "me", entity: "e-" + name,
	}
	for _, f := range change {
		f(s)
	}
	return s
}

func foreign(s *sighting) { s.ours, s.owner = false, "" }

// state is every object with its version.
func (s *shelf) state() string {
	var all []string
	for _, o := range s.objects {
		all = append(all, o.Name+":"+o.ResourceVersion)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (s *shelf) want(t *testing.T, step, state string, told ...string) {
	t.Helper()
	if got := s.state(); got != state {
		t.Errorf("%s: %q, want %q", step, got, state)
	}
	if diff := cmp.Diff(told, s.told); diff != "" {
		t.Errorf("%s: told (-want +got):\n%s", step, diff)
	}
	s.told = nil
	for entity, of := range s.entities {
		for _, o := range of {
			if s.objects[o.place()] != o || o.entity != entity || !o.ours {
				t.Errorf("%s: index %s holds %s:%s", step, entity, o.Name, o.ResourceVersion)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStoreNeverGoesBack(t *testing.T) {
	t.Parallel()
	s := newShelf()
	must(t, s.Replace([]any{seen("a", 5), seen("b", 6)}, "9"))
	s.want(t, "first list", "a:5 b:6", "e-a", "e-b")

	s.put(seen("a", 12))
	s.want(t, "write ahead of the watch", "a:12 b:6")
	must(t, s.Update(seen("a", 10)))
	s.want(t, "event from before the write", "a:12 b:6")
	must(t, s.Update(seen("a", 12)))
	s.want(t, "event of the write", "a:12 b:6")
	must(t, s.Update(seen("a", 13, func(o *sighting) { o.raw = "12" })))
	s.want(t, "event without a difference", "a:13 b:6")
	must(t, s.Delete(seen("b", 14)))
	s.want(t, "deleted", "a:13", "e-b")
	s.put(seen("b", 11))
	s.want(t, "late answer of what is deleted", "a:13")
	s.put(seen("b", 16))
	s.want(t, "made anew", "a:13 b:16")
	must(t, s.Delete(seen("b", 15)))
	s.want(t, "deletion of the one before", "a:13 b:16")

	must(t, s.Bookmark("20"))
	s.put(seen("c", 19))
	s.want(t, "late answer after a bookmark", "a:13 b:16")
	s.put(seen("c", 23))
	must(t, s.Replace([]any{seen("a", 13), seen("d", 21)}, "22"))
	s.want(t, "list that does not know the last write", "a:13 c:23 d:21", "e-b", "e-d")
	s.put(seen("a", 30))
	must(t, s.Replace([]any{seen("a", 25)}, "26"))
	s.want(t, "list with an older version", "a:30", "e-c", "e-d")
	must(t, s.Add(seen("a", 100, func(o *sighting) { o.Key.Name = "e" })))
	s.want(t, "longer numbers are higher", "a:30 e:100", "e-a")
}

func TestStoreOfAServerThatBeganAnew(t *testing.T) {
	t.Parallel()
	s := newShelf()
	must(t, s.Replace([]any{seen("a", 500), seen("b", 600)}, "900"))
	s.put(seen("c", 950))
	s.told = nil
	must(t, s.Replace([]any{seen("a", 7)}, "9"))
	s.want(t, "list of a new storage", "a:7", "e-a", "e-b", "e-c")
	must(t, s.Update(seen("a", 10)))
	s.want(t, "its events", "a:10", "e-a")
	s.clear()
	s.want(t, "cleared", "", "e-a")
	must(t, s.Replace([]any{seen("a", 3)}, "3"))
	s.want(t, "filled again", "a:3", "e-a")
}

func TestStoreTellsWhoIsAffected(t *testing.T) {
	t.Parallel()
	s := newShelf()
	must(t, s.Replace([]any{seen("a", 1, foreign)}, "1"))
	s.want(t, "foreign", "a:1")
	if !s.refuse(s.objects[seen("a", 1).place()], "wants-a") || s.refuse(seen("b", 1), "x") || s.refuse(seen("a", 1), "x") {
		t.Errorf("refuse must hold for the holder that is there")
	}
	s.refuse(s.objects[seen("a", 1).place()], "wants-a")
	s.refuse(s.objects[seen("a", 1).place()], "wants-a-too")
	must(t, s.Update(seen("a", 2, foreign)))
	s.want(t, "foreign, changed otherwise", "a:2")
	must(t, s.Delete(seen("a", 3, foreign)))
	s.want(t, "foreign, gone", "", "wants-a", "wants-a-too")
	must(t, s.Add(seen("a", 4)))
	s.want(t, "ours", "a:4", "e-a")
	must(t, s.Update(seen("a", 5, func(o *sighting) { o.entity = "moved" })))
	s.want(t, "for another entity", "a:5", "e-a", "moved")
	must(t, s.Update(seen("a", 6, foreign)))
	s.want(t, "label lost", "a:6", "moved")
	must(t, s.Update(seen("a", 7, func(o *sighting) { o.entity = "" })))
	s.want(t, "ours without entity", "a:7")
	if err := s.Update("x"); err == nil {
		t.Errorf("a text is taken in")
	}
	if err := s.Delete(nil); err == nil {
		t.Errorf("nothing is deleted")
	}
}

func TestSettledIsInheritedOnlyWhileTheFieldsStayOurs(t *testing.T) {
	t.Parallel()
	settled := func(o *sighting) { o.settled = true }
	for name, test := range map[string]struct {
		next *sighting
		want bool
	}{
		"status":   {seen("a", 2), true},
		"fields":   {seen("a", 2, func(o *sighting) { o.grip = 7 }), false},
		"hash":     {seen("a", 2, func(o *sighting) { o.Annotations = nil }), false},
		"UID":      {seen("a", 2, func(o *sighting) { o.UID = "v" }), false},
		"not ours": {seen("a", 2, foreign), false},
	} {
		s := newShelf()
		must(t, s.Add(seen("a", 1, settled)))
		must(t, s.Update(test.next))
		if got, _ := s.verdict(test.next); got != test.want {
			t.Errorf("%s: settled %v, want %v", name, got, test.want)
		}
	}
	s := newShelf()
	now, late := seen("a", 2), seen("a", 1)
	must(t, s.Add(now))
	s.settle(late)
	if got, _ := s.verdict(now); got {
		t.Errorf("settled by an answer of another version")
	}
	s.settle(seen("a", 2))
	if got, _ := s.verdict(now); !got {
		t.Errorf("not settled by the answer of its version")
	}
}

func TestNewer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"2", "1", true}, {"1", "2", false}, {"1", "1", false}, {"10", "9", true}, {"9", "10", false},
		{"1", "", true}, {"", "1", false}, {"", "", false},
		{"x", "1", true}, {"1", "x", true}, // unclear: believed
		{"123456789012345678901234567890", "9", true},
	} {
		if got := newer(test.a, test.b); got != test.want {
			t.Errorf("newer(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	p := pauses{first: 1, listed: 3, longest: 5}
	var got []string
	pause := p.after(0, 0, errNotJSON)
	for _, err := range []error{errNotJSON, errNotJSON, errNotJSON, errNotJSON, nil, nil} {
		got = append(got, fmt.Sprint(int(pause)))
		pause = p.after(pause, 1, err)
	}
	got = append(got, fmt.Sprint(int(p.after(pause, 6, errNotJSON))))
	if diff := cmp.Diff([]string{"1", "2", "4", "5", "5", "3", "1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The watch is often faster than the answer to a write: the entity that is being
// worked on is told only of what its own write did not bring about.
func TestStoreTellsNobodyOfItsOwnWrite(t *testing.T) {
	t.Parallel()
	s := newShelf()
	must(t, s.Replace(nil, "1"))

	place := seen("a", 2).place()
	s.begin(place)
	must(t, s.Update(seen("a", 2)))
	s.put(seen("a", 2))
	s.end(place, seen("a", 2))
	s.want(t, "the write itself", "a:2")

	s.begin(place)
	must(t, s.Update(seen("a", 3)))
	must(t, s.Update(seen("b", 4)))
	s.want(t, "another object meanwhile", "a:3 b:4", "e-b")
	must(t, s.Update(seen("a", 5)))
	s.put(seen("a", 3))
	s.end(place, seen("a", 3))
	s.want(t, "somebody else after the write", "a:5 b:4", "e-a")

	s.begin(place)
	must(t, s.Update(seen("a", 6)))
	s.end(place, nil)
	s.want(t, "a write without an answer", "a:6 b:4", "e-a")

	s.begin(place)
	must(t, s.Delete(seen("a", 7)))
	s.want(t, "deleted meanwhile", "b:4", "e-a")
	s.end(place, seen("a", 6))
	s.want(t, "and nothing of it afterwards", "b:4")
	must(t, s.Update(seen("a", 8)))
	s.want(t, "no write is under way", "a:8 b:4", "e-a")
}
