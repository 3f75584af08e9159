package faults_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// The secret of the webhook is changed again and again while notifications keep
// coming: none of them is refused, the file is followed without a restart, and what
// was replaced counts no more.
func TestSecretRotatesWithoutAGap(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	secret := func(n int) string { return fmt.Sprintf("the-secret-number-%d", n) }
	rotate := func(n int) { // as a mounted Secret is replaced
		must(t, os.WriteFile(file+".new", []byte(secret(n)+"\n"), 0o600))
		must(t, os.Rename(file+".new", file))
	}
	rotate(0)
	// The checks by the clock come after the end of the test, but for the one that forgets.
	r := newRig(t, map[string]string{"NOTIFICATION_SECRET_FILE": file, "SUBSCRIPTION_CHECK_INTERVAL": "3s"})
	r.ready(component("web", nil))

	var writers sync.WaitGroup
	stop := make(chan struct{})
	for n := range 4 {
		writers.Go(func() {
			for version := 0; ; version++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				status, text, err := r.request(http.MethodPatch, entityPath(componentID("web")), object{fmt.Sprint("note", n): prop(version)})
				if err != nil || status != http.StatusNoContent {
					t.Errorf("change: %d %s %v", status, text, err)
					return
				}
			}
		})
	}
	for n := 1; n <= 3; n++ {
		rotate(n)
		eventually(t, fmt.Sprint("the subscriptions have secret ", n), func() error {
			for _, name := range []string{"components", "links"} {
				list, _ := at(r.subscription(r.subscriptionID(name)), "notification", "endpoint", "receiverInfo").([]any)
				if len(list) != 1 || list[0].(object)["value"] != secret(n) {
					return fmt.Errorf("%s has %v", name, list)
				}
			}
			return nil
		})
	}
	before := len(r.toWebhook.Seen(nil))
	eventually(t, "more come with the newest", func() error {
		if n := len(r.toWebhook.Seen(nil)) - before; n < 20 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	close(stop)
	writers.Wait()
	with := map[string]int{}
	for _, e := range r.toWebhook.Seen(func(e faults.Exchange) bool { return e.Status != 0 }) {
		key, _ := r.secret()
		with[e.Header.Get(key)]++
		if e.Status != http.StatusNoContent {
			t.Errorf("a notification with %s was answered %d", e.Header.Get(key), e.Status)
		}
	}
	if len(with) != 4 {
		t.Errorf("notifications by secret: %v, want some with each of 4", with)
	}
	if n := r.count("notifications_total", `result="unauthorized"`); n != 0 {
		t.Errorf("%v notifications were refused", n)
	}
	if failed := at(r.subscription(r.subscriptionID("components")), "notification", "timesFailed"); failed != nil {
		t.Errorf("the broker counts %v failures", failed)
	}
	body := r.notification(now(0), component("web", nil))
	key, _ := r.secret()
	for n, want := range []int{http.StatusUnauthorized, http.StatusUnauthorized, http.StatusUnauthorized, http.StatusNoContent} {
		eventually(t, fmt.Sprintf("secret %d is answered %d", n, want), func() error {
			return differ("the status", r.notify(body, http.Header{key: {secret(n)}}), want)
		})
	}
}
