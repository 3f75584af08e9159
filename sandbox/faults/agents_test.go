package faults_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

const b1 = "urn:ngsi-ld:InfrastructureElement:Beta:b1"

// twoAgents are the agents of domains Alpha and Beta on one broker and in one
// namespace, with a component each.
func twoAgents(t *testing.T, env map[string]string) (alpha, beta *rig) {
	t.Helper()
	server := cluster.Server(t)
	namespace, broker := kubetest.Namespace(t, server), startBroker(t)
	alpha = newRigAt(t, server, namespace, broker, "Alpha", env)
	beta = newRigAt(t, server, namespace, broker, "Beta", env)
	alpha.create(append(world(), domain("Beta", false), lowLevel("Beta", "Kubernetes"), element(b1, "Kubernetes"),
		component("a", nil), component("b", object{"infrastructureElement": rel(b1)}))...)
	alpha.start()
	beta.start()
	alpha.orchestrate()
	alpha.says(componentID("a"), "Running", "")
	alpha.says(componentID("b"), "Running", "")
	return alpha, beta
}

// touched are the requests of an agent that change something of a component
// that is not its own.
func touched(r *rig, foreign ...string) []string {
	var found []string
	for _, name := range foreign {
		for _, e := range append(r.toKube.Seen(and(clusterWrites, about(objectName(name)))),
			r.toBroker.Seen(and(clusterWrites, about(componentID(name))))...) {
			found = append(found, fmt.Sprintf("%s %s %s", e.Method, e.Path, e.Body))
		}
	}
	return found
}

// Two agents on one broker and one cluster never touch each other's.
func TestTwoAgents(t *testing.T) {
	t.Parallel()
	alpha, beta := twoAgents(t, map[string]string{"RESYNC_INTERVAL": "1s", "SUBSCRIPTION_CHECK_INTERVAL": "1s"})
	for name, want := range map[string]string{"a": alpha.id, "b": beta.id} {
		if got := alpha.exists(name).GetLabels()[ownerLabel]; got != want {
			t.Errorf("%s is owned by %q, want %q", name, got, want)
		}
	}
	alpha.create(component("unplaced", object{"infrastructureElement": nil}))
	alpha.says(componentID("unplaced"), "Unplaced", "AwaitingPlacement")

	alpha.merge(onK8s, "b", object{"spec": object{"image": "evil:1"}})
	alpha.await(onK8s, "b", "put right by its own agent", hasImage(1))
	alpha.patch(componentID("b"), object{"containerImage": prop(image(2))})
	alpha.await(onK8s, "b", "changed by its own agent", hasImage(2))
	beta.agent.kill() // with nobody there for it, b stays as it is
	alpha.drop(componentID("b"))
	alpha.resyncs(3)
	alpha.exists("b")
	beta.launch()
	alpha.gone(onK8s, "b")

	if found := touched(alpha, "b"); len(found) > 0 {
		t.Errorf("Alpha's agent touched Beta's component:\n%s", strings.Join(found, "\n"))
	}
	if found := touched(beta, "a", "unplaced"); len(found) > 0 {
		t.Errorf("Beta's agent touched Alpha's component, or the unplaced:\n%s", strings.Join(found, "\n"))
	}
	for _, r := range []struct{ by, of *rig }{{alpha, beta}, {beta, alpha}} {
		if found := r.by.toBroker.Seen(and(aboutSubscriptions, clusterWrites, about(r.of.id))); len(found) > 0 {
			t.Errorf("%s changed a subscription of %s: %v", r.by.id, r.of.id, found)
		}
	}
}

// A component that moves to the other domain is taken over by its agent once the
// name is free; nobody steals it.
func TestMoveToAnotherDomain(t *testing.T) {
	t.Parallel()
	alpha, beta := twoAgents(t, nil)
	was := alpha.exists("a").GetUID()
	alpha.patch(componentID("a"), object{"infrastructureElement": rel(b1)})
	got := alpha.says(componentID("a"), "Pending", "NameHeld")
	if !strings.Contains(got.Message, alpha.id) {
		t.Errorf("message %q does not name the holder %s", got.Message, alpha.id)
	}
	pass(t, time.Second)
	if o := alpha.exists("a"); o.GetUID() != was || o.GetLabels()[ownerLabel] != alpha.id {
		t.Error("the object was stolen")
	}
	alpha.patch(componentID("a"), object{"serviceComponentStatus": word("Removing")})
	alpha.gone(onK8s, "a")
	if deleted := beta.toKube.Seen(and(method("DELETE"), about(objectName("a")))); len(deleted) > 0 {
		t.Errorf("Beta's agent deleted Alpha's object: %v", deleted)
	}
}

// Another agent's object that says it is for an entity of ours is not ours.
func TestForeignOwner(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"RESYNC_INTERVAL": "500ms"})
	r.ready(component("web", nil))
	made := r.foreign("other", map[string]string{ownerLabel: "somebody"}, map[string]string{entityMark: componentID("other"), originMark: "broker"})
	held := r.foreign("held", map[string]string{ownerLabel: "somebody"}, map[string]string{entityMark: componentID("held"), originMark: "broker"})
	r.create(component("held", nil))
	r.says(componentID("held"), "Pending", "NameHeld")
	r.patch(componentID("held"), object{"serviceComponentStatus": word("Removing")})
	r.says(componentID("held"), "Unplaced", "Removed")
	r.resyncs(4)
	for name, was := range map[string]string{"other": string(made.GetUID()), "held": string(held.GetUID())} {
		if o := r.exists(name); string(o.GetUID()) != was || imageOf(o) != "somebody/else:1" {
			t.Errorf("the object of %s was changed: %s", name, imageOf(o))
		}
	}
	if writes := r.toKube.Seen(and(clusterWrites, about("other"))); len(writes) > 0 {
		t.Errorf("%d writes to another agent's object", len(writes))
	}
}
