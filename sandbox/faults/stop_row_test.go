package faults_test

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// stopTime is what a stop may take: 10 s for the queue, 2 s for connections,
// and some for a busy machine. Kubernetes kills after 30 s.
const stopTime = 20 * time.Second

// SIGTERM drains what is queued, exits 0, and keeps the subscriptions.
func TestTerminated(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	gate := make(chan struct{})
	r.toKube.Inject(faults.Fault{Match: and(method(http.MethodPatch), about(objectName("web"))), Times: 1, Do: faults.Hold(gate)})
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	eventually(t, "the apply is under way", func() error {
		if len(r.toKube.Seen(and(method(http.MethodPatch), containing(image(2))))) == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	r.agent.signal(syscall.SIGTERM)
	eventually(t, "draining", func() error {
		resp, err := http.Get("http://" + r.ops + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return differ("/readyz", resp.StatusCode, 503)
	})
	close(gate)
	if code, err := r.agent.ended(stopTime); err != nil || code != 0 {
		t.Errorf("exit %d, %v", code, err)
	}
	if err := hasImage(2)(r.exists("web")); err != nil {
		t.Errorf("what was queued was not done: %v", err)
	}
	if r.subscription(r.subscriptionID("components")) == nil {
		t.Error("the subscription is gone")
	}
}

// SIGTERM ends the agent in time whatever hangs.
func TestTerminatedWhileAllHangs(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]bool{"at start": false, "at work": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.create(world()...)
			if start {
				r.start()
			}
			r.toBroker.Inject(faults.Fault{Do: faults.Hang})
			r.toKube.Inject(faults.Fault{Match: clusterWrites, Do: faults.Hang})
			if start {
				r.create(component("web", nil), component("removed", object{"serviceComponentStatus": word("Removing")}))
			} else {
				r.launch()
			}
			eventually(t, "something hangs", func() error {
				hang := r.toBroker.Seen(func(e faults.Exchange) bool { return e.Status == 0 })
				if len(hang) == 0 && len(r.toKube.Seen(clusterWrites)) == 0 {
					return fmt.Errorf("not yet")
				}
				return nil
			})
			began := time.Now()
			r.agent.signal(syscall.SIGTERM)
			code, err := r.agent.ended(stopTime)
			if err != nil || code != 0 {
				t.Errorf("exit %d after %v, %v", code, time.Since(began), err)
			}
		})
	}
}

// Subscriptions that are to go are deleted first, and notifications are still
// answered for 5 s: an unanswered one crashes Orion-LD.
func TestTerminatedWithSubscriptionsToGo(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"SUBSCRIPTION_ON_EXIT": "delete"})
	r.ready(component("web", nil))
	key, value := r.secret()
	body := r.notification(now(0), object{"id": "urn:x:1", "type": "Other"})
	answer := func() (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.listen+"/notify", newReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(key, value)
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	began := time.Now()
	r.agent.signal(syscall.SIGTERM)
	eventually(t, "the subscriptions go", func() error {
		for _, name := range []string{"components", "links"} {
			if r.subscription(r.subscriptionID(name)) != nil {
				return fmt.Errorf("%s is there", name)
			}
		}
		return nil
	})
	always(t, 4500*time.Millisecond-time.Since(began), "notifications are answered", func() error {
		code, err := answer()
		if err == nil {
			err = differ("status", code, 204)
		}
		if time.Since(began) > 5*time.Second { // the machine stood still: it need not answer any more
			return nil
		}
		return err
	})
	if code, err := r.agent.ended(stopTime); err != nil || code != 0 {
		t.Errorf("exit %d, %v", code, err)
	}
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("it answered for %v, want 5s", took)
	}
}
