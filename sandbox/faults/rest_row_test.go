package faults_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// At rest nothing is exchanged but checks of the subscriptions and resyncs.
func TestAtRest(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"SUBSCRIPTION_CHECK_INTERVAL": "500ms", "RESYNC_INTERVAL": "2s"})
	_, entities := components(10)
	entities = append(entities, component("job", object{"isJob": prop(true)}))
	r.create(append(world(), entities...)...)
	r.start()
	r.orchestrate()
	for _, e := range entities[:10] {
		r.says(e["id"].(string), "Running", "")
	}
	r.says(componentID("job"), "Succeeded", "")
	r.resyncs(2)
	toBroker, toKube, notified := len(r.toBroker.Seen(nil)), len(r.toKube.Seen(nil)), len(r.toWebhook.Seen(nil))
	r.resyncs(3)
	for _, e := range r.toBroker.Seen(nil)[toBroker:] {
		if e.Method != http.MethodGet || !(aboutSubscriptions(e) || entityLists(e)) {
			t.Errorf("to the broker: %s %s?%s %s", e.Method, e.Path, e.Query, e.Body)
		}
	}
	for _, e := range r.toKube.Seen(nil)[toKube:] {
		t.Errorf("to the API server: %s %s?%s", e.Method, e.Path, e.Query)
	}
	if n := len(r.toWebhook.Seen(nil)) - notified; n != 0 {
		t.Errorf("%d notifications", n)
	}
	if n := len(r.toBroker.Seen(nil)) - toBroker; n < 10 {
		t.Errorf("%d checks and lists: the agent sleeps", n)
	}
}

// A hundred elements report load every few seconds, by patches that repeat
// unchanged attributes, which the broker notifies: no pass follows. The rate is
// that of a real continuum; the time is shorter.
func TestElementsReportLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var entities []object
	for i := range 100 {
		entities = append(entities, element(fmt.Sprintf("urn:ngsi-ld:InfrastructureElement:Alpha:m%02d", i), "Kubernetes"))
	}
	r.create(entities...)
	var placed []object
	for i, e := range entities[:20] {
		placed = append(placed, component(fmt.Sprintf("c%02d", i), object{"infrastructureElement": rel(e["id"])}))
	}
	r.ready(placed...)
	r.rest(2 * time.Second)
	passes, reads, notified := r.count("reconciles_total"), len(r.toBroker.Seen(nil)), len(r.toWebhook.Seen(nil))
	tick := time.NewTicker(30 * time.Millisecond) // each element every 3 s
	defer tick.Stop()
	for i := range 300 {
		e := entities[i%100]
		r.do(http.MethodPatch, entityPath(e["id"].(string))+"/attrs", object{
			"currentCpuUsage": prop(i), "hostname": e["hostname"], "domain": e["domain"],
			"lowLevelOrchestrator": e["lowLevelOrchestrator"], "containerTechnology": e["containerTechnology"],
		})
		<-tick.C
	}
	eventually(t, "the broker notifies of them", func() error {
		if n := len(r.toWebhook.Seen(nil)) - notified; n < 300 {
			return fmt.Errorf("%d of 300", n)
		}
		return nil
	})
	if n := r.count("reconciles_total") - passes; n != 0 {
		t.Errorf("%v passes", n)
	}
	if n := len(r.toBroker.Seen(nil)) - reads; n != 0 {
		t.Errorf("%d requests to the broker", n)
	}
	r.patch(entities[0]["id"].(string), object{"hostname": prop("renamed")})
	r.await(onK8s, "c00", "a change that matters", hasHost("renamed"))
}

// A broker that refuses every write is not stormed.
func TestNoRetryStorm(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.startsOn("web")
	r.toBroker.Inject(faults.Fault{Match: entityWrites, Do: faults.Answer(503, nil, "")})
	before := len(r.toBroker.Seen(entityWrites))
	r.phase(onK8s, "web", "Failed")
	pass(t, 5*time.Second)
	n := len(r.toBroker.Seen(entityWrites)) - before
	if n < 2 || n > 12 { // 50 ms, doubled each time
		t.Errorf("%d tries in 5 s", n)
	}
}
