package simulate

import (
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
)

// check compares a quiet world with what its entities order.
func (w *world) check() {
	objects := map[string][]*unstructured.Unstructured{}
	for _, o := range w.kube.all() {
		if ownerOf(o) != "" {
			objects[entityOf(o)] = append(objects[entityOf(o)], o)
		}
	}
	components := w.entities("ServiceComponent")
	for _, e := range components {
		w.checkComponent(e, objects[e.id()])
		delete(objects, e.id())
	}
	w.checkOrphans(objects)
	w.checkForeign()
	w.checkServices(components)
	w.checkHomed(components)
}

// home is who takes care of an element, and where its objects are.
func (w *world) home(e element) agentSpec {
	for _, s := range w.specs {
		if s.domains == "*" || s.domains == e.domain {
			return s
		}
	}
	return agentSpec{}
}

func (w *world) checkComponent(e entity, have []*unstructured.Unstructured) {
	id, word := brief(e.id()), e.word(status)
	el, placed := elementOf(e.text("infrastructureElement"))
	w.checkOrder(e)
	switch {
	case word == "Removing":
		w.violated("%s is still Removing, with %d objects", id, len(have))
	case !placed && word == "Finished" && e.status("reason") == "Removed" && len(have) > 0:
		w.violated("%s was ordered away, and %s is there", id, placeOfObject(have[0]))
	case !placed: // taken away, which is no order to delete
		w.checkSingle(e, have)
		if len(have) == 0 && word != "Finished" && e.status("phase") != "Unplaced" && (w.homed == nil || e.status("phase") != "Refused") {
			w.violated("%s has no place, and says %s", id, e.status("phase"))
		}
	case word == "Finished": // it ended: what it left is neither changed nor brought back
		w.checkSingle(e, have)
		for _, o := range have {
			if been := w.book.phasesOf(o.GetUID()); !slices.Contains(been, "Succeeded") {
				w.violated("%s says Finished, and its object %s %s has been in the phases %v", id, placeOfObject(o), o.GetUID(), been)
			}
		}
	default:
		w.checkPlaced(e, el, have)
	}
}

// checkSingle looks at a component for which nothing is to be done any more: of the
// two sides of a move that was under way, one is left.
func (w *world) checkSingle(e entity, have []*unstructured.Unstructured) {
	of := map[string]int{}
	for _, o := range have {
		if of[ownerOf(o)]++; of[ownerOf(o)] > 1 {
			w.violated("%s is %s, placed on %q, and agent %s has %d objects of it", brief(e.id()), e.word(status), brief(e.text("infrastructureElement")), ownerOf(o), of[ownerOf(o)])
		}
	}
}

// checkPlaced looks at a component that is wanted on an element.
func (w *world) checkPlaced(e entity, el element, have []*unstructured.Unstructured) {
	id, home := brief(e.id()), w.home(el)
	var main *unstructured.Unstructured
	for _, o := range have {
		if p := placeOfObject(o); p.resource == resourceOf[el.technology] && p.namespace == home.namespace {
			main = o
		}
	}
	if main == nil {
		if e.status("reason") == "NameHeld" && w.nameHeld(e, home, el) {
			return
		}
		w.violated("%s is wanted on %s, and has no object there but %d elsewhere; it says %s %s", id, brief(el.id), len(have), e.status("phase"), e.status("reason"))
		return
	}
	p := placeOfObject(main)
	runs := phaseNow(main) == "Running" || phaseNow(main) == "Succeeded"
	for _, o := range have {
		// What another agent holds goes when the new one is reported to run.
		if other := placeOfObject(o); o != main && (runs || other.namespace == p.namespace) {
			w.violated("%s has %s beside %s", id, other, p)
		}
	}
	if ownerOf(main) != home.name {
		w.violated("%s belongs to %s and not to %s", p, ownerOf(main), home.name)
	}
	if from := main.GetAnnotations()[llo.MovedFrom]; from != "" && from != el.id && !runs {
		w.violated("%s has come from %s to %s, does not run there, and was never taken back", id, brief(from), brief(el.id))
	}
	w.checkSpec(e, el, main)
	w.checkStatus(e, main)
}

func (w *world) nameHeld(e entity, home agentSpec, el element) bool {
	for _, p := range w.book.foreignPlaces() {
		if p.namespace == home.namespace && p.resource == resourceOf[el.technology] && strings.HasSuffix(p.name, nameEnd(e.id())) {
			return true
		}
	}
	return false
}

// nameEnd is how the name of a component's object ends.
func nameEnd(id string) string { return "-" + id[strings.LastIndexByte(id, ':')+1:] }

func (w *world) checkSpec(e entity, el element, o *unstructured.Unstructured) {
	get := func(path ...string) string {
		v, _, _ := unstructured.NestedFieldNoCopy(o.Object, append([]string{"spec"}, path...)...)
		if text, ok := v.(string); ok {
			return text
		}
		return textOf(v)
	}
	for _, c := range []struct{ what, want, got string }{
		{"image", e.text("containerImage"), get("image")},
		{"element", el.id, get("selectedIE", "id")},
		{"host name", w.read(el.id).text("hostname"), get("selectedIE", "hostname")},
		{"variables", e.text("envVars"), get("envVars")},
		{"exposed ports", textOf(e.flag("exposePorts")), textOf(get("exposePorts") == "true")},
	} {
		if _, ordered := e["exposePorts"]; c.what == "exposed ports" && !ordered {
			continue // what is not rendered stays others'
		}
		if c.want != c.got {
			w.violated("%s has the %s %s, and %s orders %s", placeOfObject(o), c.what, c.got, brief(e.id()), c.want)
		}
	}
	var want []string
	for _, id := range ports {
		if strings.Contains(e.text("networkPorts"), id) {
			want = append(want, `"number":`+w.read(id).text("portNumber"))
		}
	}
	if have := get("ports"); strings.Count(have, "number") != len(want) || slices.ContainsFunc(want, func(n string) bool { return !strings.Contains(have, n) }) {
		w.violated("%s has the ports %s, and %s orders %s", placeOfObject(o), have, brief(e.id()), want)
	}
}

// checkStatus compares what the entity says with what the object says.
func (w *world) checkStatus(e entity, o *unstructured.Unstructured) {
	id, phase := brief(e.id()), phaseNow(o)
	want := map[string]struct{ phase, word string }{
		"Running": {"Running", "Running"}, "Succeeded": {"Succeeded", "Finished"}, "Failed": {"Failed", "Failed"}, "": {"Unknown", ""},
		"Pending": {"Failed", "Failed"}, "Starting": {"Failed", "Failed"}, // after PROGRESS_DEADLINE
	}[phase]
	if e.status("reason") == "Overloaded" && e.word(status) == "Overload" && phase == "Running" {
		want.word = "Overload"
	}
	if e.status("phase") != want.phase || want.word != "" && e.word(status) != want.word {
		w.violated("%s says %s, %s (%s), and its object says %q", id, e.word(status), e.status("phase"), e.status("reason"), phase)
	}
	if e.status("uid") != string(o.GetUID()) {
		w.violated("%s speaks of the object %s, and has %s", id, e.status("uid"), o.GetUID())
	}
}

// phaseNow is the phase of an object, Pending where the orchestrator has not spoken
// of the newest spec.
func phaseNow(o *unstructured.Unstructured) string {
	if seen, says, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration"); says && seen != o.GetGeneration() {
		return "Pending"
	}
	return phaseOf(o)
}

// checkOrder asks whether Removing was forgotten: what an agent was told stays an
// order, though a report has crossed it in the broker.
func (w *world) checkOrder(e entity) {
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	d := w.book.deed(e.id())
	if d.order != "Removing" || e.text("infrastructureElement") == "" {
		return
	}
	el, _ := elementOf(e.text("infrastructureElement"))
	home := w.home(el)
	if a := w.leader(home); a != nil && d.heardBy[home.name] == a.life && e.word(status) != "Finished" && !d.moved.After(d.ordered) {
		w.violated("%s was ordered away, %s was told so and never did it; it says %s", brief(e.id()), home.name, e.word(status))
	}
}

// checkOrphans looks at objects without an entity: there are none, but for those
// that the guard keeps, and it does so only while they are many.
func (w *world) checkOrphans(objects map[string][]*unstructured.Unstructured) {
	left := map[string]int{}
	for _, of := range objects {
		for _, o := range of {
			left[ownerOf(o)]++
		}
	}
	for owner, n := range left {
		if n <= pruneMin {
			w.violated("%d objects of agent %s are there for missing entities", n, owner)
		}
	}
}

func (w *world) checkForeign() {
	for _, p := range w.book.foreignPlaces() {
		o := w.kube.get(p)
		if o == nil {
			w.violated("%s of somebody else is gone", p)
			continue
		}
		if image, _, _ := unstructured.NestedString(o.Object, "spec", "image"); image != "theirs:1" || ownerOf(o) != "" {
			w.violated("%s of somebody else was changed: %s", p, textOf(o.Object))
		}
	}
}

func (w *world) checkServices(components []entity) {
	for _, s := range w.entities("Service") {
		of, done, finished := 0, true, true
		for _, c := range components {
			if c.text("service") != s.id() {
				continue
			}
			of++
			word := c.word(status)
			done = done && (word == "Running" || c.flag("isJob") && word == "Finished")
			finished = finished && word == "Finished"
		}
		switch action := s.text("actionType"); {
		case of > 0 && done && action == "DEPLOYING", of > 0 && finished && action == "DESTROYING":
			w.violated("%s is still %s, and all its components are there", brief(s.id()), action)
		}
	}
}

// beQuiet lets the quiet time pass, in which no component may run twice for longer than a
// move takes.
func (w *world) beQuiet() {
	const step = 10 * time.Second
	since, judged := map[string]time.Time{}, map[string]bool{}
	for range quiet / step {
		time.Sleep(step)
		twice := w.runTwice()
		maps.DeleteFunc(since, func(id string, _ time.Time) bool { return !slices.Contains(twice, id) })
		for _, id := range twice {
			switch at, known := since[id]; {
			case !known:
				since[id] = time.Now()
			case time.Since(at) > moveTimeout && !judged[id] && w.read(id).text("infrastructureElement") != "":
				judged[id] = true
				w.violated("%s runs twice, for %v", brief(id), time.Since(at))
			}
		}
	}
}

// runTwice are the components of which more than one object runs and is not on its way out,
// in order.
func (w *world) runTwice() []string {
	of := map[string]int{}
	for _, o := range w.kube.all() {
		if ownerOf(o) != "" && o.GetDeletionTimestamp() == nil && phaseNow(o) == "Running" {
			of[entityOf(o)]++
		}
	}
	maps.DeleteFunc(of, func(_ string, n int) bool { return n < 2 })
	return slices.Sorted(maps.Keys(of))
}
