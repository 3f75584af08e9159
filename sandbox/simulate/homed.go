package simulate

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// In some worlds the agents choose the elements (HOMING=auto). People order
// components without a placement there, and elements say how they are: the figures
// follow what runs on them.

// What those agents are told, and the checks know.
const (
	homingGrace = 10 * time.Second
	homingStale = 45 * time.Second
	homingRests = 5 * homingGrace // for how long a component that was moved is left alone
)

// more are elements that only these worlds have.
var more = []element{
	{"urn:ngsi-ld:InfrastructureElement:North:4", "North", "Kubernetes"},
	{"urn:ngsi-ld:InfrastructureElement:South:3", "South", "Kubernetes"},
}

// homed is what such a world knows besides.
type homed struct {
	mu       sync.Mutex
	machines map[string]*machine // by id of their elements
	needs    map[string]need     // by id of the requirements
	wants    map[string]string   // which of them a component has
	hushed   bool                // nothing that elements say of themselves arrives
	over     bool                // the world has ended

	shaken map[string]time.Time // what agents may not have heard of yet: when people or fate last changed it
	phased map[string]time.Time // when a component's object last began or ceased to run
	chosen map[string]choice    // the newest choice for each component
	unrest unrest               // between the broker and the agents
	lying  bool                 // the broker answers wrongly
	lied   time.Time            // when it last did, as far as that is over
	jumped bool                 // an agent's clock did
}

// machine is what an element is made of, and how it is.
type machine struct {
	element
	cores, ram int    // MB
	load, used int    // percent and MB, by what no agent knows
	arch       string // cpuArchitecture
	watts      int
	word       string // infrastructureElementStatus, empty if it says none
	dates      bool   // its figures carry observedAt
	silent     bool
	told       time.Time // when figures of it last arrived
}

// quiet says whether a machine that dates its figures was silent for longer than
// agents want.
func (m *machine) quiet(longer time.Duration) bool {
	return m.dates && time.Since(m.told) > homingStale+longer
}

// need is what requirements ask, the zero value nothing.
type need struct {
	ram, cpu float64
	load     float64 // percent that the element must be under
	arch     string
	domain   string
	element  string
	missing  bool // their entity is not there
}

const requirementsPrefix = "urn:ngsi-ld:InfrastructureElementRequirements:"

// unrest is time in which notifications or requests may get lost.
type unrest struct {
	now         bool
	began, last time.Time // pauses shorter than patience do not end it
}

// patience is how long agents may take to hear of a change while nothing is lost: a
// resync, and what is under way.
const patience = 3 * time.Minute

func (u *unrest) set(on bool) {
	switch {
	case on && !u.now && time.Since(u.last) > patience:
		u.began = time.Now()
	case !on && u.now:
		u.last = time.Now()
	}
	u.now = on
}

// heard says whether agents must know by now of what happened then.
func (u *unrest) heard(at time.Time) bool {
	if u.now || time.Since(u.last) < patience {
		return at.Before(u.began.Add(-patience))
	}
	return time.Since(at) > patience
}

// drawHomed decides whether this world's agents choose the elements.
func (w *world) drawHomed() *homed {
	d := w.dice.about("homing")
	if d.IntN(6) > 0 {
		return nil
	}
	h := &homed{
		machines: map[string]*machine{}, wants: map[string]string{}, shaken: map[string]time.Time{}, phased: map[string]time.Time{}, chosen: map[string]choice{},
		needs: map[string]need{
			"small": {ram: 200}, "medium": {ram: 700, load: 60}, "large": {ram: 1500}, "arm": {ram: 300, arch: "arm64"}, "north": {ram: 300, domain: "urn:ngsi-ld:Domain:North"},
			"pinned": {ram: 100, element: elements[1].id}, "cores": {ram: 300, cpu: 1.5}, "later": {ram: 400},
		},
	}
	for _, e := range slices.Concat(elements, more) {
		h.machines[e.id] = &machine{
			element: e, cores: pick(d, []int{2, 4, 8}), ram: pick(d, []int{800, 1600, 3200}), used: 50 * d.IntN(8), load: pick(d, []int{5, 20, 50, 70}),
			arch: pick(d, []string{"x64", "x64", "arm64"}), watts: 10 * (1 + d.IntN(5)), word: pick(d, []string{"", "Ready", "Ready"}), dates: chance(d, 70),
		}
	}
	return h
}

// settle completes such a world, and has its elements speak from then on.
func (w *world) settle() {
	if w.homed == nil {
		return
	}
	for _, e := range more {
		w.must(http.MethodPost, "/entities", w.elementEntity(e, "host-0"))
	}
	for _, name := range slices.Sorted(maps.Keys(w.homed.needs)) {
		if n := w.homed.needs[name]; !n.missing {
			w.must(http.MethodPost, "/entities", n.entity(name))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.homed.machines)) {
		w.speak(id)
	}
}

// speak has an element tell its figures now and then, more often than agents leave
// one for its silence.
func (w *world) speak(id string) {
	time.AfterFunc(between(w.dice.about("speaks", id), 8*time.Second, 13*time.Second), func() {
		if w.homed.ended() {
			return
		}
		w.tell(id)
		w.speak(id)
	})
}

func (h *homed) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// tell writes an element's figures into the broker, if it has the element.
func (w *world) tell(id string) {
	ram, cpu := w.inUse(id)
	w.homed.mu.Lock()
	m := *w.homed.machines[id]
	quiet := m.dates && (m.silent || w.homed.hushed)
	w.homed.mu.Unlock()
	if quiet {
		return
	}
	if code, _ := w.ask(http.MethodPatch, entityPath(id), m.figures(ram, cpu)); code == http.StatusNoContent {
		w.homed.mu.Lock()
		w.homed.machines[id].told = time.Now()
		w.homed.mu.Unlock()
	}
}

// inUse is what the components take that run on an element.
func (w *world) inUse(id string) (ram, cpu float64) {
	for _, o := range w.kube.all() {
		if selected(o) == id && ownerOf(o) != "" && phaseNow(o) == "Running" {
			n := w.homed.needOf(entityOf(o))
			ram, cpu = ram+n.ram, cpu+n.cpu
		}
	}
	return ram, cpu
}

// selected is the element that an object is made for.
func selected(o *unstructured.Unstructured) string {
	id, _, _ := unstructured.NestedString(o.Object, "spec", "selectedIE", "id")
	return id
}

func (h *homed) needOf(component string) need {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.needs[h.wants[component]]
}

// figures are those attributes of an element that change by themselves.
func (m *machine) figures(ram, cpu float64) map[string]any {
	free := property(max(0, float64(m.ram-m.used)-ram))
	if m.dates {
		free["observedAt"] = time.Now().UTC().Format(time.RFC3339Nano)
	}
	return map[string]any{"availableRam": free, "currentCpuUsage": property(min(100, float64(m.load)+100*cpu/float64(m.cores)))}
}

// elementEntity is an element as the broker holds it first.
func (w *world) elementEntity(e element, hostname string) map[string]any {
	out := elementEntity(e, hostname)
	if w.homed == nil {
		return out
	}
	ram, cpu := w.inUse(e.id)
	w.homed.mu.Lock()
	defer w.homed.mu.Unlock()
	m := w.homed.machines[e.id]
	m.told = time.Now()
	maps.Copy(out, map[string]any{"cpuCores": property(m.cores), "ramCapacity": property(m.ram), "avgPowerConsumption": property(m.watts), "cpuArchitecture": enum("CpuArchitecture", m.arch)})
	if m.word != "" {
		out["infrastructureElementStatus"] = enum("InfrastructureElementStatus", m.word)
	}
	maps.Copy(out, m.figures(ram, cpu))
	return out
}

func (n need) entity(name string) map[string]any {
	out := map[string]any{"id": requirementsPrefix + name, "type": "InfrastructureElementRequirements"}
	switch {
	case n.cpu > 0: // the dialect that counts cores
		out["requiredMemoryUsage"], out["requiredCpuUsage"] = property(n.ram), property(n.cpu)
	case n.load > 0:
		out["requiredCpuUsage"] = property(n.load)
		fallthrough
	default:
		out["requiredRam"] = property(n.ram)
	}
	for attribute, id := range map[string]string{"domainId": n.domain, "infrastructureElement": n.element} {
		if id != "" {
			out[attribute] = relationship(id)
		}
	}
	if n.arch != "" {
		out["cpuArchitecture"] = property(n.arch)
	}
	return out
}

// shake notes a change by people or fate of which agents have not heard yet.
func (w *world) shake(ids ...string) {
	if w.homed == nil {
		return
	}
	w.homed.mu.Lock()
	defer w.homed.mu.Unlock()
	for _, id := range ids {
		w.homed.shaken[id] = time.Now()
	}
}

// disturbed notes what may hold up what is said between the broker and the agents.
func (w *world) disturbed(f faults, p post) {
	if w.homed == nil {
		return
	}
	w.homed.mu.Lock()
	defer w.homed.mu.Unlock()
	w.homed.unrest.set(f.broker != weather{} || f.brokerDown || f.lie != "" || p != post{})
	if w.homed.lying || f.lie != "" {
		w.homed.lied = time.Now()
	}
	w.homed.lying = f.lie != ""
}

// upset notes a disturbance that is over already, but for what it has done.
func (w *world) upset() {
	if w.homed == nil {
		return
	}
	w.homed.mu.Lock()
	defer w.homed.mu.Unlock()
	if u := &w.homed.unrest; !u.now {
		u.set(true)
		u.set(false)
	}
}

// ran notes that a component's object began to run or ceased to, or is made for
// another element, and lets the elements say so. It is called with the lock of kube held.
func (w *world) ran(e event) {
	id := entityOf(e.object)
	if w.homed == nil || id == "" {
		return
	}
	runsOn := func(o *unstructured.Unstructured) string {
		if o == nil || phaseNow(o) != "Running" {
			return ""
		}
		return selected(o)
	}
	was, is := runsOn(e.before), runsOn(e.object)
	if e.kind == "DELETED" {
		is = ""
	}
	if was == is {
		return
	}
	w.homed.mu.Lock()
	w.homed.phased[id] = time.Now()
	w.homed.mu.Unlock()
	for _, element := range []string{was, is} {
		if strings.HasPrefix(element, "urn:") {
			time.AfterFunc(between(w.dice.about("tells", element), time.Millisecond, 100*time.Millisecond), func() { w.tell(element) })
		}
	}
}

// jumps notes that an agent's clock has jumped: when things were decided cannot be
// told by it any more.
func (h *homed) jumps() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.jumped = true
}

func (h *homed) end() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
}
