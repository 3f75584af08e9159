package faults_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func onElement(id string) func(*unstructured.Unstructured) error {
	return func(o *unstructured.Unstructured) error { return differ("element", elementOf(o), id) }
}

// startsOn makes a component that runs on k1.
func (r *rig) startsOn(name string) *unstructured.Unstructured {
	r.t.Helper()
	r.create(append(world(), component(name, nil))...)
	r.start()
	r.exists(name)
	r.runs(onK8s, name)
	r.says(componentID(name), "Running", "")
	return r.exists(name)
}

// A move within a kind changes the object in place; it is put back when it does
// not run in time, over a restart too.
func TestMoveInPlace(t *testing.T) {
	t.Parallel()
	for name, restarted := range map[string]bool{"in one life": false, "over a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"MOVE_TIMEOUT": "4s"})
			was := r.startsOn("web").GetUID()
			r.patch(componentID("web"), object{"infrastructureElement": rel(k2)})
			r.await(onK8s, "web", "moves", onElement(k2))
			r.runs(onK8s, "web")
			r.says(componentID("web"), "Running", "")
			r.await(onK8s, "web", "the note of the move goes", func(o *unstructured.Unstructured) error {
				return differ(movedFromMark, o.GetAnnotations()[movedFromMark], "")
			})
			r.patch(componentID("web"), object{"infrastructureElement": rel(k1)})
			r.await(onK8s, "web", "moves again", onElement(k1))
			r.phase(onK8s, "web", "Pending")
			if restarted {
				r.agent.kill()
				r.launch()
			}
			o := r.await(onK8s, "web", "is put back", onElement(k2))
			if o.GetUID() != was {
				t.Error("it was not changed in place")
			}
			eventually(t, "the entity says so", func() error {
				return differ("element", r.report(componentID("web")).Element, "Alpha:k2")
			})
			r.runs(onK8s, "web")
			got := r.says(componentID("web"), "Running", "")
			if got.Element != "Alpha:k2" {
				t.Errorf("got %+v, want it on k2", got)
			}
		})
	}
}

// A move to another kind: the new object first, the old one goes when the new
// one runs. An agent that is killed in between goes on.
func TestMoveBetweenKinds(t *testing.T) {
	t.Parallel()
	for name, restarted := range map[string]bool{"in one life": false, "over restarts": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			was := r.startsOn("web").GetUID()
			r.patch(componentID("web"), object{"infrastructureElement": rel(d1)})
			r.await(onDock, "web", "the new one", nil)
			if restarted {
				r.agent.kill()
				r.start()
				r.rest(time.Second)
			}
			always(t, time.Second, "the old one stays", func() error {
				if o := r.find(onK8s, "web"); o == nil || o.GetUID() != was || o.GetDeletionTimestamp() != nil {
					return fmt.Errorf("it is gone")
				}
				return nil
			})
			if restarted {
				r.agent.kill()
			}
			r.runs(onDock, "web")
			if restarted {
				r.launch()
			}
			r.gone(onK8s, "web")
			got := r.says(componentID("web"), "Running", "")
			eventually(t, "the report is on the new one", func() error {
				got = r.report(componentID("web"))
				return differ("uid", got.UID, r.find(onDock, "web").GetUID())
			})
			r.rest(time.Second)
			if r.find(onDock, "web") == nil {
				t.Error("the new one is gone as well")
			}
		})
	}
}

// A move to another kind that does not run in time is withdrawn.
func TestMoveBetweenKindsWithdrawn(t *testing.T) {
	t.Parallel()
	for name, restarted := range map[string]bool{"in one life": false, "over a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"MOVE_TIMEOUT": "4s"})
			was := r.startsOn("web").GetUID()
			r.patch(componentID("web"), object{"infrastructureElement": rel(d1)})
			r.await(onDock, "web", "the new one", nil)
			r.phase(onDock, "web", "Pending")
			if restarted {
				r.agent.kill()
				r.launch()
			}
			r.gone(onDock, "web")
			got := r.says(componentID("web"), "Running", "")
			eventually(t, "the entity is back", func() error {
				got = r.report(componentID("web"))
				return differ("element", got.Element, "Alpha:k1")
			})
			r.rest(2 * time.Second)
			if o := r.exists("web"); o.GetUID() != was || elementOf(o) != k1 {
				t.Errorf("the old one is another one, or on %s", elementOf(o))
			}
			if r.find(onDock, "web") != nil {
				t.Error("the new one came back")
			}
		})
	}
}
