package faults_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// A lost notification is made up for by the resync.
func TestNotificationLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"RESYNC_INTERVAL": "2s"})
	r.ready(component("web", nil))
	r.loseChange("web", 2)
	r.await(onK8s, "web", "lost change", hasImage(2))
	r.lose(containing(componentID("new")), func() { r.create(component("new", nil)) })
	r.exists("new")
	r.lose(containing(`"deletedAt"`), func() { r.remove(componentID("new")) })
	r.gone(onK8s, "new")
	r.lose(containing("renamed"), func() { r.patch(k1, object{"hostname": prop("renamed")}) })
	r.await(onK8s, "web", "lost change of the element", hasHost("renamed"))
}

// The echo of a report that comes while a list is under way is older than the list: it
// does not hide what was lost and is listed.
func TestEchoComesDuringAList(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	r.rest(time.Second)
	echo := r.notification(now(0), r.entity(componentID("web")))
	r.loseChange("web", 2)
	accepted, lists, gate := r.count("notifications_total", `result="accepted"`), len(r.toBroker.Seen(componentLists)), make(chan struct{})
	r.toBroker.Inject(faults.Fault{Match: componentLists, Times: 1, Do: faults.Hold(gate)})
	r.askForResync()
	eventually(t, "the list is asked for", func() error {
		return differ("lists", len(r.toBroker.Seen(componentLists)), lists+1)
	})
	r.notify(echo, nil)
	eventually(t, "the echo is taken in", func() error {
		n, err := r.metric("notifications_total", `result="accepted"`)
		return errors.Join(err, differ("accepted", n, accepted+1))
	})
	close(gate)
	r.await(onK8s, "web", "the lost change", hasImage(2))
}

// A notification that comes twice, or many times, is done once.
func TestNotificationDoubled(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.toWebhook.Inject(faults.Fault{Do: faults.Twice})
	r.create(world()...)
	r.start()
	r.orchestrate()
	r.create(component("web", nil))
	r.says(componentID("web"), "Running", "")
	once(t, r, "web")
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.await(onK8s, "web", "changed", hasImage(2))
	eventually(t, "the report is on the new generation", func() error {
		return differ("observedGeneration", at(r.entity(componentID("web")), "deploymentStatus", "value", "observedGeneration"), 2)
	})
	r.rest(time.Second)
	writes := len(r.toKube.Seen(clusterWrites))
	bodies := r.toWebhook.Seen(nil)
	for _, e := range bodies {
		r.notify(e.Body, nil)
	}
	r.rest(2 * time.Second)
	if n := len(r.toKube.Seen(clusterWrites)) - writes; n != 0 {
		t.Errorf("old notifications once more caused %d writes to the cluster", n)
	}
	if got := imageOf(r.exists("web")); got != image(2) {
		t.Errorf("image %s after old notifications, want %s", got, image(2))
	}
}

// Notifications that come late and out of order never bring an old state back.
func TestNotificationsOutOfOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	var gates []chan struct{}
	for version := 2; version <= 4; version++ {
		gate := make(chan struct{})
		gates = append(gates, gate)
		remove := r.toWebhook.Inject(faults.Fault{Match: containing(image(version)), Do: faults.Hold(gate)})
		defer remove()
		r.patch(componentID("web"), object{"containerImage": prop(image(version))})
	}
	close(gates[2])
	r.await(onK8s, "web", "the newest", hasImage(4))
	close(gates[0])
	close(gates[1])
	eventually(t, "the late ones are answered", func() error {
		got := r.toWebhook.Seen(func(e faults.Exchange) bool {
			return e.Status == http.StatusNoContent && (containing(image(2))(e) || containing(image(3))(e))
		})
		if len(got) < 2 {
			return fmt.Errorf("%d of 2", len(got))
		}
		return nil
	})
	always(t, 2*time.Second, "the newest stays", func() error { return hasImage(4)(r.exists("web")) })
	if got := r.exists("web").GetGeneration(); got != 2 {
		t.Errorf("generation %d, want 2: it went back and forth", got)
	}
}

// Two writers' notifications: the second carries the first's attribute as it
// was before. The broker decides, not the last word.
func TestNotificationStaleInAnotherAttribute(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	stale := r.entity(componentID("web"))
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.await(onK8s, "web", "changed", hasImage(2))
	stale["exposePorts"] = prop(true)
	r.lose(containing(`"exposePorts"`), func() { r.patch(componentID("web"), object{"exposePorts": prop(true)}) })
	r.notify(r.notification(now(0), stale), nil)
	o := r.await(onK8s, "web", "the second writer's change", isExposed)
	if got := imageOf(o); got != image(2) {
		t.Errorf("image %s, want %s: the stale attribute was believed", got, image(2))
	}
	r.rest(time.Second)
	if o := r.exists("web"); imageOf(o) != image(2) || isExposed(o) != nil {
		t.Errorf("image %s, %v", imageOf(o), isExposed(o))
	}
}

// Attributes malformed as Orion-LD sends them are not believed; the broker is
// asked. Each body says something false that an honest reader could take.
func TestNotificationMalformed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ broken, instead string }{
		"relationship with value": {`{"object":"` + k1 + `","type":"Relationship"}`, `{"type":"Relationship","value":"` + k2 + `"}`},
		"no value":                {`{"type":"Property","value":"` + image(1) + `"}`, `{"type":"Property"}`},
		"only a time":             {`{"type":"Property","value":"` + image(1) + `"}`, `{"observedAt":{"value":1777939200}}`},
		"one key twice":           {`"containerImage":`, `"containerImage":{"type":"Property","value":"` + image(9) + `"},"containerImage":`},
		"key twice, wrong last":   {`"containerImage":{"type":"Property","value":"` + image(1) + `"}`, `"containerImage":{"type":"Property","value":"` + image(1) + `"},"containerImage":{"type":"Property","value":"` + image(9) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.ready(component("web", nil))
			was := r.exists("web")
			text, err := json.Marshal(r.entity(componentID("web")))
			must(t, err)
			wrong := strings.Replace(string(text), c.broken, c.instead, 1)
			if wrong == string(text) {
				t.Fatalf("%s is not in %s", c.broken, text)
			}
			r.rest(time.Second)
			reads, writes := len(r.toBroker.Seen(entityReads)), len(r.toBroker.Seen(clusterWrites))
			// Long after the last notification, so that its nearness is no cause of doubt.
			r.notify(r.notification(now(time.Hour), json.RawMessage(wrong)), nil)
			eventually(t, "the broker is asked", func() error {
				if len(r.toBroker.Seen(entityReads)) == reads {
					return fmt.Errorf("no read")
				}
				return nil
			})
			r.rest(time.Second)
			now := r.exists("web")
			if now.GetUID() != was.GetUID() || now.GetGeneration() != was.GetGeneration() {
				t.Errorf("the object was changed: image %s, element %s", imageOf(now), elementOf(now))
			}
			for _, e := range r.toBroker.Seen(clusterWrites)[writes:] {
				t.Errorf("written to the broker: %s", e.Body)
			}
		})
	}
}

// A false notice of deletion, in each of its shapes, deletes nothing.
func TestNotificationOfDeletionIsProved(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	was := r.exists("web").GetUID()
	for _, notice := range []object{
		{"id": componentID("web"), "type": "ServiceComponent", "deletedAt": now(0)},
		{"id": componentID("web"), "type": "ServiceComponent"},
		{"id": componentID("web"), "type": "https://uri.etsi.org/ngsi-ld/default-context/ServiceComponent", "deletedAt": prop(now(0))},
	} {
		reads := len(r.toBroker.Seen(entityReads))
		r.notify(r.notification(now(0), notice), nil)
		eventually(t, "the broker is asked", func() error {
			if len(r.toBroker.Seen(entityReads)) == reads {
				return fmt.Errorf("no read")
			}
			return nil
		})
		r.rest(500 * time.Millisecond)
		if got := r.exists("web"); got.GetUID() != was {
			t.Fatalf("after %v the object is another one", notice)
		}
	}
	r.remove(componentID("web")) // a true one
	r.gone(onK8s, "web")
}

// containing matches bodies that hold a text.
func containing(text string) faults.Match {
	return func(e faults.Exchange) bool { return strings.Contains(string(e.Body), text) }
}
