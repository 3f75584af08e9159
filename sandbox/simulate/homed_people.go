package simulate

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// peopleHomed do these where agents choose the elements.
func (w *world) peopleHomed() []happening {
	ordinary := people()
	for i, h := range ordinary {
		if h.name == "create" {
			ordinary[i].do = (*world).createUnplaced
		}
	}
	return append(ordinary, []happening{
		{"order anew", 5, (*world).orderAnew},
		{"overload by what runs there", 4, (*world).overload},
		{"the word of an element changes", 8, (*world).changeWord},
		{"an element goes silent or speaks", 3, (*world).hushElement},
		{"all elements go silent or speak", 3, (*world).hushAll},
		{"others use more or less of an element", 4, (*world).changeUse},
		{"an element comes or goes", 3, (*world).toggleMore},
		{"requirements change", 3, (*world).changeRequirements},
		{"requirements come or go", 2, (*world).toggleRequirements},
	}...)
}

// kinds of happenings that people bring about in this world.
func (w *world) people() []happening {
	if w.homed == nil {
		return people()
	}
	return w.peopleHomed()
}

// happenings is how many of them there are: choosing elements takes its time.
func (w *world) happenings() int {
	if w.homed == nil {
		return happenings
	}
	return 2 * happenings
}

// createUnplaced orders a component for which an element is to be chosen; now and
// then people choose one themselves.
func (w *world) createUnplaced() bool {
	if len(w.entities("ServiceComponent")) >= w.temper.components {
		return false
	}
	d := w.dice.Rand
	id := fmt.Sprintf("%s:Component:c%d", pick(d, services), d.IntN(10))
	wants := pick(d, []string{"", "small", "small", "medium", "medium", "large", "arm", "north", "pinned", "cores", "cores", "later"})
	e := map[string]any{
		"id": id, "type": "ServiceComponent", "service": relationship(id[:strings.Index(id, ":Component:")]),
		status: enum("ServiceComponentStatus", "Starting"), "containerImage": property(w.image()),
		"networkPorts": relationship(pick(d, ports)), "isJob": property(chance(d, 15)),
		"envVars": property([]any{map[string]any{"key": "A", "value": fmt.Sprint(d.IntN(3))}, map[string]any{"key": "B", "value": "b"}}),
	}
	if wants != "" {
		e["infrastructureElementRequirements"] = relationship(requirementsPrefix + wants)
	}
	var on element
	if chance(d, 10) {
		on = pick(d, elements)
		e["infrastructureElement"] = relationship(on.id)
	}
	if w.read(id) != nil {
		return false // it is there already
	}
	w.book.order(id, "Starting")
	w.book.gone(id, false)
	w.homed.mu.Lock()
	w.homed.wants[id] = wants
	delete(w.homed.chosen, id)
	w.homed.mu.Unlock()
	w.shake(id)
	w.must(http.MethodPost, "/entities", e)
	w.book.comesBack(id, place{resource: resourceOf[on.technology], namespace: w.home(on).namespace})
	w.note("people", "create %s: %s", brief(id), brief(textOf(e)))
	return true
}

// orderAnew has an element chosen for a component that has none, or not any more.
func (w *world) orderAnew() bool {
	e := w.component()
	return e != nil && e.text("infrastructureElement") == "" && w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", "Starting")})
}

// machine is one of the elements, at random, and its id.
func (w *world) machine() (string, *machine) {
	id := pick(w.dice.Rand, slices.Sorted(maps.Keys(w.homed.machines)))
	return id, w.homed.machines[id]
}

// alter changes a machine, and tells of it.
func (w *world) alter(id string, change func(*machine)) {
	w.shake(id)
	w.homed.mu.Lock()
	m := w.homed.machines[id]
	change(m)
	now := *m
	w.homed.mu.Unlock()
	w.note("fate", "element %s: %+v", brief(id), now)
	w.tell(id)
}

func (w *world) changeWord() bool {
	id, m := w.machine()
	word := "Ready"
	if m.word == "" || m.word == "Ready" {
		word = pick(w.dice.Rand, []string{"NotReady", "Maintenance"})
	}
	w.alter(id, func(m *machine) { m.word = word })
	return w.patch(id, map[string]any{"infrastructureElementStatus": enum("InfrastructureElementStatus", word)})
}

func (w *world) hushElement() bool {
	id, m := w.machine()
	if !m.dates {
		return false
	}
	w.alter(id, func(m *machine) { m.silent = !m.silent })
	return true
}

// hushAll is a way from the elements to the broker that fails: no reason to leave any.
func (w *world) hushAll() bool {
	w.homed.mu.Lock()
	w.homed.hushed = !w.homed.hushed
	hushed := w.homed.hushed
	w.homed.mu.Unlock()
	w.note("fate", "nothing is heard of elements: %v", hushed)
	return true
}

func (w *world) changeUse() bool {
	id, _ := w.machine()
	used, load := 50*w.dice.IntN(12), pick(w.dice.Rand, []int{5, 20, 50, 70, 95})
	w.alter(id, func(m *machine) { m.used, m.load = used, load })
	return true
}

func (w *world) toggleMore() bool {
	id, m := w.machine()
	w.shake(id)
	return w.toggle(m.element)
}

func (w *world) changeRequirements() bool {
	name := pick(w.dice.Rand, []string{"small", "medium", "large", "arm", "cores"})
	ram := float64(100 * (1 + w.dice.IntN(16)))
	w.homed.mu.Lock()
	n := w.homed.needs[name]
	n.ram = ram
	w.homed.needs[name] = n
	w.homed.mu.Unlock()
	w.shake(requirementsPrefix + name)
	attribute := "requiredRam"
	if n.cpu > 0 {
		attribute = "requiredMemoryUsage"
	}
	return w.patch(requirementsPrefix+name, map[string]any{attribute: property(ram)})
}

func (w *world) toggleRequirements() bool {
	const name = "later"
	w.homed.mu.Lock()
	n := w.homed.needs[name]
	n.missing = !n.missing
	w.homed.needs[name] = n
	w.homed.mu.Unlock()
	w.shake(requirementsPrefix + name)
	w.note("people", "requirements %s are missing: %v", name, n.missing)
	if n.missing {
		w.must(http.MethodDelete, entityPath(requirementsPrefix+name), nil)
	} else {
		w.must(http.MethodPost, "/entities", n.entity(name))
	}
	return true
}

// healHomed ends what nobody could live with for long. Elements that are not ready,
// silent or full stay so.
func (w *world) healHomed() {
	if w.homed == nil {
		return
	}
	for _, e := range more {
		if w.read(e.id) == nil {
			w.shake(e.id)
			w.toggle(e)
		}
	}
	w.homed.mu.Lock()
	w.homed.hushed = false
	w.homed.mu.Unlock()
	time.Sleep(time.Millisecond)
}
