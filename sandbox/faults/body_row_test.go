package faults_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Bodies that cannot be used are answered 204 all the same, counted, and made up
// for by a resync, which finds the change that they should have told.
func TestBodiesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	large := `{"data":"` + strings.Repeat("x", 5000) + `"}`
	for name, c := range map[string]struct {
		body   string
		header http.Header
		result string
		resync bool
	}{
		"too large":            {body: large, result: "too_large", resync: true},
		"not JSON":             {body: `<html>`, result: "unreadable", resync: true},
		"cut off":              {body: `{"id":"urn:x","data":[{"id":`, result: "unreadable", resync: true},
		"empty":                {body: ``, result: "unreadable", resync: true},
		"a list":               {body: `[]`, result: "unreadable", resync: true},
		"wrong media type":     {body: `{}`, header: http.Header{"Content-Type": {"text/plain"}}, result: "media_type", resync: true},
		"no media type":        {body: `{}`, header: http.Header{"Content-Type": nil}, result: "media_type", resync: true},
		"unknown subscription": {body: `{"id":"urn:n","type":"Notification","subscriptionId":"urn:other","notifiedAt":"2026-01-01T00:00:00Z","data":[]}`, result: "unknown_subscription"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"NOTIFICATION_MAX_BYTES": "4096"})
			r.ready(component("web", nil))
			r.loseChange("web", 2)
			if got := r.notify([]byte(c.body), c.header); got != http.StatusNoContent {
				t.Errorf("answered %d, want 204", got)
			}
			eventually(t, "counted", func() error {
				n, err := r.metric("notifications_total", `result="`+c.result+`"`)
				if err == nil {
					err = differ(c.result, n, 1)
				}
				return err
			})
			if c.resync {
				r.await(onK8s, "web", "the lost change", hasImage(2))
				return
			}
			r.rest(time.Second)
			if err := hasImage(1)(r.exists("web")); err != nil {
				t.Errorf("a resync for a stranger's subscription: %v", err)
			}
		})
	}
}

// Strangers get 401, 404 and 405, and change nothing.
func TestStrangers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	key, secret := r.secret()
	if len(secret) < 32 {
		t.Errorf("the secret has %d characters", len(secret))
	}
	if strings.Contains(r.agent.said.String(), secret) {
		t.Error("the secret is in the log")
	}
	if out, err := r.command("subscription", "list"); err != nil || strings.Contains(out, secret) || !strings.Contains(out, r.subscriptionID("components")) {
		t.Errorf("subscription list: %v, the secret in it: %v\n%s", err, strings.Contains(out, secret), out)
	}
	false1 := r.entity(componentID("web"))
	false1["containerImage"] = prop(image(9))
	body := r.notification(now(0), false1)
	for name, c := range map[string]struct {
		method, path string
		header       http.Header
		want         int
	}{
		"no secret":        {"POST", "/notify", nil, 401},
		"wrong secret":     {"POST", "/notify", http.Header{key: {"x" + secret[1:]}}, 401},
		"empty secret":     {"POST", "/notify", http.Header{key: {""}}, 401},
		"in Authorization": {"POST", "/notify", http.Header{"Authorization": {secret}}, 401},
		"wrong method":     {"GET", "/notify", http.Header{key: {secret}}, 405},
		"wrong path":       {"POST", "/notify/x", http.Header{key: {secret}}, 404},
		"metrics":          {"GET", "/metrics", nil, 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+r.listen+c.path, bytes.NewReader(body))
		must(t, err)
		req.Header.Set("Content-Type", "application/json")
		for name, values := range c.header {
			req.Header[name] = values
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, c.want)
		}
	}
	r.rest(time.Second)
	if err := hasImage(1)(r.exists("web")); err != nil {
		t.Error(err)
	}
}

// One unreadable entity never costs the others in the same notification.
func TestUnreadableEntityAmongOthers(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{
		"a number": `7`, "no id": `{"type":"ServiceComponent"}`, "id no text": `{"id":7,"type":"ServiceComponent"}`,
		"no type": `{"id":"urn:ngsi-ld:x"}`, "null": `null`, "nested list": `[[]]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.ready(component("web", nil))
			// Lists fail, so that it is the notification that tells.
			r.toBroker.Inject(faultOnLists())
			r.loseChange("web", 2)
			changed := r.entity(componentID("web"))
			if got := r.notify(r.notification(now(0), json.RawMessage(bad), changed, json.RawMessage(bad)), nil); got != 204 {
				t.Errorf("answered %d", got)
			}
			r.await(onK8s, "web", "the readable one", hasImage(2))
		})
	}
}

// A burst costs no answer and no memory to speak of, and ends in the newest state.
func TestNotificationBurst(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	r.loseChange("web", 9)
	before := r.count("reconciles_total")
	stale := r.entity(componentID("web"))
	for i := range 1500 {
		stale["containerImage"] = prop(image(i%7 + 2))
		if got := r.notify(r.notification(now(0), stale), nil); got != 204 {
			t.Fatalf("answered %d", got)
		}
	}
	r.await(onK8s, "web", "what the broker says", hasImage(9))
	r.rest(time.Second)
	// One that comes while the broker is being asked may be newer than the answer, and is believed until it is asked again.
	if o := r.exists("web"); imageOf(o) != image(9) || o.GetGeneration() > 10 {
		t.Errorf("image %s in generation %d, want %s with hardly a detour", imageOf(o), o.GetGeneration(), image(9))
	}
	// At most one for each, and one more where a pass was overtaken by the next.
	if n := r.count("reconciles_total") - before; n > 3000 {
		t.Errorf("%v passes for 1500 notifications", n)
	}
	eventually(t, "memory", func() error {
		if n := r.residentMiB(); n > 400 {
			return fmt.Errorf("%v MiB", n)
		}
		return nil
	})
}
