package faults_test

import (
	"strings"
	"testing"
	"time"
)

// An invalid entity is refused with its reason, alone; it is tried again when
// the cause changes, and costs nothing until then.
func TestInvalidEntities(t *testing.T) {
	t.Parallel()
	port := func(number any) object {
		return object{"id": "urn:ngsi-ld:NetworkPort:p1", "type": "NetworkPort", "portNumber": prop(number), "portProtocol": prop("tcp")}
	}
	const nowhere = "urn:ngsi-ld:InfrastructureElement:Alpha:nowhere"
	for name, c := range map[string]struct {
		bad           object // attributes of the component
		with          []object
		phase, reason string
		message       string // a part of it
		cure          func(r *rig)
	}{
		"no image": {
			bad: object{"containerImage": nil}, phase: "Refused", reason: "NoImage", message: "no container image",
			cure: func(r *rig) { r.patch(componentID("bad"), object{"containerImage": prop(image(1))}) },
		},
		"port 70000": {
			bad: object{"networkPorts": rel([]string{"urn:ngsi-ld:NetworkPort:p1"})}, with: []object{port(70000)},
			phase: "Refused", reason: "InvalidPort", message: "70000",
			cure: func(r *rig) { r.patch("urn:ngsi-ld:NetworkPort:p1", object{"portNumber": prop(7000)}) },
		},
		"unknown technology": {
			bad: object{"infrastructureElement": rel(nowhere)}, with: []object{element(nowhere, "Abacus"), lowLevel("Alpha", "Abacus")},
			phase: "Pending", reason: "", message: "",
			cure: func(r *rig) { r.patch(nowhere, object{"containerTechnology": prop("Kubernetes")}) },
		},
		"missing element": {
			bad: object{"infrastructureElement": rel(nowhere)}, phase: "Pending", message: nowhere,
			cure: func(r *rig) { r.create(element(nowhere, "Kubernetes")) },
		},
		"missing port": {
			bad: object{"networkPorts": rel([]string{"urn:ngsi-ld:NetworkPort:p1"})}, phase: "Pending", message: "urn:ngsi-ld:NetworkPort:p1",
			cure: func(r *rig) { r.create(port(80)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.create(append(world(), c.with...)...)
			r.start()
			r.orchestrate()
			r.create(component("bad", c.bad), component("good", nil))
			r.says(componentID("good"), "Running", "")
			got := r.says(componentID("bad"), c.phase, c.reason)
			if !strings.Contains(got.Message, c.message) || got.Reason == "" {
				t.Errorf("got %+v, want a message with %q and a reason", got, c.message)
			}
			r.rest(time.Second)
			asked := len(r.toBroker.Seen(nil)) + len(r.toKube.Seen(clusterWrites))
			pass(t, 3*time.Second)
			if n := len(r.toBroker.Seen(nil)) + len(r.toKube.Seen(clusterWrites)) - asked; n != 0 {
				t.Errorf("%d requests while nothing changed", n)
			}
			c.cure(r)
			r.says(componentID("bad"), "Running", "")
		})
	}
}

// Two ids that meet at one name: the holder keeps it, the other waits, names
// the holder, and has the name once it is free.
func TestNameHeldByAnotherEntity(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("a-b", nil))
	was := r.exists("a-b").GetUID()
	second := strings.Replace(componentID("a-b"), "a-b", "a_b", 1)
	entity := component("a-b", nil)
	entity["id"], entity["containerImage"] = second, prop(image(2))
	r.create(entity)
	got := r.says(second, "Pending", "NameHeld")
	if !strings.Contains(got.Message, componentID("a-b")) {
		t.Errorf("message %q does not name %s", got.Message, componentID("a-b"))
	}
	if o := r.exists("a-b"); o.GetUID() != was || imageOf(o) != image(1) {
		t.Errorf("the holder's object was changed: image %s", imageOf(o))
	}
	r.patch(componentID("a-b"), object{"serviceComponentStatus": word("Removing")})
	r.await(onK8s, "a-b", "the other has it", hasImage(2))
	r.says(second, "Running", "")
}

// A resource without our mark is never changed or deleted.
func TestForeignObject(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.create(world()...)
	r.start()
	made := r.foreign("web", nil, nil)
	r.create(component("web", nil))
	r.says(componentID("web"), "Pending", "NameHeld")
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	r.says(componentID("web"), "Unplaced", "Removed")
	if o := r.exists("web"); o.GetUID() != made.GetUID() || o.GetResourceVersion() != made.GetResourceVersion() {
		t.Error("the foreign object was changed")
	}
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Starting"), "infrastructureElement": rel(k1)})
	r.says(componentID("web"), "Pending", "NameHeld")
	r.objects.delete(onK8s, "web")
	r.await(onK8s, "web", "ours now", hasImage(1))
}
