package faults_test

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// homing are the settings of an agent that chooses elements.
func homing(more map[string]string) map[string]string {
	env := map[string]string{"HOMING": "auto", "HOMING_GRACE": "1s"}
	maps.Copy(env, more)
	return env
}

// roomy is an element with so much free memory, in MB.
func roomy(id string, ram int) object {
	e := element(id, "Kubernetes")
	maps.Copy(e, object{
		"cpuCores": prop(8), "ramCapacity": prop(16384), "availableRam": prop(ram), "avgPowerConsumption": prop(10),
		"cpuArchitecture":             rel("urn:ngsi-ld:CpuArchitecture:AMD64"),
		"infrastructureElementStatus": rel("urn:ngsi-ld:InfrastructureElementStatus:Ready"),
	})
	return e
}

// wanting is a Starting component without an element, and what it requires.
func wanting(name string, required object) []object {
	wants := object{"id": componentID(name) + ":InfrastructureElementRequirements", "type": "InfrastructureElementRequirements"}
	maps.Copy(wants, required)
	return []object{wants, component(name, object{
		"infrastructureElement": nil, "infrastructureElementRequirements": rel(wants["id"]),
	})}
}

func ram(mb int) object { return object{"requiredRam": prop(mb)} }

// field is a part of homingDecision.
func (b *brokerProcess) decision(component, key string) string {
	b.t.Helper()
	text, _ := at(b.entity(componentID(component)), "homingDecision", "value", key).(string)
	return text
}

// isOn waits until a component is placed on an element.
func (b *brokerProcess) isOn(component, element string) {
	b.t.Helper()
	eventually(b.t, component+" is placed", func() error {
		return differ("element", "urn:ngsi-ld:InfrastructureElement:"+b.report(componentID(component)).Element, element)
	})
}

// alpha is the domain with two elements of the given free memory.
func alpha(k1ram, k2ram int) []object {
	return []object{
		domain("Alpha", true), lowLevel("Alpha", "Kubernetes"), roomy(k1, k1ram), roomy(k2, k2ram),
		{"id": service, "type": "Service", "actionType": prop("DEPLOYING"), "domainHandler": rel("urn:ngsi-ld:Domain:Alpha")},
	}
}

// All components of a service are placed together, in one PATCH each with the
// reasons, and the main path goes on from there.
func TestHomingPlacesAService(t *testing.T) {
	t.Parallel()
	r := newRig(t, homing(nil))
	r.create(alpha(3000, 6000)...)
	r.start()
	r.orchestrate()
	for _, e := range append(wanting("db", ram(5000)), wanting("web", ram(2000))...) {
		r.create(e)
	}
	r.says(componentID("db"), "Running", "")
	r.says(componentID("web"), "Running", "")
	r.isOn("db", k2)
	r.isOn("web", k1)
	writes := r.toBroker.Seen(entityWrites)
	for _, e := range writes {
		if containing("homingDecision")(e) != containing(`"infrastructureElement":`)(e) {
			t.Errorf("not in one PATCH: %s", e.Body)
		}
	}
	for key, want := range map[string]string{"element": k1, "cause": "Starting", "template": "generated", "proof": "optimal", "previous": ""} {
		if got := r.decision("web", key); got != want {
			t.Errorf("homingDecision.%s is %q, want %q", key, got, want)
		}
	}
	if got := r.decision("db", "removed"); got != "capacity 1" {
		t.Errorf("removed: %q, want what capacity removed", got)
	}
	eventually(t, "the service is deployed", func() error {
		return differ("action", at(r.entity(service), "actionType", "value"), "DEPLOYED")
	})
	if n := r.count("homing_decisions_total", `result="chosen"`); n != 1 {
		t.Errorf("solved %v times, want once for both", n)
	}
	if n := r.count("homing_decisions_total", `result="placed"`); n != 2 {
		t.Errorf("placed %v, want 2", n)
	}
}

// HOMING=off, the default, leaves everything to whoever else chooses.
func TestHomingOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.create(append(alpha(3000, 6000), wanting("web", ram(1000))...)...)
	r.start()
	r.says(componentID("web"), "Unplaced", "AwaitingPlacement")
	r.rest(2 * time.Second)
	e := r.entity(componentID("web"))
	if e["infrastructureElement"] != nil || e["homingDecision"] != nil {
		t.Errorf("it was placed: %v", e)
	}
	if got := r.report(componentID("web")).Word; got != "Starting" {
		t.Errorf("word %s, want Starting", got)
	}
	for _, s := range r.toBroker.Seen(nil) {
		if strings.Contains(s.Query, "PowerSource") {
			t.Errorf("it read the elements: %s", s.Query)
		}
	}
}
