package faults_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// An order that a report crossed in the broker is carried out all the same: the
// agent hears of Removing, but when it looks, the broker says Running.
func TestOrderCrossedByReport(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	gate := make(chan struct{})
	r.toWebhook.Inject(faults.Fault{Do: faults.Hold(gate)})
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Running")})
	eventually(t, "both are told", func() error {
		if n := len(r.toWebhook.Seen(func(e faults.Exchange) bool { return e.Status == 0 })); n < 2 {
			return fmt.Errorf("%d of 2", n)
		}
		return nil
	})
	close(gate)
	r.gone(onK8s, "web")
	got := r.says(componentID("web"), "Unplaced", "Removed")
	if got.Word != "Finished" || got.Element != "" {
		t.Errorf("got %+v, want Finished without element", got)
	}
}

// A later order replaces an earlier one that was not carried out yet, also when
// both come at one time, and when the broker shows neither any more because a
// report crossed them.
func TestLaterOrderReplaces(t *testing.T) {
	t.Parallel()
	for name, together := range map[string]bool{"one after the other": false, "in one notification": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.ready(component("web", nil))
			was := r.exists("web").GetUID()
			orders := len(r.toWebhook.Seen(containing("Status:Starting")))
			gate := make(chan struct{}) // a pass is under way while both orders come
			applies := and(method(http.MethodPatch), about(objectName("web")), containing(image(2)))
			r.toKube.Inject(faults.Fault{Match: applies, Times: 1, Do: faults.Hold(gate)})
			r.patch(componentID("web"), object{"containerImage": prop(image(2))})
			eventually(t, "a pass is under way", func() error { return differ("applies", len(r.toKube.Seen(applies)), 1) })
			if together {
				first, second := r.entity(componentID("web")), r.entity(componentID("web"))
				first["serviceComponentStatus"] = word("Removing")
				second["serviceComponentStatus"] = word("Starting")
				r.notify(r.notification(now(0), first, second), nil)
			} else {
				r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
				r.patch(componentID("web"), object{"serviceComponentStatus": word("Starting")})
				r.patch(componentID("web"), object{"serviceComponentStatus": word("Running")})
			}
			if !together {
				eventually(t, "both are told", func() error {
					n := len(r.toWebhook.Seen(containing("Status:Removing"))) + len(r.toWebhook.Seen(containing("Status:Starting")))
					return differ("orders told", n, orders+2)
				})
			}
			r.answered()
			close(gate)
			eventually(t, "the last order stands", func() error { return differ("word", r.report(componentID("web")).Word, "Running") })
			r.rest(time.Second)
			if r.exists("web").GetUID() != was {
				t.Error("the object was removed")
			}
		})
	}
}

// answered waits until every notification so far was answered and a moment has
// passed for taking it in.
func (r *rig) answered() {
	r.t.Helper()
	eventually(r.t, "notifications are answered", func() error {
		if n := len(r.toWebhook.Seen(func(e faults.Exchange) bool { return e.Status == 0 })); n > 0 {
			return fmt.Errorf("%d are not", n)
		}
		return nil
	})
	pass(r.t, 500*time.Millisecond)
}

// Reports of others are no orders: the object stays, and the word is not fought
// over, but put right at a resync and when the object changes.
func TestForeignReports(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	was := r.exists("web").GetUID()
	r.rest(time.Second)
	writes := len(r.toBroker.Seen(entityWrites))
	for range 4 {
		for _, foreign := range []string{"Failed", "Migrating", "Failed"} {
			r.patch(componentID("web"), object{"serviceComponentStatus": word(foreign)})
		}
		pass(t, 300*time.Millisecond)
	}
	r.rest(time.Second)
	if n := len(r.toBroker.Seen(entityWrites)) - writes; n != 0 {
		t.Errorf("%d writes in answer to foreign reports", n)
	}
	if got := r.report(componentID("web")).Word; got != "Failed" {
		t.Errorf("word %s, want the foreign Failed", got)
	}
	r.askForResync()
	eventually(t, "put right at a resync", func() error { return differ("word", r.report(componentID("web")).Word, "Running") })
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Failed")})
	r.phase(onK8s, "web", "Pending")
	r.runs(onK8s, "web")
	eventually(t, "put right when the object changes", func() error { return differ("word", r.report(componentID("web")).Word, "Running") })
	if o := r.exists("web"); o.GetUID() != was || o.GetGeneration() != 1 {
		t.Error("the object was changed because of a report")
	}
}

// The report follows the object both ways.
func TestReportFollowsTheObject(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.create(append(world(), component("web", nil))...)
	r.start()
	r.exists("web")
	r.says(componentID("web"), "Progressing", "Accepted")
	for _, phase := range []string{"Running", "Failed", "Running"} {
		r.phase(onK8s, "web", phase)
		got := r.says(componentID("web"), phase, "")
		if got.Word != phase {
			t.Errorf("word %s, want %s", got.Word, phase)
		}
	}
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.await(onK8s, "web", "changed", hasImage(2))
	r.says(componentID("web"), "Progressing", "") // its status is of the generation before
	r.runs(onK8s, "web")
	r.says(componentID("web"), "Running", "")
}

// Removing deletes; Finished is said, in one PATCH with the element taken away,
// when the object is gone and not before.
func TestRemovingWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.create(append(world(), component("web", nil))...)
	r.start()
	r.exists("web")
	r.merge(onK8s, "web", object{"metadata": object{"finalizers": []string{"test.example.org/hold"}}})
	r.runs(onK8s, "web")
	r.says(componentID("web"), "Running", "")
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	r.says(componentID("web"), "Removing", "")
	always(t, 2*time.Second, "it waits", func() error {
		got := r.report(componentID("web"))
		if got.Word == "Finished" || got.Element == "" || r.find(onK8s, "web") == nil {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	r.agent.kill() // and is killed while it does
	r.launch()
	writes := len(r.toBroker.Seen(entityWrites))
	r.merge(onK8s, "web", object{"metadata": object{"finalizers": nil}})
	got := r.says(componentID("web"), "Unplaced", "Removed")
	if got.Word != "Finished" || got.Element != "" {
		t.Errorf("got %+v, want Finished without element", got)
	}
	for _, e := range r.toBroker.Seen(entityWrites)[writes:] {
		if containing("Finished")(e) != containing("urn:ngsi-ld:null")(e) {
			t.Errorf("not in one PATCH: %s", e.Body)
		}
	}
	r.gone(onK8s, "web")
}

// An entity that is deleted while its object is still going, and made anew under its id, was
// never ordered away: it is wanted though it says nothing.
func TestMadeAnewWhileTheOldOneGoes(t *testing.T) {
	t.Parallel()
	missed := func(e faults.Exchange) bool {
		return about(componentID("web"))(e) && e.Method == http.MethodGet && e.Status == http.StatusNotFound
	}
	for name, end := range map[string]func(*rig){
		"told": func(r *rig) {
			r.remove(componentID("web"))
			r.answered()
		},
		"listed": func(r *rig) {
			before := len(r.toBroker.Seen(missed))
			r.drop(componentID("web"))
			r.askForResync()
			eventually(r.t, "its end is proved", func() error { // by two answers
				return differ("proved", len(r.toBroker.Seen(missed)) > before+1, true)
			})
			pass(r.t, 500*time.Millisecond) // until the second one has arrived
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.ready(component("web", nil))
			r.merge(onK8s, "web", object{"metadata": object{"finalizers": []string{"test.example.org/hold"}}})
			r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
			r.says(componentID("web"), "Removing", "")
			end(r)
			r.create(component("web", object{"serviceComponentStatus": nil}))
			eventually(t, "the new one is seen", func() error { return differ("phase", r.report(componentID("web")).Phase != "", true) })
			r.merge(onK8s, "web", object{"metadata": object{"finalizers": nil}})
			if got := r.says(componentID("web"), "Running", ""); got.Element != "Alpha:k1" || got.UID != string(r.exists("web").GetUID()) {
				t.Errorf("got %+v, want it on k1, of the new object", got)
			}
		})
	}
}

// The element taken away is no order to delete, and neither is an element
// entity that goes.
func TestPlacementTakenAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil), component("lost", object{"infrastructureElement": rel(k2)}))
	was := r.uids()
	r.patch(componentID("web"), object{"infrastructureElement": null()})
	eventually(t, "it says so", func() error { return differ("reason", r.report(componentID("web")).Reason, "PlacementTaken") })
	r.remove(k2)
	r.lose(containing(`"exposePorts"`), func() { r.do(http.MethodPatch, entityPath(componentID("lost")), object{"exposePorts": prop(true)}) })
	r.askForResync()
	r.says(componentID("lost"), "Pending", "")
	if got := r.uids(); got != was {
		t.Errorf("objects before:\n%s\nafter:\n%s", was, got)
	}
	r.create(element(k2, "Kubernetes"))
	r.patch(componentID("web"), object{"infrastructureElement": rel(k1)})
	r.says(componentID("web"), "Running", "")
	r.says(componentID("lost"), "Running", "")
}

// An object without any status is Unknown after STATUS_GRACE, one that makes no
// progress is Failed after PROGRESS_DEADLINE, and both are still followed.
func TestTimeLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"STATUS_GRACE": "2s", "PROGRESS_DEADLINE": "3s"})
	r.create(append(world(), component("silent", nil), component("stuck", nil))...)
	r.start()
	r.exists("silent")
	r.exists("stuck")
	r.phase(onK8s, "stuck", "Pending")
	r.says(componentID("silent"), "Unknown", "StateUnknown")
	got := r.says(componentID("stuck"), "Failed", "DeadlineExceeded")
	if got.Word != "Failed" {
		t.Errorf("word %s, want Failed", got.Word)
	}
	r.agent.kill() // a restart does not forget it
	r.start()
	r.rest(time.Second)
	if got := r.report(componentID("stuck")); got.Reason != "DeadlineExceeded" {
		t.Errorf("after a restart: %+v", got)
	}
	r.runs(onK8s, "stuck")
	r.runs(onK8s, "silent")
	r.says(componentID("stuck"), "Running", "")
	r.says(componentID("silent"), "Running", "")
}

// Overload with nobody to place the component anew keeps it as it is and says
// so, over a report that crosses it.
func TestOverloadIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	was := r.exists("web")
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Overload")})
	got := r.says(componentID("web"), "Running", "Overloaded")
	if got.Word != "Overload" {
		t.Errorf("word %s, want Overload", got.Word)
	}
	r.rest(2 * time.Second)
	if o := r.exists("web"); o.GetUID() != was.GetUID() || o.GetGeneration() != 1 {
		t.Error("the object was changed")
	}
	if got := r.report(componentID("web")); got.Reason != "Overloaded" || got.Word != "Overload" {
		t.Errorf("later: %+v", got)
	}
}
