package simulate

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// elections are what befalls copies.
func (w *world) elections() []happening {
	if _, there := w.elected(); !there {
		return nil
	}
	return w.swarm([]happening{
		{"the copy that leads is killed", 5, func(w *world) bool { return w.endLeader(true) }},
		{"the copy that leads is stopped", 4, func(w *world) bool { return w.endLeader(false) }},
		{"a copy is cut off", 8, (*world).cutOff},
		{"a copy stands still", 6, (*world).standStill},
	}, 60, 100)
}

func (w *world) endLeader(kill bool) bool {
	s, _ := w.elected()
	a := w.leader(s)
	if a == nil {
		return false
	}
	if kill {
		w.kill(a)
	} else {
		w.terminate(a)
	}
	if chance(w.dice.Rand, 70) {
		time.Sleep(between(w.dice.Rand, time.Millisecond, 2*time.Second))
		w.start(s, a.host)
	}
	return true
}

// aCopy is one that runs, mostly the one that leads.
func (w *world) aCopy() *agentRun {
	s, _ := w.elected()
	if a := w.leader(s); a != nil && chance(w.dice.Rand, 75) {
		return a
	}
	if of := w.livesOf(s); len(of) > 0 {
		return pick(w.dice.Rand, of)
	}
	return nil
}

func (w *world) cutOff() bool {
	a := w.aCopy()
	if a == nil {
		return false
	}
	from := pick(w.dice.Rand, [][]string{{"lease"}, {"lease"}, {"kube"}, {"kube", "copies"}, {"broker"}, {"copies"}, {"broker", "kube", "copies"}})
	until := between(w.dice.Rand, 500*time.Millisecond, 40*time.Second)
	w.note("fate", "%s is cut off from %v for %v", a.host, from, until)
	a.mu.Lock()
	for _, to := range from {
		a.cutOff[to] = time.Now().Add(until)
	}
	a.mu.Unlock()
	if a.apart("kube") {
		w.kube.cut(func(s *watcher) bool { return s.agent == a })
	}
	return true
}

// standStill stops a copy, as a machine that is overloaded or moved does.
func (w *world) standStill() bool {
	a := w.aCopy()
	if a == nil {
		return false
	}
	still := between(w.dice.Rand, 100*time.Millisecond, arriveTime)
	if chance(w.dice.Rand, 40) {
		still = between(w.dice.Rand, arriveTime, 30*time.Second)
	}
	w.note("fate", "%s stands still for %v", a.host, still)
	a.mu.Lock()
	a.still = time.Now().Add(still)
	a.mu.Unlock()
	return true
}

// mendCopies ends all trouble of copies.
func (w *world) mendCopies() {
	for _, a := range w.up() {
		a.mu.Lock()
		clear(a.cutOff)
		a.still = time.Time{}
		a.mu.Unlock()
	}
}

// changeLeader ends the copy that leads, in a world where nothing else is wrong, and
// orders something while none does: the next one carries it out, within the times of
// docs/reliability.md, though nobody was told of it. One that is stopped was told of a
// removal that a report of its has crossed, of the component that is returned.
func (w *world) changeLeader() (crossed string) {
	s, there := w.elected()
	if !there {
		return ""
	}
	on := elements[slices.IndexFunc(elements, func(e element) bool { return w.home(e).name == s.name })]
	early := services[0] + ":Component:early"
	w.orderOn(early, on)
	time.Sleep(time.Minute) // until the last trouble is over
	a := w.leader(s)
	if a == nil {
		w.violated("no copy of agent %s leads", s.name)
		return ""
	}
	d := w.dice.about("change")
	within, killed := 2*time.Second, chance(d, 50)
	if killed {
		within = 15 * time.Second
		w.kill(a)
	} else {
		crossed = w.crossReport(early)
		w.note(a.host, "is stopped")
		a.stop()
	}
	id := services[0] + ":Component:late"
	w.withMail(post{lost: 100}, func() bool { w.orderOn(id, on); return true })
	time.Sleep(within)
	if made := slices.ContainsFunc(w.kube.all(), func(o *unstructured.Unstructured) bool { return entityOf(o) == id }); !made {
		w.violated("%v after the copy of agent %s that led has ended (killed: %v), the next one has not done what was ordered meanwhile", within, s.name, killed)
	}
	if !killed {
		<-a.ended
		w.forgetAgent(a)
	}
	w.start(s, a.host)
	return crossed
}

// orderOn makes a component that is to run on an element.
func (w *world) orderOn(id string, on element) {
	w.book.order(id, "Starting")
	w.must(http.MethodPost, "/entities", map[string]any{
		"id": id, "type": "ServiceComponent", "service": relationship(services[0]), status: enum("ServiceComponentStatus", "Starting"),
		"containerImage": property("good:0"), "networkPorts": relationship(ports[0]), "envVars": property([]any{map[string]any{"key": "A", "value": "0"}, map[string]any{"key": "B", "value": "b"}}),
		"infrastructureElement": relationship(on.id),
	})
	w.note("people", "create %s on %s", brief(id), brief(on.id))
}

// crossReport changes the object of a component, and orders the component away a moment
// before the report of that reaches the broker, which its agent is told. It is empty if
// nothing is reported.
func (w *world) crossReport(id string) string {
	all := w.kube.all()
	i := slices.IndexFunc(all, func(o *unstructured.Unstructured) bool { return entityOf(o) == id })
	if i < 0 {
		return ""
	}
	o := all[i]
	phase := map[bool]string{true: "Running", false: "Failed"}[phaseOf(o) == "Failed"]
	w.edit("llo", placeOfObject(o), func(o *unstructured.Unstructured) { o.SetFinalizers([]string{hold}) }) // it does not go at once
	w.crossNext(id)
	w.kube.setStatus("llo", placeOfObject(o), o.GetUID(), map[string]any{"phase": phase, "message": "is " + phase, "observedGeneration": o.GetGeneration()})
	time.Sleep(50 * time.Millisecond) // until it was reported, and its agent told
	if w.crossNext("") != "" {
		return ""
	}
	return id
}

// crossNext names the component that is crossed next, and gives what was named before.
func (w *world) crossNext(id string) (before string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, w.crossing = w.crossing, id
	return before
}

// crossWrite orders the component away that is to be crossed by this request.
func (w *world) crossWrite(req *http.Request) {
	w.mu.Lock()
	id := w.crossing
	hit := id != "" && req.Method == http.MethodPatch && strings.HasSuffix(req.URL.Path, "/entities/"+id)
	if hit {
		w.crossing = ""
	}
	w.mu.Unlock()
	if hit {
		w.note("people", "order %s away", brief(id))
		w.patch(id, map[string]any{status: enum("ServiceComponentStatus", "Removing")})
	}
}

// checkCrossed asks whether the next leader heard of what only the one before it knew.
func (w *world) checkCrossed(id string) {
	if id == "" {
		return
	}
	if e := w.read(id); e.word(status) != "Finished" {
		w.violated("%s was ordered away, a leader that was stopped then was told so, and the next one never did it; it says %s", brief(id), e.word(status))
	}
}
