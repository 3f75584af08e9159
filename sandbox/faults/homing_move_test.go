package faults_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// homed is a component that was placed on k2 and runs there.
func homed(t *testing.T, env map[string]string, k1ram, k2ram int) *rig {
	t.Helper()
	r := newRig(t, homing(env))
	r.create(append(alpha(k1ram, k2ram), wanting("web", ram(1000))...)...)
	r.start()
	r.orchestrate()
	r.says(componentID("web"), "Running", "")
	r.isOn("web", k2)
	return r
}

// moved waits until web runs on an element for a cause.
func (r *rig) moved(to, cause string) {
	r.t.Helper()
	r.isOn("web", to)
	r.await(onK8s, "web", "moves", onElement(to))
	eventually(r.t, "it runs there", func() error {
		got := r.report(componentID("web"))
		if got.Phase != "Running" || got.Word != "Running" {
			return fmt.Errorf("it says %+v", got)
		}
		return nil
	})
	for key, want := range map[string]string{"cause": cause, "element": to} {
		if got := r.decision("web", key); got != want {
			r.t.Errorf("homingDecision.%s is %q, want %q", key, got, want)
		}
	}
}

// Overload is an order to leave: the object moves in place, and not back at once.
func TestHomingOverload(t *testing.T) {
	t.Parallel()
	r := homed(t, nil, 3000, 6000)
	was := r.exists("web").GetUID()
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Overload")})
	r.moved(k1, "Overload")
	if got := r.exists("web").GetUID(); got != was {
		t.Error("it was not changed in place")
	}
	if got := r.decision("web", "previous"); got != k2 {
		t.Errorf("previous %q, want %s", got, k2)
	}
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Overload")})
	always(t, 2*time.Second, "it is left alone so soon after a move", func() error {
		return differ("element", r.report(componentID("web")).Element, "Alpha:k1")
	})
	r.moved(k2, "Overload") // the order stays an order
}

// Overload while nothing else fits is kept, with the reason; it is carried out
// when an element comes.
func TestHomingOverloadWaits(t *testing.T) {
	t.Parallel()
	r := homed(t, nil, 100, 6000)
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Overload")})
	got := r.says(componentID("web"), "Running", "Overloaded")
	if got.Word != "Overload" || !strings.Contains(got.Message, "no element fits") || !strings.Contains(got.Message, "capacity 1") {
		t.Errorf("got %+v, want Overload with the reason", got)
	}
	r.agent.kill()
	r.start()
	r.rest(2 * time.Second)
	if got := r.report(componentID("web")); got.Word != "Overload" || got.Element != "Alpha:k2" {
		t.Errorf("after a restart: %+v", got)
	}
	r.create(roomy(k3, 4000))
	r.moved(k3, "Overload")
}

// A component leaves an element that is gone, not ready, or silent.
func TestHomingLeavesAnElement(t *testing.T) {
	t.Parallel()
	observed := func(at time.Time) object {
		return object{"type": "Property", "value": 5, "observedAt": at.UTC().Format("2006-01-02T15:04:05.000Z")}
	}
	for cause, lose := range map[string]func(*rig){
		"ElementMissing":  func(r *rig) { r.remove(k2) },
		"ElementNotReady": func(r *rig) { r.patch(k2, status("Maintenance")) },
		"ElementSilent": func(r *rig) {
			r.patch(k2, object{"currentCpuUsage": observed(time.Now().Add(-time.Minute))})
			r.patch(k1, object{"currentCpuUsage": observed(time.Now().Add(time.Hour))})
		},
	} {
		t.Run(cause, func(t *testing.T) {
			t.Parallel()
			r := homed(t, map[string]string{"HOMING_STALE": "4s"}, 3000, 6000)
			was := r.exists("web").GetUID()
			lose(r)
			r.moved(k1, cause)
			if got := r.exists("web").GetUID(); got != was {
				t.Error("it was not changed in place")
			}
		})
	}
}

// Absence is a hint here too: a broker that does not know our subscription
// either proves nothing by not knowing the element.
func TestHomingWantsProofOfAbsence(t *testing.T) {
	t.Parallel()
	r := homed(t, map[string]string{"HOMING_STALE": "4s"}, 3000, 6000)
	asksForProof := and(method("GET"), aboutSubscriptions)
	found := r.toBroker.Inject(faults.Fault{Match: asksForProof, Do: faults.Answer(http.StatusNotFound, http.Header{"Content-Type": {"application/json"}},
		`{"type":"https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound","title":"Subscription Not Found","detail":"it"}`)})
	before := len(r.toBroker.Seen(asksForProof))
	r.remove(k2)
	eventually(t, "it asks for proof", func() error {
		if len(r.toBroker.Seen(asksForProof)) == before {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	always(t, time.Second, "it stays", func() error {
		return differ("element", r.report(componentID("web")).Element, "Alpha:k2")
	})
	found()
	r.moved(k1, "ElementMissing")
}

func status(word string) object {
	return object{"infrastructureElementStatus": rel("urn:ngsi-ld:InfrastructureElementStatus:" + word)}
}

// An element that is not ready for a moment is not left, and one that keeps
// coming and going moves a component once, not each time.
func TestHomingDoesNotFlap(t *testing.T) {
	t.Parallel()
	r := homed(t, map[string]string{"HOMING_GRACE": "4s"}, 3000, 6000)
	r.patch(k2, status("Overload"))
	pass(t, time.Second)
	r.patch(k2, status("Ready"))
	always(t, 5*time.Second, "it stays", func() error {
		return differ("element", r.report(componentID("web")).Element, "Alpha:k2")
	})
	r.patch(k2, status("Overload"))
	r.moved(k1, "ElementNotReady")
	r.patch(k2, status("Ready"))
	r.patch(k1, status("Overload"))
	always(t, 8*time.Second, "it is not moved back so soon", func() error {
		return differ("element", r.report(componentID("web")).Element, "Alpha:k1")
	})
}

// With nowhere to go it runs on, and says so.
func TestHomingNowhereToGo(t *testing.T) {
	t.Parallel()
	r := homed(t, nil, 100, 6000)
	was := r.exists("web")
	r.patch(k2, status("Insecure"))
	got := r.says(componentID("web"), "Running", "ElementUnfit")
	if got.Word != "Running" || !strings.Contains(got.Message, "no element fits") {
		t.Errorf("got %+v", got)
	}
	r.patch(k2, status("Ready"))
	eventually(t, "it is as before", func() error {
		if got := r.report(componentID("web")); got.Reason == "ElementUnfit" {
			return fmt.Errorf("it says %+v", got)
		}
		return nil
	})
	if o := r.exists("web"); o.GetUID() != was.GetUID() || o.GetGeneration() != was.GetGeneration() {
		t.Error("the object was changed")
	}
}

// A move that does not arrive is taken back, and the element on which the
// component did not come up is not tried again.
func TestHomingMoveTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, homing(map[string]string{"MOVE_TIMEOUT": "3s"}))
	r.create(append(alpha(3000, 6000), wanting("web", ram(1000))...)...)
	r.start()
	r.exists("web")
	r.runs(onK8s, "web")
	r.says(componentID("web"), "Running", "")
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Overload")})
	r.await(onK8s, "web", "moves", onElement(k1))
	r.phase(onK8s, "web", "Pending")
	r.await(onK8s, "web", "is put back", onElement(k2))
	r.isOn("web", k2)
	r.runs(onK8s, "web")
	r.says(componentID("web"), "Running", "")
	pass(t, 5*time.Second) // so long is nothing moved again
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Overload")})
	got := r.says(componentID("web"), "Running", "Overloaded")
	if !strings.Contains(got.Message, "no element fits") {
		t.Errorf("got %+v, want no other try on k1", got)
	}
}

// The agent of the service's domain chooses over all domains; what is on
// another domain's element is that domain's agent's.
func TestHomingAcrossDomains(t *testing.T) {
	t.Parallel()
	env := homing(nil)
	alpha, beta := twoAgents(t, env)
	alpha.create(wanting("web", object{"domainId": rel("urn:ngsi-ld:Domain:Beta")})...)
	alpha.orchestrate()
	alpha.says(componentID("web"), "Running", "")
	if got := alpha.exists("web").GetLabels()[ownerLabel]; got != beta.id {
		t.Errorf("owned by %q, want %q", got, beta.id)
	}
	if n := beta.count("homing_decisions_total"); n != 0 {
		t.Errorf("Beta's agent decided %v times for a service of Alpha's", n)
	}
	placed := alpha.toBroker.Seen(and(entityWrites, about(componentID("web"))))
	if len(placed) != 2 || containing(`"infrastructureElement"`)(placed[0]) || !containing(`"infrastructureElement"`)(placed[1]) {
		t.Errorf("Alpha's agent wrote %d times, want its claim and its choice alone", len(placed))
	}
}
