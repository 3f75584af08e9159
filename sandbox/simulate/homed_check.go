package simulate

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
)

// choice is an element that an agent chose for a component.
type choice struct {
	at       time.Time
	from, to string // from is empty where it had none
}

// judgeChoice judges an agent's choice of an element before it has an effect. What
// agents may not have heard of yet is not held against them.
func (w *world) judgeChoice(a *agentRun, id string, attrs entity) {
	to := attrs.text("infrastructureElement")
	if attrs["domainHandler"] != nil {
		w.shake(id) // another agent handles the service from now on
	}
	if w.homed == nil || attrs["homingDecision"] == nil || to == "" {
		return
	}
	e := w.read(id)
	if e == nil {
		return
	}
	h, objects := w.homed, w.kube.all()
	h.mu.Lock()
	defer h.mu.Unlock()
	from := e.text("infrastructureElement")
	if !strings.Contains(textOf(attrs["homingDecision"]), `"element":"`+to+`"`) {
		w.violated("%s is put on %s for reasons that name another element: %s", brief(id), brief(to), textOf(attrs["homingDecision"]))
	}
	if from == to {
		return // once more, since the answer was lost
	}
	last := h.chosen[id]
	h.chosen[id] = choice{time.Now(), from, to}
	if h.lying || time.Since(h.lied) < patience {
		return
	}
	if handler := w.handler(e.text("service")); handler != a.name && h.heard(e.text("service")) {
		w.violated("agent %s chooses %s for %s, which agent %s handles", a.name, brief(to), brief(id), handler)
	}
	if h.heard(id) {
		w.judgeCause(a, e, last)
	}
	if why := w.unfit(to, 2*inventoryAge); why != "" && h.heard(to) {
		w.violated("agent %s puts %s on %s, which is %s", a.name, brief(id), brief(to), why)
	}
	w.judgeFit(a, e, to, objects)
}

// heard says whether agents must know of the newest change of something. Caller holds mu.
func (h *homed) heard(id string) bool {
	at, changed := h.shaken[id]
	return !changed || h.unrest.heard(at)
}

// handler is the agent that chooses for the components of a service.
func (w *world) handler(service string) string {
	domain := "North" // the entry point
	if s := w.read(service); s != nil && s.text("domainHandler") != "" {
		domain = s.word("domainHandler")
	}
	return w.home(element{domain: domain}).name
}

// judgeCause asks whether there was a reason to choose. Caller holds mu of homed.
func (w *world) judgeCause(a *agentRun, e entity, last choice) {
	id, from := brief(e.id()), e.text("infrastructureElement")
	if from == "" {
		if word := e.word(status); word != "Starting" && e.status("phase") != "Refused" {
			w.violated("agent %s places %s, which is %s", a.name, id, word)
		}
		return
	}
	why := w.unfit(from, -time.Second)
	if why == silent && w.mostSilent(inventoryAge) && w.homed.unrest.heard(time.Now().Add(-patience-time.Second)) {
		w.violated("agent %s takes %s away from %s for a silence that most share", a.name, id, brief(from))
	}
	if e.word(status) != "Overload" && why == "" && w.homed.heard(from) {
		w.violated("agent %s takes %s away from %s, and nobody ordered that", a.name, id, brief(from))
	}
	moved := last.from != "" && last.to == from
	if moved && time.Since(last.at) < homingRests-5*time.Second && why != gone && w.homed.heard(from) && !w.homed.jumped {
		w.violated("agent %s moves %s again, %v after it was moved to %s", a.name, id, time.Since(last.at), brief(from))
	}
}

// What makes an element unfit.
const (
	gone     = "gone"
	notReady = "not ready"
	silent   = "silent"
)

// inventoryAge is more than how old the figures are that agents decide on, if they
// can read them.
const inventoryAge = 20 * time.Second

// unfit says why an element does not do, empty if it does. It is silent if it would
// be for so much longer than agents want. Caller holds mu of homed.
func (w *world) unfit(id string, longer time.Duration) string {
	m := w.homed.machines[id]
	switch {
	case w.read(id) == nil:
		return gone
	case m.word != "" && m.word != "Ready":
		return notReady
	case m.quiet(longer):
		return silent
	}
	return ""
}

// judgeFit asks whether an element has what a component needs. Caller holds mu of homed.
func (w *world) judgeFit(a *agentRun, e entity, to string, objects []*unstructured.Unstructured) {
	h := w.homed
	n, m := h.needs[h.wants[e.id()]], h.machines[to]
	if !h.heard(to) || !h.heard(requirementsPrefix+h.wants[e.id()]) {
		return
	}
	if n.missing || n.arch != "" && n.arch != m.arch || n.domain != "" && !strings.HasSuffix(n.domain, ":"+m.domain) || n.element != "" && n.element != to || n.load > 0 && float64(m.load) >= n.load {
		w.violated("agent %s puts %s on %s, which does not do: it wants %+v, and there is %+v", a.name, brief(e.id()), brief(to), n, *m)
	}
	if h.jumped && len(w.specs) > 1 {
		return // claims hold as long as clocks agree
	}
	free := float64(m.ram - m.used)
	var others []string
	for _, c := range w.entities("ServiceComponent") {
		chose := w.handler(c.text("service")) == a.name && h.chosen[c.id()].at.After(h.shaken[c.id()]) // and so it knows of it
		if c.id() == e.id() || c.text("infrastructureElement") != to || !chose && !h.heard(c.id()) || !h.heard(requirementsPrefix+h.wants[c.id()]) || !w.takes(c, objects) {
			continue
		}
		free -= h.needs[h.wants[c.id()]].ram
		others = append(others, brief(c.id())+" "+c.word(status))
	}
	if n.ram > 0 && n.ram > free {
		w.violated("agent %s puts %s, which wants %v MB, on %s, where %v are left beside %v", a.name, brief(e.id()), n.ram, brief(to), free, others)
	}
}

// takes says whether agents must count a component's room as taken: it is promised,
// or used for long enough.
func (w *world) takes(c entity, objects []*unstructured.Unstructured) bool {
	if promised(c) {
		return true
	}
	return c.word(status) == "Running" && time.Since(w.homed.phased[c.id()]) > time.Minute && slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
		return entityOf(o) == c.id() && phaseNow(o) == "Running" && selected(o) == c.text("infrastructureElement")
	})
}

// promised says whether a placed component may not use its room yet.
func promised(c entity) bool {
	switch c.word(status) {
	case "", "Starting", "Migrating":
		return true
	case "Failed":
		return !c.flag("isJob")
	}
	return false
}

// checkHomed asks of a quiet world whether whatever can be placed is, and what cannot
// says so. The components of a service are placed together or not at all.
func (w *world) checkHomed(components []entity) {
	if w.homed == nil {
		return
	}
	objects := w.kube.all()
	w.homed.mu.Lock()
	defer w.homed.mu.Unlock()
	of, unsure := map[string][]entity{}, map[string]bool{}
	for _, c := range components {
		if w.wantsElement(c, objects) {
			of[c.text("service")] = append(of[c.text("service")], c)
		}
		unsure[c.text("service")] = unsure[c.text("service")] || w.mayStand(c)
	}
	free := w.free(components)
	for _, service := range slices.Sorted(maps.Keys(of)) {
		if unsure[service] {
			continue
		}
		waiting := of[service]
		missing := slices.ContainsFunc(waiting, func(c entity) bool { return w.homed.needs[w.homed.wants[c.id()]].missing })
		found, possible := w.assign(waiting, free)
		for _, c := range waiting {
			said := c.status("reason")
			switch {
			case possible && !missing:
				w.violated("%s wants an element, all of its service that do can be placed (%s), and it says %s %s", brief(c.id()), found, c.status("phase"), said)
			case c.text("infrastructureElement") == "" && said != map[bool]string{true: "RequirementsMissing", false: "NoElementFits"}[missing]:
				w.violated("%s cannot be placed, and says %s %s", brief(c.id()), c.status("phase"), said)
			case c.text("infrastructureElement") != "" && c.status("phase") == "Running" && said != "ElementUnfit" && said != "Overloaded":
				w.violated("%s cannot leave %s, and says %s %s", brief(c.id()), brief(c.text("infrastructureElement")), c.status("phase"), said)
			}
		}
	}
}

// wantsElement says whether an agent has to choose an element for a component.
func (w *world) wantsElement(c entity, objects []*unstructured.Unstructured) bool {
	on, placed := elementOf(c.text("infrastructureElement"))
	word := c.word(status)
	if !placed {
		return word == "Starting"
	}
	home := w.home(on).name
	if w.handler(c.text("service")) != home { // who runs it does not choose
		return false
	}
	for _, o := range objects { // of this domain: what is left in another may bear the note of a move within that
		if entityOf(o) == c.id() && o.GetNamespace() == home && o.GetAnnotations()[llo.MovedFrom] != "" {
			return false // it never arrived, and one move follows another
		}
	}
	why := w.unfit(on.id, 0)
	if why == silent && w.mostSilent(0) {
		why = ""
	}
	return word == "Overload" || w.overloadStands(c) || why != "" && word != "Finished" && word != "Removing"
}

// overloadStands says whether a component is to leave its element by an order that the
// agent of its service was told, and that a report of its failure has crossed. That it runs
// would have put an end to it. Caller holds mu of homed.
func (w *world) overloadStands(c entity) bool {
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	d := w.book.deed(c.id())
	if d.order != "Overload" || c.word(status) != "Failed" || w.homed.chosen[c.id()].at.After(d.ordered) {
		return false
	}
	handler := w.handler(c.text("service"))
	a := w.agentOf(handler)
	return a != nil && d.heardBy[handler] == a.life
}

// mayStand says whether such an order may be over or not: people have placed the component since,
// perhaps in another domain, and it did not come to run there.
func (w *world) mayStand(c entity) bool {
	w.book.mu.Lock()
	moved := w.book.deed(c.id()).moved.After(w.book.deed(c.id()).ordered)
	w.book.mu.Unlock()
	return moved && w.overloadStands(c)
}

func (w *world) mostSilent(longer time.Duration) bool {
	there, quiet := 0, 0
	for id, m := range w.homed.machines {
		if w.read(id) == nil {
			continue
		}
		if there++; m.quiet(longer) {
			quiet++
		}
	}
	return 2*quiet > there
}

// room is what an element has left.
type room struct{ ram, cpu, load float64 }

// free is what the elements say is free, less what is promised.
func (w *world) free(components []entity) map[string]room {
	free := map[string]room{}
	for _, e := range w.entities("InfrastructureElement") {
		m := w.homed.machines[e.id()]
		load := reading(e, "currentCpuUsage")
		free[e.id()] = room{reading(e, "availableRam"), float64(m.cores) * (100 - load) / 100, load}
	}
	for _, c := range components {
		if on := c.text("infrastructureElement"); on != "" && promised(c) {
			n, r := w.homed.needs[w.homed.wants[c.id()]], free[on]
			free[on] = room{r.ram - n.ram, r.cpu - n.cpu, r.load}
		}
	}
	return free
}

func reading(e entity, name string) float64 {
	attribute, _ := e[name].(map[string]any)
	n, _ := attribute["value"].(float64)
	return n
}

// assign looks for elements for all of some components by trying every one for each.
func (w *world) assign(waiting []entity, free map[string]room) (string, bool) {
	if len(waiting) == 0 {
		return "", true
	}
	c := waiting[0]
	n := w.homed.needs[w.homed.wants[c.id()]]
	from := c.text("infrastructureElement")
	for _, id := range slices.SortedFunc(maps.Keys(free), func(a, b string) int { return cmp.Or(-cmp.Compare(free[a].ram, free[b].ram), strings.Compare(a, b)) }) {
		m, r := w.homed.machines[id], free[id]
		switch {
		case w.unfit(id, 0) != "", id == from, slices.Contains(failedOn(c), id),
			n.arch != "" && n.arch != m.arch, n.domain != "" && !strings.HasSuffix(n.domain, ":"+m.domain), n.element != "" && n.element != id,
			n.load > 0 && r.load >= n.load, n.ram > 0 && n.ram > r.ram, n.cpu > 0 && n.cpu > r.cpu:
			continue
		}
		left := maps.Clone(free)
		left[id] = room{r.ram - n.ram, r.cpu - n.cpu, r.load}
		if rest, ok := w.assign(waiting[1:], left); ok {
			return strings.TrimSuffix(brief(c.id())+" on "+brief(id)+", "+rest, ", "), true
		}
	}
	return "", false
}

// failedOn are the elements to which a component was moved from where it is, and did
// not come up there.
func failedOn(c entity) []string {
	attribute, _ := c["homingDecision"].(map[string]any)
	value, _ := attribute["value"].(map[string]any)
	text := func(key string) string { s, _ := value[key].(string); return s }
	if from := c.text("infrastructureElement"); from == "" || text("previous") != from {
		return nil
	}
	return append(strings.Fields(text("notOn")), text("element"))
}

// datedAhead says whether a choice was dated by a clock that was ahead, and that time
// has come only now: its component is left alone for a while then, and says so.
func (w *world) datedAhead() bool {
	if w.homed == nil || !w.homed.jumped {
		return false
	}
	return slices.ContainsFunc(w.entities("ServiceComponent"), func(c entity) bool {
		attribute, _ := c["homingDecision"].(map[string]any)
		value, _ := attribute["value"].(map[string]any)
		text, _ := value["decidedAt"].(string)
		at, err := time.Parse(time.RFC3339, text)
		return err == nil && time.Since(at) < resting+homingRests && at.Sub(w.homed.chosen[c.id()].at) > time.Minute
	})
}
