package simulate

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// trouble is what breaks, and is mended.
func trouble() []happening {
	return []happening{
		{"weather of the broker", 5, func(w *world) bool { return w.weatherChanges("broker") }},
		{"weather of the API server", 5, func(w *world) bool { return w.weatherChanges("kube") }},
		{"post", 6, (*world).postChanges},
		{"broker down or up", 2, (*world).toggleBroker},
		{"broker restarts", 2, (*world).restartBroker},
		{"broker wiped and restored", 2, (*world).wipeBroker},
		{"the broker's answers are wrong", 3, (*world).answersAreWrong},
		{"a subscription is spoilt", 2, (*world).spoilSubscription},
		{"API server down or up", 2, (*world).toggleKube},
		{"watches are cut", 3, (*world).cutWatches},
		{"versions expire", 2, (*world).expireVersions},
		{"a clock jumps", 2, (*world).jumpClock},
		{"a move by a wrong clock", 3, (*world).moveByWrongClock},
		{"an agent is killed", 4, (*world).killAgent},
		{"an agent is stopped", 1, (*world).stopAgent},
		{"an agent starts", 5, (*world).startAgent},
	}
}

func (w *world) weatherChanges(where string) bool {
	d := w.dice.Rand
	now := pick(d, []weather{{}, {}, {refused: 30}, {failing: 30}, {cutBefore: 20, cutAfter: 20}, {cutAfter: 40}, {slow: 40}, {hanging: 10},
		{refused: 5, failing: 5, cutBefore: 5, cutAfter: 5, slow: 10}})
	w.note("fate", "weather of %s: %+v", where, now)
	w.change(func(f *faults) {
		if where == "broker" {
			f.broker = now
		} else {
			f.kube = now
		}
	})
	return true
}

func (w *world) postChanges() bool {
	now := pick(w.dice.Rand, []post{{}, {}, {lost: 40}, {lost: 100}, {refused: 30}, {doubled: 40}, {delayed: 50}, {unheeded: 20},
		{lost: 10, refused: 10, doubled: 10, delayed: 20, unheeded: 5}})
	w.note("fate", "post: %+v", now)
	w.setMail(now)
	return true
}

func (w *world) toggleBroker() bool {
	down := !w.faults().brokerDown
	w.note("fate", "broker down: %v", down)
	w.change(func(f *faults) { f.brokerDown = down })
	return true
}

func (w *world) restartBroker() bool {
	keep := chance(w.dice.Rand, 50)
	w.note("fate", "broker restarts, keeps subscriptions: %v", keep)
	w.upset()
	w.broker.Restart(keep)
	return true
}

// wipeBroker takes everything away, and puts the entities back after a while.
func (w *world) wipeBroker() bool {
	d := w.dice.Rand
	var all []any
	for _, kind := range []string{"Domain", "LowLevelOrchestrator", "InfrastructureElement", "Service", "NetworkPort", "InfrastructureElementRequirements", "ServiceComponent"} {
		for _, e := range w.entities(kind) {
			all = append(all, e)
			if kind == "ServiceComponent" {
				w.book.gone(e.id(), true)
			}
		}
	}
	w.upset()
	w.broker.Wipe()
	w.note("fate", "broker wiped")
	time.Sleep(between(d, 10*time.Millisecond, 3*time.Minute))
	w.must(http.MethodPost, "/entityOperations/create", all)
	for _, e := range w.entities("ServiceComponent") {
		w.book.gone(e.id(), false)
	}
	w.shake(services...) // who handles them was the entry point meanwhile
	w.upset()
	w.note("fate", "broker restored")
	return true
}

func (w *world) answersAreWrong() bool {
	lie := pick(w.dice.Rand, []string{"", "404", "empty", "short", "foreign", "foreign"})
	w.note("fate", "the broker answers wrongly: %q", lie)
	w.change(func(f *faults) { f.lie = lie })
	return true
}

// spoilSubscription changes one of an agent's subscriptions, or takes it away.
func (w *world) spoilSubscription() bool {
	d := w.dice.Rand
	id := "urn:ngsi-ld:Subscription:hlo-agent:" + pick(d, w.specs).name + ":" + pick(d, []string{"components", "links"})
	var code int
	if chance(d, 50) {
		code, _ = w.ask(http.MethodDelete, "/subscriptions/"+id, nil)
	} else {
		code, _ = w.ask(http.MethodPatch, "/subscriptions/"+id, map[string]any{"isActive": false})
	}
	w.upset()
	w.note("fate", "subscription %s spoilt: %d", brief(id), code)
	return code == http.StatusNoContent
}

func (w *world) toggleKube() bool {
	down := !w.faults().kubeDown
	w.note("fate", "API server down: %v", down)
	w.change(func(f *faults) { f.kubeDown = down })
	if down {
		w.kube.cut(func(*watcher) bool { return true })
	}
	return true
}

func (w *world) cutWatches() bool {
	resource := pick(w.dice.Rand, []string{"", "servicecomponentk8s", "servicecomponentdockers"})
	w.note("fate", "watches cut: %q", resource)
	w.kube.cut(func(s *watcher) bool { return strings.HasPrefix(s.of.resource, resource) })
	return true
}

// expireVersions cuts the watches and forgets what they could go on with, now and then
// with a deletion that nobody saw.
func (w *world) expireVersions() bool {
	w.note("fate", "old versions expire")
	w.kube.compact()
	w.kube.cut(func(*watcher) bool { return true })
	if chance(w.dice.Rand, 50) {
		time.Sleep(10 * time.Millisecond) // until nobody watches, and before somebody lists
		w.deleteObject()
	}
	return true
}

func (w *world) jumpClock() bool {
	up := w.up()
	if len(up) == 0 {
		return false
	}
	a := pick(w.dice.Rand, up)
	by := between(w.dice.Rand, 0, 3*time.Hour) - 90*time.Minute
	if chance(w.dice.Rand, 50) {
		by /= 600
	}
	w.note("fate", "the clock of %s jumps by %v", a.host, by)
	a.clock.jump(by)
	w.homed.jumps()
	return true
}

// moveByWrongClock moves a component, to where it cannot run, while the clock of its
// agent is ahead by more than the world has left.
func (w *world) moveByWrongClock() bool {
	e := w.component()
	from, placed := elementOf(e.text("infrastructureElement"))
	a := w.agentOf(w.home(from).name)
	if !placed || a == nil {
		return false
	}
	near := slices.DeleteFunc(slices.Clone(elements), func(to element) bool { return to == from || w.home(to) != w.home(from) })
	by := between(w.dice.Rand, 2*quiet, 90*time.Minute)
	w.note("fate", "the clock of %s is ahead by %v", a.name, by)
	w.homed.jumps()
	a.clock.jump(by)
	ok := w.patch(e.id(), map[string]any{"infrastructureElement": relationship(pick(w.dice.Rand, near).id), "containerImage": property("bad:1")})
	time.Sleep(between(w.dice.Rand, 10*time.Millisecond, 3*time.Second))
	w.note("fate", "the clock of %s is right again", a.name)
	a.clock.jump(-by)
	return ok
}

func (w *world) killAgent() bool {
	up := w.up()
	if len(up) == 0 {
		return false
	}
	a := pick(w.dice.Rand, up)
	w.kill(a)
	if chance(w.dice.Rand, 60) {
		time.Sleep(between(w.dice.Rand, time.Millisecond, 2*time.Second))
		w.start(a.agentSpec, a.host)
	}
	return true
}

func (w *world) stopAgent() bool {
	up := w.up()
	if len(up) == 0 {
		return false
	}
	w.terminate(pick(w.dice.Rand, up))
	return true
}

func (w *world) startAgent() bool {
	for _, s := range w.specs {
		for _, host := range s.hosts() {
			if w.agentOf(host) == nil {
				w.start(s, host)
				return true
			}
		}
	}
	return false
}

// heal ends all trouble.
func (w *world) heal() {
	w.note("fate", "all is mended")
	w.change(func(f *faults) { *f = faults{} })
	w.setMail(post{})
	w.mendCopies()
	for _, e := range elements {
		if w.read(e.id) == nil {
			w.toggle(e)
		}
	}
	w.healHomed()
	for w.startAgent() {
		time.Sleep(between(w.dice.Rand, time.Millisecond, 10*time.Millisecond))
	}
	for _, e := range w.entities("ServiceComponent") {
		if e.flag("orchestrationPaused") {
			w.patch(e.id(), map[string]any{"orchestrationPaused": property(false)})
		}
	}
}
