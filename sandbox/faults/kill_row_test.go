package faults_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Killed at random points while many components are made, changed and removed,
// and started again each time, the agent gets there. What was right is not
// written again, and nothing is made twice.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	names, entities := components(60)
	r.create(world()...)
	r.launch()
	r.orchestrate()
	r.create(entities...)
	random := rand.New(rand.NewPCG(1, 2))
	uids := map[string]string{}
	for range 8 {
		pass(t, time.Duration(random.IntN(1200))*time.Millisecond)
		r.agent.kill()
		for name, o := range r.list(onK8s) {
			if was, there := uids[name]; there && was != string(o.GetUID()) {
				t.Errorf("%s was made twice", name)
			}
			uids[name] = string(o.GetUID())
		}
		r.launch()
	}
	for _, name := range names {
		r.says(componentID(name), "Running", "")
	}
	for _, name := range names[:10] {
		r.patch(componentID(name), object{"containerImage": prop(image(2))})
	}
	for _, name := range names[10:20] {
		r.patch(componentID(name), object{"serviceComponentStatus": word("Removing")})
	}
	pass(t, 50*time.Millisecond)
	r.agent.kill()
	r.launch()
	for _, name := range names[:10] {
		r.await(onK8s, name, "changed", hasImage(2))
	}
	for _, name := range names[10:20] {
		r.gone(onK8s, name)
		r.says(componentID(name), "Unplaced", "Removed")
	}
	for name, o := range r.list(onK8s) {
		if was, there := uids[name]; there && was != string(o.GetUID()) {
			t.Errorf("%s was made twice", name)
		}
	}
}

// A restart with nothing changed writes nothing: not to the cluster, not to the
// broker, not even its subscriptions.
func TestRestartWritesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	names, entities := components(20)
	r.ready(entities...)
	r.rest(2 * time.Second)
	versions := map[string]string{}
	for name, o := range r.list(onK8s) {
		versions[name] = o.GetResourceVersion()
	}
	written := map[string]any{}
	for _, name := range names {
		written[name] = r.report(componentID(name)).Written
	}
	toKube, toBroker := len(r.toKube.Seen(clusterWrites)), len(r.toBroker.Seen(clusterWrites))
	r.agent.kill()
	r.start()
	r.rest(2 * time.Second)
	for name, o := range r.list(onK8s) {
		if versions[name] != o.GetResourceVersion() {
			t.Errorf("%s was rewritten", name)
		}
	}
	for _, name := range names {
		if got := r.report(componentID(name)).Written; fmt.Sprint(got) != fmt.Sprint(written[name]) {
			t.Errorf("the status of %s was rewritten at %v, after %v", name, got, written[name])
		}
	}
	if n := len(r.toKube.Seen(clusterWrites)) - toKube; n != 0 {
		t.Errorf("%d writes to the cluster", n)
	}
	if n := len(r.toBroker.Seen(clusterWrites)) - toBroker; n != 0 {
		t.Errorf("%d writes to the broker", n)
	}
}
