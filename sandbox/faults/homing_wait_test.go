package faults_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

const k3 = "urn:ngsi-ld:InfrastructureElement:Alpha:k3"

// Where nothing fits the component says why, for each constraint, and is placed
// when an element comes that does.
func TestHomingWaitsForAnElement(t *testing.T) {
	t.Parallel()
	r := newRig(t, homing(nil))
	r.create(append(alpha(1000, 2000), wanting("web", object{"requiredRam": prop(1500), "cpuArchitecture": rel("urn:ngsi-ld:CpuArchitecture:arm64")})...)...)
	r.start()
	r.orchestrate()
	got := r.says(componentID("web"), "Unplaced", "NoElementFits")
	for _, want := range []string{"of 2", "capacity 1", "cpuArchitecture 2", "cannot hold together"} {
		if !strings.Contains(got.Message, want) {
			t.Errorf("the message lacks %q: %s", want, got.Message)
		}
	}
	if got.Word != "Starting" {
		t.Errorf("word %s, want Starting", got.Word)
	}
	r.rest(time.Second)
	before := r.count("homing_decisions_total", `result="none"`)
	r.patch(k1, object{"currentCpuUsage": prop(8), "availableRam": prop(1010)})
	r.rest(2 * time.Second)
	if n := r.count("homing_decisions_total", `result="none"`); n != before {
		t.Errorf("solved %v times again because a figure moved", n-before)
	}
	arm := roomy(k3, 4000)
	arm["cpuArchitecture"] = rel("urn:ngsi-ld:CpuArchitecture:ARM64")
	r.create(arm)
	r.says(componentID("web"), "Running", "")
	r.isOn("web", k3)
}

// A component that is to be placed anew says so, though what it had before still
// runs: a report over the order would lose it with the agent.
func TestHomingAnewStaysOrdered(t *testing.T) {
	t.Parallel()
	r := newRig(t, homing(nil))
	web := wanting("web", ram(500))
	r.create(append(alpha(1000, 2000), web...)...)
	r.start()
	r.orchestrate()
	r.says(componentID("web"), "Running", "")
	was, wants := r.uids(), web[0]["id"].(string)
	r.patch(wants, object{"requiredRam": prop(9000)})
	r.patch(componentID("web"), object{"infrastructureElement": null(), "serviceComponentStatus": rel("urn:ngsi-ld:ServiceComponentStatus:Starting")})
	if got := r.says(componentID("web"), "Unplaced", "NoElementFits"); got.Word != "Starting" || !strings.Contains(got.Message, "stays") {
		t.Errorf("got %+v, want it Starting still, and a word of the object that stays", got)
	}
	if got := r.uids(); got != was {
		t.Errorf("objects before:\n%s\nafter:\n%s", was, got)
	}
	r.agent.kill()
	r.start()
	r.patch(wants, object{"requiredRam": prop(500)})
	r.says(componentID("web"), "Running", "")
	if r.report(componentID("web")).Element == "" {
		t.Error("it runs, and no element was chosen")
	}
}

// The requirements are an input as well: what was missing, unreadable or too
// much is looked at again when it changes.
func TestHomingFollowsRequirements(t *testing.T) {
	t.Parallel()
	r := newRig(t, homing(nil))
	web := wanting("web", ram(9000))
	r.create(append(alpha(1000, 2000), web[1])...)
	r.start()
	r.orchestrate()
	r.says(componentID("web"), "Unplaced", "RequirementsMissing")
	r.create(web[0])
	r.says(componentID("web"), "Unplaced", "NoElementFits")
	wants := web[0]["id"].(string)
	r.patch(wants, object{"area": prop("nowhere")})
	got := r.says(componentID("web"), "Refused", "RequirementsInvalid")
	if !strings.Contains(got.Message, "area") {
		t.Errorf("message %q does not name the area", got.Message)
	}
	r.agent.kill() // a restart does not take Failed for the end
	r.start()
	r.patch(wants, object{"area": null(), "requiredRam": prop(1500)})
	r.says(componentID("web"), "Running", "")
	r.isOn("web", k2)
}

// A service's own template decides; a bad one is refused with everything that
// is wrong with it, until there is a better one.
func TestHomingTemplate(t *testing.T) {
	t.Parallel()
	r := newRig(t, homing(nil))
	template := func(category, db string) object {
		return prop("homing_template_version: 2018-02-01\ndemands:\n" +
			"  web: [{inventory_provider: aerios, inventory_type: infrastructure_element}]\n" +
			"  " + db + ": [{inventory_provider: aerios, inventory_type: infrastructure_element}]\n" +
			"constraints:\n  apart: {type: zone, demands: [web, " + db + "], properties: {qualifier: different, category: " + category + "}}\n")
	}
	r.create(alpha(3000, 6000)...)
	r.patch(service, object{"homingTemplate": template("planet", "data")})
	for _, e := range append(wanting("db", nil), wanting("web", nil)...) {
		r.create(e)
	}
	r.start()
	r.orchestrate()
	got := r.says(componentID("web"), "Refused", "TemplateInvalid")
	if !strings.Contains(got.Message, "constraints.apart.properties.category") || got.Word != "Failed" {
		t.Errorf("got %+v, want the wrong category", got)
	}
	r.patch(service, object{"homingTemplate": template("element", "data")})
	eventually(t, "the names are wrong", func() error {
		if got := r.report(componentID("web")); !strings.Contains(got.Message, "demands.data") {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	r.patch(service, object{"homingTemplate": template("element", "db")})
	r.says(componentID("web"), "Running", "")
	r.says(componentID("db"), "Running", "")
	web, db := r.report(componentID("web")).Element, r.report(componentID("db")).Element
	if web == db {
		t.Errorf("both on %s, and the template wants them apart", web)
	}
	if got := r.decision("web", "template"); got != "service" {
		t.Errorf("homingDecision.template is %q", got)
	}
	// A component that comes later takes its place beside those that are there.
	if n := r.count("homing_decisions_total", `result="placed"`); n != 2 {
		t.Errorf("placed %v, want 2", n)
	}
}

// Two services at once never get the same memory.
func TestHomingDoesNotOverbook(t *testing.T) {
	t.Parallel()
	r := newRig(t, homing(nil))
	other := "urn:ngsi-ld:Service:rival"
	r.create(append(alpha(5000, 500), object{"id": other, "type": "Service", "domainHandler": rel("urn:ngsi-ld:Domain:Alpha")})...)
	r.start()
	both := append(wanting("web", ram(3000)), wanting("mail", ram(3000))...)
	both[3]["service"] = rel(other)
	r.create(both...)
	placed := ""
	eventually(t, "one is placed, the other is not", func() error {
		web, mail := r.report(componentID("web")), r.report(componentID("mail"))
		switch {
		case web.Element != "" && mail.Reason == "NoElementFits":
			placed = "web"
		case mail.Element != "" && web.Reason == "NoElementFits":
			placed = "mail"
		default:
			return fmt.Errorf("web %+v, mail %+v", web, mail)
		}
		return nil
	})
	waits := map[string]string{"web": "mail", "mail": "web"}[placed]
	r.agent.kill() // what is promised is found again in the broker
	r.start()
	r.rest(2 * time.Second)
	r.patch(service, object{"homingTemplate": null()}) // nothing, but the room is looked at again
	r.create(roomy(k3, 600))
	r.rest(2 * time.Second)
	if got := r.report(componentID(waits)); got.Element != "" {
		t.Fatalf("both were placed on 5000 MB: %+v", got)
	}
	r.patch(componentID(placed), object{"serviceComponentStatus": word("Removing")})
	r.says(componentID(placed), "Unplaced", "Removed")
	r.create(roomy("urn:ngsi-ld:InfrastructureElement:Alpha:k4", 700)) // has the elements looked at
	r.isOn(waits, k1)
}

// The broker refuses the choice for a while: it is written as soon as it can
// be, and exactly once.
func TestHomingWhileTheBrokerRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, homing(nil))
	r.create(alpha(3000, 6000)...)
	r.start()
	r.orchestrate()
	choice := and(entityWrites, containing("homingDecision"))
	recover := r.toBroker.Inject(faults.Fault{Match: choice, Do: faults.Answer(http.StatusServiceUnavailable, nil, "")})
	r.create(wanting("web", ram(1000))...)
	eventually(t, "it is refused three times", func() error {
		if n := len(r.toBroker.Seen(choice)); n < 3 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
	if r.find(onK8s, "web") != nil {
		t.Error("there is an object before the element was written")
	}
	recover()
	r.says(componentID("web"), "Running", "")
	written := 0
	for _, e := range r.toBroker.Seen(choice) {
		if e.Status == http.StatusNoContent {
			written++
		}
	}
	if written != 1 {
		t.Errorf("written %d times", written)
	}
	if n := r.count("homing_decisions_total", `result="placed"`); n != 1 {
		t.Errorf("placed %v, want 1", n)
	}
}

// An agent that is killed between the choice and the object goes on with the
// same choice; killed before the choice was written, it chooses again.
func TestHomingRestart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stop   func(*rig) func()
		chosen bool
		again  float64
	}{
		"before it is written": {stop: func(r *rig) func() {
			return r.toBroker.Inject(faults.Fault{Match: and(entityWrites, containing("homingDecision")), Do: faults.Answer(http.StatusServiceUnavailable, nil, "")})
		}, again: 1},
		"before it is applied": {stop: func(r *rig) func() {
			return r.toKube.Inject(faults.Fault{Match: clusterWrites, Do: faults.Answer(http.StatusServiceUnavailable, nil, "")})
		}, chosen: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, homing(nil))
			r.create(alpha(3000, 6000)...)
			r.start()
			r.orchestrate()
			recover := c.stop(r)
			r.create(wanting("web", ram(1000))...)
			if c.chosen {
				r.isOn("web", k2)
			} else {
				eventually(t, "it is chosen", func() error {
					if n, err := r.metric("homing_decisions_total", `result="chosen"`); err != nil || n < 1 {
						return fmt.Errorf("chosen: %v %v", n, err)
					}
					return nil
				})
			}
			was := r.decision("web", "decidedAt")
			r.agent.kill()
			recover()
			r.start()
			r.says(componentID("web"), "Running", "")
			r.isOn("web", k2)
			if got := r.decision("web", "decidedAt"); c.chosen && got != was {
				t.Errorf("decided again at %s, was %s", got, was)
			}
			if n := r.count("homing_decisions_total", `result="placed"`); n != c.again {
				t.Errorf("placed %v after the restart, want %v", n, c.again)
			}
		})
	}
}
