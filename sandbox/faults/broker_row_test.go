package faults_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// trouble is what a server can do to a request, a few times.
func trouble() map[string]faults.Fault {
	problem := http.Header{"Content-Type": {"application/json"}}
	return map[string]faults.Fault{
		"500":         {Times: 3, Do: faults.Answer(500, problem, `{"type":"https://uri.etsi.org/ngsi-ld/errors/InternalError","title":"Internal"}`)},
		"503":         {Times: 3, Do: faults.Answer(503, problem, `no upstream`)},
		"429":         {Times: 3, Do: faults.Answer(429, http.Header{"Retry-After": {"1"}}, `slow down`)},
		"cut before":  {Times: 3, Do: faults.CutBefore},
		"cut after":   {Times: 3, Do: faults.CutAfter},
		"slow answer": {Times: 1, Do: faults.After(4*time.Second, faults.Pass)},
		"no answer":   {Times: 1, Do: faults.Hang},
	}
}

// The write-back of one component meets trouble; the component gets there all
// the same and the others do not wait for it.
func TestBrokerTroubleWithStatusWrites(t *testing.T) {
	t.Parallel()
	for name, fault := range trouble() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			struck := componentID("struck")
			fault.Match = and(entityWrites, about(struck))
			r.toBroker.Inject(fault)
			r.create(world()...)
			r.start()
			r.orchestrate()
			r.create(component("struck", nil), component("other", nil), component("third", nil))
			for _, other := range []string{"other", "third"} {
				r.says(componentID(other), "Running", "")
			}
			if name == "no answer" { // 10 s until the client gives up
				if n := len(r.toBroker.Seen(fault.Match)); n > 1 {
					t.Errorf("%d writes of the struck one before the others were done, want no second", n)
				}
			}
			got := r.says(struck, "Running", "")
			if got.Word != "Running" {
				t.Errorf("got %+v, want the word Running", got)
			}
			once(t, r, "struck")
		})
	}
}

// once checks that an object was made once and never changed.
func once(t *testing.T, r *rig, component string) {
	t.Helper()
	o := r.exists(component)
	if o.GetGeneration() != 1 || o.GetDeletionTimestamp() != nil {
		t.Errorf("object of %s has generation %d, want 1", component, o.GetGeneration())
	}
	if said := r.report(componentID(component)); said.UID != string(o.GetUID()) {
		t.Errorf("the report is on %s, the object is %s", said.UID, o.GetUID())
	}
}

// A read that decides meets trouble: it is repeated, and nothing is done before.
func TestBrokerTroubleWithReads(t *testing.T) {
	t.Parallel()
	faultsOf := trouble()
	delete(faultsOf, "no answer") // 10 s each; the same path as a cut
	faultsOf["404 of a wrong path"] = faults.Fault{Times: 3, Do: faults.Answer(404, http.Header{"Content-Type": {"application/json"}},
		`{"type":"https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound","title":"Service Not Found","detail":"/ngsi-ld/v1/entities"}`)}
	for name, fault := range faultsOf {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.ready(component("web", nil))
			was := r.exists("web")
			fault.Match = and(entityReads, about(componentID("web")))
			r.toBroker.Inject(fault)
			// Two changes within 2 s are a doubt, which a read settles.
			r.patch(componentID("web"), object{"containerImage": prop(image(2))})
			r.patch(componentID("web"), object{"containerImage": prop(image(3))})
			now := r.await(onK8s, "web", "newest image", hasImage(3))
			if now.GetUID() != was.GetUID() {
				t.Error("the object was made anew")
			}
			if n := len(r.toBroker.Seen(fault.Match)); n < fault.Times {
				t.Errorf("%d reads, want at least %d: the fault did not strike", n, fault.Times)
			}
		})
	}
}

// The broker is down when the agent starts. The agent waits, says so once,
// stays ready, and works when the broker comes.
func TestBrokerDownAtStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.create(append(world(), component("web", nil))...)
	r.toBroker.Down()
	r.launch()
	eventually(t, "several tries", func() error {
		n, err := r.metric("broker_requests_total", `code="0"`)
		if err == nil && n < 6 {
			err = fmt.Errorf("%v requests", n)
		}
		return err
	})
	r.readyz(http.StatusOK)
	if n := r.warnings("cannot be read yet"); n != 1 {
		t.Errorf("said %d times that the broker is down, want once", n)
	}
	must(t, r.toBroker.Up())
	r.exists("web")
	r.orchestrate()
	r.says(componentID("web"), "Running", "")
}

// The broker is killed and comes back without its subscriptions, having missed
// nothing else; a change made before the agent notices is found.
func TestBrokerRestartsWithoutSubscriptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"SUBSCRIPTION_CHECK_INTERVAL": "1s"})
	r.ready(component("web", nil))
	entity := r.entity(componentID("web"))
	r.brokerProcess.process.kill()
	entity["containerImage"] = prop(image(2))
	r.brokerProcess.start()
	r.create(append(world(), entity)...)
	r.await(onK8s, "web", "change found", hasImage(2))
	eventually(t, "subscribed again", func() error {
		if r.subscription(r.subscriptionID("components")) == nil || r.subscription(r.subscriptionID("links")) == nil {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	r.create(component("late", nil))
	r.exists("late") // by notification: nothing is listed for an hour
}

// A resync that the broker fails is repeated soon, not at the next interval.
func TestBrokerTroubleWithLists(t *testing.T) {
	t.Parallel()
	for name, fault := range trouble() {
		if name == "no answer" || name == "slow answer" {
			continue // the same as a cut, and no fault for a list
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"DEGRADED_RESYNC_INTERVAL": "1s"})
			r.ready(component("web", nil))
			fault.Match = entityLists
			r.toBroker.Inject(fault)
			r.loseChange("web", 2)
			r.askForResync()
			r.await(onK8s, "web", "lost change", hasImage(2))
			if n, err := r.metric("resyncs_total", `result="error"`); err != nil || n < 1 {
				t.Errorf("%v resyncs failed (%v): the fault did not strike", n, err)
			}
		})
	}
}
