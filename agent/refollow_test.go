package agent

import (
	"errors"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

func elementWith(attrs ...string) ngsild.Entity {
	e := ngsild.Entity{ID: "urn:ngsi-ld:InfrastructureElement:A:1", Type: typeElement, Attrs: map[string]ngsild.Attribute{}}
	for _, name := range attrs {
		e.Attrs[name] = ngsild.Attribute{Kind: ngsild.Property, Value: name}
	}
	return e
}

// TestRefollow: when other attributes matter, what is known without them is
// forgotten, and notifications are only hints until they carry what matters and
// everything was listed.
func TestRefollow(t *testing.T) {
	t.Parallel()
	narrow := &followed{map[string][]string{typeElement: {"domain"}, typeService: {}}}
	wide := &followed{map[string][]string{typeElement: {"domain", "floor"}, typeService: {}}}
	l := newLinks(nil, narrow, time.Now)
	service := ngsild.Entity{ID: "urn:ngsi-ld:Service:s", Type: typeService}
	id := elementWith().ID
	knows := func(when string, want ...string) {
		t.Helper()
		e, known := l.cached(id)
		if known != (want != nil) {
			t.Fatalf("%s: known %v, want %v", when, known, want != nil)
		}
		for _, name := range want {
			if !e.Has(name) {
				t.Errorf("%s: no %s", when, name)
			}
		}
	}
	l.put(elementWith("domain", "floor"), time.Time{})
	l.put(service, time.Time{})
	knows("listed", "domain")

	l.refollow(wide)
	knows("other attributes matter")
	if _, known := l.cached(service.ID); !known {
		t.Error("what the same matters of was forgotten")
	}
	if _, err := l.input(t.Context(), ngsild.Entity{ID: "urn:ngsi-ld:C:1"}, narrow); !errors.Is(err, errSuperseded) {
		t.Errorf("a pass that wants what mattered before: %v, want errSuperseded", err)
	}
	l.depend("urn:ngsi-ld:C:1", id)
	if again := l.put(elementWith("domain"), epoch); len(again) != 1 {
		t.Errorf("a narrow notification wakes %v, want the component", again)
	}
	knows("a narrow notification")
	l.put(elementWith("domain", "floor"), time.Time{})
	knows("listed again", "domain", "floor")
	l.put(elementWith("domain"), epoch.Add(time.Second))
	knows("a narrow notification after it")

	l.widened(narrow) // of a resync that began before
	l.put(elementWith("domain", "floor"), epoch.Add(2*time.Second))
	knows("a notification before anything is sure")
	l.widened(wide)
	l.put(elementWith("domain", "floor"), epoch.Add(3*time.Second))
	knows("a notification that carries what matters", "domain", "floor")
}
