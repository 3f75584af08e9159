package faults_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Many entities gone at once trip the guard: nothing goes, the metric and the
// log say so, and prune lists and approves exactly those.
func TestGuard(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"RESYNC_INTERVAL": "1s", "PRUNE_MIN": "2", "PRUNE_MAX_PERCENT": "20"})
	names, entities := components(12)
	r.ready(entities...)
	was := r.uids()
	r.drop(componentIDs(names[:6])...)
	r.held(6)
	r.resyncs(3)
	if got := r.uids(); got != was {
		t.Fatalf("objects before:\n%s\nafter:\n%s", was, got)
	}
	if text := r.agent.said.String(); strings.Count(text, "too many entities are missing") != 1 {
		t.Errorf("the log says it %d times, want once", strings.Count(text, "too many entities are missing"))
	}

	out, err := r.command("prune")
	must(t, err)
	for i, name := range names {
		if listed := strings.Contains(out, objectName(name)); listed != (i < 6) {
			t.Errorf("%s listed: %v in\n%s", name, listed, out)
		}
	}
	digest := regexp.MustCompile(`--confirm ([0-9a-f]+)`).FindStringSubmatch(out)
	if digest == nil {
		t.Fatalf("no digest in\n%s", out)
	}
	if out, err := r.command("prune", "--confirm", "000000000000"); err == nil {
		t.Errorf("a wrong digest was taken:\n%s", out)
	}
	r.create(component("c00", nil)) // it is back: the list is another one now
	r.held(5)
	if out, err := r.command("prune", "--confirm", digest[1]); err == nil {
		t.Errorf("an old digest was taken:\n%s", out)
	}
	if got := r.uids(); got != was {
		t.Fatalf("objects before:\n%s\nafter:\n%s", was, got)
	}
	out, err = r.command("prune")
	must(t, err)
	digest = regexp.MustCompile(`--confirm ([0-9a-f]+)`).FindStringSubmatch(out)
	out, err = r.command("prune", "--confirm", digest[1])
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, name := range names {
		if 1 <= i && i < 6 {
			r.gone(onK8s, name)
		} else {
			r.exists(name)
		}
	}
	r.held(0)
	if out, err := r.command("prune", "--confirm", digest[1]); err != nil || strings.Contains(out, "deleted") {
		t.Errorf("the second time: %v\n%s", err, out)
	}
}

// held waits until the guard's metric says n.
func (r *rig) held(n int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("the guard holds %d", n), func() error {
		got, err := r.metric("guard_held_entities")
		if err == nil {
			err = differ("held", got, n)
		}
		return err
	})
}

// Deletions that are notified one by one count as well; ordered removals do not.
func TestGuardCountsNotifiedDeletions(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"PRUNE_MIN": "2", "PRUNE_MAX_PERCENT": "10"})
	names, entities := components(10)
	r.ready(entities...)
	for _, name := range names[:4] {
		r.patch(componentID(name), object{"serviceComponentStatus": word("Removing")})
	}
	for _, name := range names[:4] {
		r.says(componentID(name), "Unplaced", "Removed")
	}
	for _, name := range names[4:6] {
		r.remove(componentID(name))
		r.gone(onK8s, name)
	}
	for _, name := range names[6:9] {
		r.remove(componentID(name))
	}
	r.held(3)
	pass(t, time.Second)
	for _, name := range names[6:] {
		r.exists(name)
	}
	for _, name := range names[6:9] {
		r.create(component(name, nil))
	}
	r.held(0)
	for _, name := range names[6:] {
		r.exists(name)
	}
}

// A broker that lost everything and takes new subscriptions proves every single
// absence; the guard is what is left.
func TestBrokerWiped(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"RESYNC_INTERVAL": "1s", "SUBSCRIPTION_CHECK_INTERVAL": "500ms"})
	_, entities := components(30)
	r.ready(entities...)
	was := r.uids()
	r.brokerProcess.process.kill()
	r.brokerProcess.start()
	r.held(30)
	r.resyncs(3)
	if got := r.uids(); got != was {
		t.Errorf("objects before:\n%s\nafter:\n%s", was, got)
	}
}
