package simulate

import (
	"math/rand/v2"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hold is the finalizer with which an orchestrator delays deletions.
const hold = "llo.aeros-project.eu/hold"

// follow lets the orchestrators see a change: a new spec goes through its course,
// which is decided by the dice. It is called with the lock of kube held.
func (w *world) follow(e event) {
	o := e.object
	switch {
	case e.kind == "DELETED":
		return
	case o.GetDeletionTimestamp() != nil:
		if e.before.GetDeletionTimestamp() == nil {
			w.letGo(e.place, w.dice.about("hold", e.place.String()))
		}
		return
	case e.before != nil && e.before.GetGeneration() == o.GetGeneration():
		return
	}
	d := w.dice.about("course", e.place.String())
	if e.before == nil && chance(d, 15) {
		time.AfterFunc(between(d, time.Millisecond, 100*time.Millisecond), func() {
			w.edit("llo", e.place, func(o *unstructured.Unstructured) {
				if o.GetUID() == e.object.GetUID() && o.GetDeletionTimestamp() == nil {
					o.SetFinalizers([]string{hold})
				}
			})
		})
	}
	if chance(d, w.temper.silent) {
		return // silent
	}
	image, _, _ := unstructured.NestedString(o.Object, "spec", "image")
	job, _, _ := unstructured.NestedBool(o.Object, "spec", "isJob")
	at := time.Duration(0)
	for _, phase := range course(d, image, job) {
		at += pace(d)
		time.AfterFunc(at, func() { w.report(e, phase) })
	}
}

// course is what one generation of an object goes through.
func course(d *rand.Rand, image string, job bool) []string {
	phases := []string{"Pending", "Starting"}[d.IntN(2):]
	switch {
	case strings.Contains(image, "bad"):
		return append(phases, "Failed")
	case job && chance(d, 15):
		return append(phases, "Running", "Failed")
	case job:
		return append(phases, "Running", "Succeeded")
	case chance(d, 15):
		return append(phases, "Running", "Failed", "Running", "Starting", "Running") // flaps
	case chance(d, 10):
		return append(phases, "Failed", "Running")
	}
	return append(phases, "Running")
}

// pace is how long a step takes: mostly a moment, now and then longer than a move may.
func pace(d *rand.Rand) time.Duration {
	switch n := d.IntN(20); {
	case n == 0:
		return between(d, 20*time.Second, 2*moveTimeout)
	case n < 5:
		return between(d, time.Second, 15*time.Second)
	}
	return between(d, 10*time.Millisecond, time.Second)
}

// report writes a status, unless the object has another spec by now.
func (w *world) report(e event, phase string) {
	now := w.kube.get(e.place)
	if now == nil || now.GetUID() != e.object.GetUID() || now.GetGeneration() != e.object.GetGeneration() || now.GetDeletionTimestamp() != nil {
		return
	}
	w.kube.setStatus("llo", e.place, e.object.GetUID(), map[string]any{
		"phase": phase, "message": "is " + phase, "observedGeneration": e.object.GetGeneration(),
	})
}

// letGo takes the finalizer off after a while.
func (w *world) letGo(p place, d *rand.Rand) {
	time.AfterFunc(between(d, 100*time.Millisecond, 10*time.Second), func() {
		w.edit("llo", p, func(o *unstructured.Unstructured) {
			if o.GetDeletionTimestamp() != nil {
				o.SetFinalizers(nil)
			}
		})
	})
}

// edit changes an object past the agents.
func (w *world) edit(who string, p place, change func(*unstructured.Unstructured)) {
	if err := w.kube.edit(who, p, change); err != nil {
		panic(err)
	}
}
