package faults_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// What anybody does to the subscription is repaired, and what was missed
// meanwhile is found, long before any resync is due.
func TestSubscriptionSpoilt(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(r *rig, path string){
		"deleted":     func(r *rig, path string) { r.do(http.MethodDelete, path, nil) },
		"deactivated": func(r *rig, path string) { r.do(http.MethodPatch, path, object{"isActive": false}) },
		"throttled":   func(r *rig, path string) { r.do(http.MethodPatch, path, object{"throttling": 3600}) },
		"watching too few": func(r *rig, path string) {
			r.do(http.MethodPatch, path, object{"watchedAttributes": []string{"nothing"}})
		},
		"for another type": func(r *rig, path string) {
			r.do(http.MethodPatch, path, object{"entities": []object{{"type": "Other"}}})
		},
		"pointing elsewhere": func(r *rig, path string) {
			r.do(http.MethodPatch, path, object{"notification": object{"endpoint": object{"uri": "http://127.0.0.1:9/notify", "accept": "application/json"}}})
		},
		"without attributes": func(r *rig, path string) {
			r.do(http.MethodPatch, path, object{"notification": object{"attributes": []string{"service"}}})
		},
		"expiring": func(r *rig, path string) {
			r.do(http.MethodPatch, path, object{"expiresAt": now(1500 * time.Millisecond)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"SUBSCRIPTION_CHECK_INTERVAL": "2s"})
			r.ready(component("web", nil), component("api", nil))
			spoil(r, "/ngsi-ld/v1/subscriptions/"+r.subscriptionID("components"))
			r.lose(nil, func() { // where it is still sent
				r.patch(componentID("web"), object{"containerImage": prop(image(2))})
				go func() { _ = r.notifyAnything() }()
			})
			r.await(onK8s, "web", "what was missed", hasImage(2))
			r.subscribed()
			r.patch(componentID("api"), object{"containerImage": prop(image(3))})
			r.await(onK8s, "api", "what comes next", hasImage(3))
		})
	}
}

// notifyAnything makes the proxy see a request, so that lose ends also where
// the broker sends nothing any more.
func (r *rig) notifyAnything() error {
	resp, err := http.Post(r.toWebhook.URL()+"/notify", "application/json", nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// subscribed waits until the components' subscription is as the agent wants it.
func (r *rig) subscribed() {
	r.t.Helper()
	eventually(r.t, "the subscription is true", func() error {
		s := r.subscription(r.subscriptionID("components"))
		if s == nil {
			return fmt.Errorf("gone")
		}
		for _, err := range []error{
			differ("status", s["status"], "active"),
			differ("endpoint", at(s, "notification", "endpoint", "uri"), r.env["NOTIFICATION_URL"]),
			differ("throttling", s["throttling"], nil), differ("expiresAt", s["expiresAt"], nil),
			differ("watchedAttributes", s["watchedAttributes"], nil),
			differ("attributes", at(s, "notification", "attributes"), nil),
			differ("entities", s["entities"], []any{object{"type": "ServiceComponent"}}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Three failures pause the subscription for good. It is revived, and what was
// missed is listed.
func TestSubscriptionPaused(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"SUBSCRIPTION_CHECK_INTERVAL": "3s"})
	r.ready(component("web", nil), component("api", nil))
	find := r.toWebhook.Inject(faults.Fault{Do: faults.Answer(500, nil, "")})
	for version := 2; version <= 4; version++ {
		r.patch(componentID("web"), object{"containerImage": prop(image(version))})
	}
	eventually(t, "the broker pauses it", func() error {
		return differ("status", r.subscription(r.subscriptionID("components"))["status"], "paused")
	})
	find()
	r.await(onK8s, "web", "what was missed", hasImage(4))
	r.subscribed()
	r.patch(componentID("api"), object{"containerImage": prop(image(3))})
	r.await(onK8s, "api", "what comes next", hasImage(3))
}

// One failure does not pause it; it costs one resync, not one at each check.
func TestSubscriptionFailedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"SUBSCRIPTION_CHECK_INTERVAL": "500ms"})
	r.ready(component("web", nil))
	pass(t, time.Second) // a check has seen the counters
	lists := len(r.toBroker.Seen(componentLists))
	r.toWebhook.Inject(faults.Fault{Times: 1, Do: faults.Answer(503, nil, "")})
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.await(onK8s, "web", "what was missed", hasImage(2))
	checks := len(r.toBroker.Seen(aboutSubscriptions))
	eventually(t, "more checks", func() error {
		if n := len(r.toBroker.Seen(aboutSubscriptions)) - checks; n < 8 {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
	if n := len(r.toBroker.Seen(componentLists)) - lists; n != 1 {
		t.Errorf("%d resyncs for one failure", n)
	}
}
