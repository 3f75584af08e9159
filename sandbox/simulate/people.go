package simulate

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// happening is something that people do, or that breaks or is mended. It is false
// where it cannot happen now.
type happening struct {
	name   string
	weight int
	do     func(*world) bool
}

// people do these.
func people() []happening {
	return []happening{
		{"create", 18, (*world).createComponent},
		{"change", 8, (*world).changeComponent},
		{"remove", 7, (*world).orderAway},
		{"remove while a report is on its way", 3, (*world).orderCrossed},
		{"remove from an element that goes", 3, (*world).orderForlorn},
		{"remove behind an agent's back", 2, (*world).orderAwayUnseen},
		{"place", 6, (*world).placeAgain},
		{"move", 8, (*world).moveComponent},
		{"take the placement away", 2, (*world).unplace},
		{"restart", 3, (*world).startAgain},
		{"delete", 4, (*world).deleteComponent},
		{"delete many", 2, (*world).deleteMany},
		{"overload", 1, (*world).overload},
		{"report", 3, (*world).reportFalsely},
		{"pause", 2, (*world).pauseOrGoOn},
		{"edit the object", 4, (*world).editObject},
		{"delete the object", 3, (*world).deleteObject},
		{"take the name", 2, (*world).takeName},
		{"give the name back", 1, (*world).giveNameBack},
		{"rename a host", 3, (*world).renameHost},
		{"change a port", 2, (*world).changePort},
		{"take an element away", 2, (*world).toggleElement},
		{"act on a service", 2, (*world).actOnService},
	}
}

const status = "serviceComponentStatus"

// component is one that the broker holds, at random.
func (w *world) component() entity {
	all := w.entities("ServiceComponent")
	if len(all) == 0 {
		return nil
	}
	return pick(w.dice.Rand, all)
}

// patch merges attributes into an entity, if it is there.
func (w *world) patch(id string, attrs map[string]any) bool {
	if word, ok := attrs[status]; ok {
		w.book.order(id, entity{status: word}.word(status))
	}
	if _, ok := attrs["infrastructureElement"]; ok {
		w.book.about(id, func(d *deed) { d.moved = time.Now() })
	}
	if attrs[status] != nil || attrs["infrastructureElement"] != nil {
		w.shake(id)
	}
	code, body := w.ask(http.MethodPatch, entityPath(id), attrs)
	w.note("people", "patch %s: %s: %d %s", brief(id), brief(textOf(attrs)), code, body)
	return code == http.StatusNoContent
}

func (w *world) createComponent() bool {
	if len(w.entities("ServiceComponent")) >= w.temper.components {
		return false
	}
	d := w.dice.Rand
	id := fmt.Sprintf("%s:Component:c%d", pick(d, services), d.IntN(10))
	e := map[string]any{
		"id": id, "type": "ServiceComponent", "service": relationship(id[:strings.Index(id, ":Component:")]),
		status: enum("ServiceComponentStatus", "Starting"), "containerImage": property(w.image()),
		"networkPorts": relationship(pick(d, [][]string{{ports[0]}, {ports[1]}, ports})), "isJob": property(chance(d, 25)),
		"envVars": property([]any{map[string]any{"key": "A", "value": fmt.Sprint(d.IntN(3))}, map[string]any{"key": "B", "value": "b"}}),
	}
	var on element
	if chance(d, 90) {
		on = pick(d, elements)
		e["infrastructureElement"] = relationship(on.id)
	}
	w.book.order(id, "Starting")
	w.book.gone(id, false)
	code, _ := w.ask(http.MethodPost, "/entities", e)
	if code != http.StatusCreated {
		return false // it is there already
	}
	w.book.comesBack(id, place{resource: resourceOf[on.technology], namespace: w.home(on).namespace})
	w.note("people", "create %s: %s", brief(id), brief(textOf(e)))
	return true
}

// image is one of a few; now and then one that nobody has.
func (w *world) image() string {
	if chance(w.dice.Rand, w.temper.bad) {
		return fmt.Sprintf("bad:%d", w.dice.IntN(3))
	}
	return fmt.Sprintf("good:%d", w.dice.IntN(5))
}

func (w *world) changeComponent() bool {
	e := w.component()
	if e == nil {
		return false
	}
	d := w.dice.Rand
	return w.patch(e.id(), pick(d, []map[string]any{
		{"containerImage": property(w.image())},
		{"exposePorts": property(chance(d, 50))},
		{"envVars": property([]any{map[string]any{"key": "A", "value": fmt.Sprint(d.IntN(3))}, map[string]any{"key": "B", "value": "b"}})},
		{"networkPorts": relationship(pick(d, ports))},
	}))
}

func (w *world) orderAway() bool {
	e := w.component()
	return e != nil && w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", "Removing")})
}

// orderCrossed orders a component away at the moment in which its object changes, so
// that the agent's report, written before the notification comes, overwrites the
// order in the broker.
func (w *world) orderCrossed() bool {
	e := w.component()
	if e == nil || e.text("infrastructureElement") == "" {
		return false
	}
	for _, o := range w.kube.all() {
		if entityOf(o) != e.id() || o.GetDeletionTimestamp() != nil {
			continue
		}
		if el, ours := elementOf(e.text("infrastructureElement")); ours && chance(w.dice.Rand, 30) && w.read(el.id) != nil {
			w.toggle(el) // nobody knows whose it is
			time.Sleep(between(w.dice.Rand, time.Millisecond, time.Second))
		}
		return w.cross(e, o, 0)
	}
	return false
}

// cross orders a component away, and has its object change before anybody hears of it,
// which is after delay.
func (w *world) cross(e entity, o *unstructured.Unstructured, delay time.Duration) bool {
	ok := w.withMail(post{delayed: 100, delay: delay}, func() bool {
		return w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", "Removing")})
	})
	phase := map[bool]string{true: "Failed", false: "Running"}[phaseOf(o) == "Running"]
	w.kube.setStatus("llo", placeOfObject(o), o.GetUID(), map[string]any{"phase": phase, "message": "is " + phase, "observedGeneration": o.GetGeneration()})
	return ok
}

// orderForlorn orders a component away so that a report overwrites the order, from an
// element that is gone when the order arrives, for so long that its agent knows.
// Nobody knows whose the component is then, and the agent of its service, which would
// say that it has ended, is down.
func (w *world) orderForlorn() bool {
	for _, o := range w.kube.all() {
		e := w.read(entityOf(o))
		el, placed := elementOf(e.text("infrastructureElement"))
		handler, home := w.home(element{domain: w.read(e.text("service")).word("domainHandler")}), w.home(el)
		if !placed || o.GetDeletionTimestamp() != nil || ownerOf(o) != home.name || handler == home || w.read(el.id) == nil || w.agentOf(home.name) == nil {
			continue
		}
		if a := w.agentOf(handler.name); a != nil {
			w.kill(a)
		}
		ok := w.cross(e, o, resyncInterval)
		time.Sleep(between(w.dice.Rand, 50*time.Millisecond, 500*time.Millisecond)) // until the report is written
		w.toggle(el)
		time.Sleep(resyncInterval + longestDelay)
		return ok
	}
	return false
}

// withMail has the post be like this for one change.
func (w *world) withMail(p post, do func() bool) bool {
	before := w.mail()
	w.setMail(p)
	ok := do()
	time.Sleep(time.Microsecond) // until the notification is on its way
	w.setMail(before)
	return ok
}

// orderAwayUnseen moves a component and orders it away before that is done. What
// it leaves is told nothing of the order.
func (w *world) orderAwayUnseen() bool {
	e := w.component()
	if e == nil || e.text("infrastructureElement") == "" {
		return false
	}
	from, _ := elementOf(e.text("infrastructureElement"))
	if !w.patch(e.id(), map[string]any{"infrastructureElement": relationship(pick(w.dice.Rand, elements).id)}) {
		return false
	}
	time.Sleep(between(w.dice.Rand, 10*time.Millisecond, 3*time.Second))
	away := func() bool {
		return w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", "Removing")})
	}
	if up := w.livesOf(w.home(from)); len(up) > 0 && len(w.specs) > 1 && chance(w.dice.Rand, 70) {
		for _, a := range up {
			w.kill(a)
		}
		return away()
	}
	return w.withMail(post{lost: 100}, away)
}

func (w *world) placeAgain() bool {
	e := w.component()
	if e == nil || e.text("infrastructureElement") != "" {
		return false
	}
	return w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", "Starting"),
		"infrastructureElement": relationship(pick(w.dice.Rand, elements).id)})
}

func (w *world) moveComponent() bool {
	e := w.component()
	if e == nil || e.text("infrastructureElement") == "" {
		return false
	}
	attrs := map[string]any{"infrastructureElement": relationship(pick(w.dice.Rand, elements).id)}
	if chance(w.dice.Rand, 50) {
		attrs[status] = enum("ServiceComponentStatus", "Starting")
	}
	return w.patch(e.id(), attrs)
}

func (w *world) unplace() bool {
	e := w.component()
	return e != nil && e.text("infrastructureElement") != "" &&
		w.patch(e.id(), map[string]any{"infrastructureElement": relationship("urn:ngsi-ld:null")})
}

func (w *world) startAgain() bool {
	e := w.component()
	return e != nil && e.text("infrastructureElement") != "" &&
		w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", "Starting")})
}

func (w *world) deleteComponent() bool {
	e := w.component()
	if e == nil {
		return false
	}
	w.book.gone(e.id(), true)
	on, _ := elementOf(e.text("infrastructureElement"))
	w.book.about(e.id(), func(d *deed) { d.left = place{resource: resourceOf[on.technology], namespace: w.home(on).namespace} })
	w.shake(e.id())
	w.must(http.MethodDelete, entityPath(e.id()), nil)
	w.note("people", "delete %s", brief(e.id()))
	return true
}

// deleteMany is a mistake of which the guard lets little come.
func (w *world) deleteMany() bool {
	for range 4 {
		if !w.deleteComponent() {
			return false
		}
	}
	return true
}

func (w *world) overload() bool {
	e := w.component()
	return e != nil && e.text("infrastructureElement") != "" && e.word(status) == "Running" &&
		w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", "Overload")})
}

// reportFalsely is another writer of reports, as there are in a continuum. It does
// not put out an order that has not been carried out.
func (w *world) reportFalsely() bool {
	e := w.component()
	word := e.word(status)
	if e == nil || word != "Running" && word != "Failed" {
		return false
	}
	return w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", pick(w.dice.Rand, []string{"Running", "Failed", "Migrating"}))})
}

func (w *world) pauseOrGoOn() bool {
	e := w.component()
	return e != nil && w.patch(e.id(), map[string]any{"orchestrationPaused": property(!e.flag("orchestrationPaused"))})
}

// object is one of an agent's, at random.
func (w *world) object() (*unstructured.Unstructured, place) {
	var owned []*unstructured.Unstructured
	for _, o := range w.kube.all() {
		if ownerOf(o) != "" {
			owned = append(owned, o)
		}
	}
	if len(owned) == 0 {
		return nil, place{}
	}
	o := pick(w.dice.Rand, owned)
	return o, placeOfObject(o)
}

func placeOfObject(o *unstructured.Unstructured) place {
	for resource, kind := range kinds {
		if kind == o.GetKind() {
			return place{resource, o.GetNamespace(), o.GetName()}
		}
	}
	return place{}
}

func (w *world) editObject() bool {
	o, p := w.object()
	if o == nil || o.GetDeletionTimestamp() != nil {
		return false
	}
	field := pick(w.dice.Rand, []string{"image", "exposePorts", "extra"})
	w.note("people", "edit %s of %s", field, p)
	w.edit("kubectl-edit", p, func(o *unstructured.Unstructured) {
		spec, _ := o.Object["spec"].(map[string]any)
		switch field {
		case "exposePorts":
			on, _ := spec[field].(bool)
			spec[field] = !on
		case "image":
			spec[field] = "edited:1"
		default: // nothing that an agent renders
			spec[field] = "theirs"
		}
	})
	return true
}

func (w *world) deleteObject() bool {
	o, p := w.object()
	if o == nil {
		return false
	}
	w.note("people", "delete %s", p)
	_, err := w.kube.delete("kubectl", p, nil)
	return err == nil
}

// takeName puts somebody else's object where a component's would be.
func (w *world) takeName() bool {
	_, p := w.object()
	if p.name == "" {
		return false
	}
	p.resource = resourceOf[pick(w.dice.Rand, []string{"Kubernetes", "Docker"})]
	p.namespace = pick(w.dice.Rand, w.specs).namespace
	if w.kube.get(p) != nil {
		return false
	}
	w.note("people", "put an object of their own at %s", p)
	err := w.kube.put("helm", p, func(o *unstructured.Unstructured) {
		o.Object["spec"] = map[string]any{"image": "theirs:1"}
		o.SetLabels(map[string]string{"app": "theirs"})
	})
	w.book.noteForeign(p, "theirs:1")
	return err == nil
}

func (w *world) giveNameBack() bool {
	held := w.book.foreignPlaces()
	if len(held) == 0 {
		return false
	}
	p := pick(w.dice.Rand, held)
	w.book.forgetForeign(p)
	w.note("people", "delete their own %s", p)
	_, err := w.kube.delete("helm", p, nil)
	return err == nil
}

func (w *world) renameHost() bool {
	e := pick(w.dice.Rand, elements)
	return w.patch(e.id, map[string]any{"hostname": property(fmt.Sprintf("host-%d", w.dice.IntN(4)))})
}

func (w *world) changePort() bool {
	return w.patch(pick(w.dice.Rand, ports), map[string]any{"portNumber": property(9000 + w.dice.IntN(5))})
}

func (w *world) toggleElement() bool { return w.toggle(pick(w.dice.Rand, elements)) }

func (w *world) toggle(e element) bool {
	w.shake(e.id)
	if w.read(e.id) == nil {
		w.must(http.MethodPost, "/entities", w.elementEntity(e, "host-9"))
		w.note("people", "element %s is back", brief(e.id))
		return true
	}
	w.must(http.MethodDelete, entityPath(e.id), nil)
	w.note("people", "element %s is gone", brief(e.id))
	return true
}

// actOnService orders a service away with all its components, or up again.
func (w *world) actOnService() bool {
	s := pick(w.dice.Rand, services)
	if chance(w.dice.Rand, 50) {
		return w.patch(s, map[string]any{"actionType": property("DEPLOYING")})
	}
	if !w.patch(s, map[string]any{"actionType": property("DESTROYING")}) {
		return false
	}
	for _, e := range w.entities("ServiceComponent") {
		if e.text("service") == s {
			w.patch(e.id(), map[string]any{status: enum("ServiceComponentStatus", "Removing")})
		}
	}
	return true
}
