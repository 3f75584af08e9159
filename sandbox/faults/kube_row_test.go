package faults_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// kubeTrouble is what an API server, or a gateway before it, can do.
func kubeTrouble() map[string]faults.Fault {
	status := func(code int, reason string) string {
		return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	return map[string]faults.Fault{
		"500":         {Times: 3, Do: faults.Answer(500, header, status(500, "InternalError"))},
		"503":         {Times: 3, Do: faults.Answer(503, nil, "no upstream")},
		"429":         {Times: 3, Do: faults.Answer(429, http.Header{"Retry-After": {"1"}}, status(429, "TooManyRequests"))},
		"cut before":  {Times: 3, Do: faults.CutBefore},
		"cut after":   {Times: 3, Do: faults.CutAfter},
		"slow answer": {Times: 1, Do: faults.After(4*time.Second, faults.Pass)},
	}
}

// The create of one object meets trouble; it is made once all the same, and the
// others do not wait.
func TestKubeTroubleWithApply(t *testing.T) {
	t.Parallel()
	for name, fault := range kubeTrouble() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.create(world()...)
			r.start()
			r.orchestrate()
			fault.Match = and(method(http.MethodPatch), about(objectName("struck")))
			r.toKube.Inject(fault)
			r.create(component("struck", nil), component("other", nil))
			r.says(componentID("other"), "Running", "")
			r.says(componentID("struck"), "Running", "")
			once(t, r, "struck")
			// After one that took effect the watch tells that no other is needed.
			if n := len(r.toKube.Seen(fault.Match)); n < fault.Times && name != "cut after" || n < 1 {
				t.Errorf("%d requests: the fault did not strike %d times", n, fault.Times)
			}
		})
	}
}

// An ordered removal meets trouble.
func TestKubeTroubleWithDelete(t *testing.T) {
	t.Parallel()
	for name, fault := range kubeTrouble() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.ready(component("web", nil))
			fault.Match = method(http.MethodDelete)
			r.toKube.Inject(fault)
			r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
			r.gone(onK8s, "web")
			r.says(componentID("web"), "Unplaced", "Removed")
		})
	}
}

// Watches that are cut, or say nothing for a while, are taken up again: a change
// of state in between is seen, and so is an object that went.
func TestKubeWatchCut(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.create(append(world(), component("web", nil), component("lost", nil))...)
	r.start()
	r.exists("lost")
	r.exists("web")
	r.toKube.Down()
	r.runs(onK8s, "web")
	r.objects.delete(onK8s, "lost")
	must(t, r.toKube.Up())
	r.says(componentID("web"), "Running", "")
	r.exists("lost") // made again
	for range 3 {
		must(t, r.toKube.Cut())
	}
	r.phase(onK8s, "web", "Failed")
	r.says(componentID("web"), "Failed", "")
	r.runs(onK8s, "web")
	r.says(componentID("web"), "Running", "")
}

// The API server is down when the agent starts and goes down later. The webhook
// goes on answering, and what was ordered meanwhile is done.
func TestKubeServerDown(t *testing.T) {
	t.Parallel()
	server, err := kube.Start(t.Context(), kube.Options{Log: quiet()})
	must(t, err)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	r := newRigAt(t, server, kubetest.Namespace(t, server), startBroker(t), "Alpha", nil)
	text, err := server.Kubeconfig()
	must(t, err)
	direct, err := clientcmd.Load(text)
	must(t, err)
	must(t, clientcmd.WriteToFile(*direct, r.kubeconfig)) // past the proxy, by TLS
	r.create(append(world(), component("web", nil), component("old", nil))...)

	server.StopAPIServer()
	r.launch()
	eventually(t, "ready although the API server is down", func() error {
		resp, err := http.Get("http://" + r.ops + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return differ("/readyz", resp.StatusCode, 200)
	})
	must(t, server.StartAPIServer(t.Context()))
	r.exists("web")
	r.exists("old")
	r.runs(onK8s, "web")
	r.says(componentID("web"), "Running", "")

	server.StopAPIServer()
	sent := len(r.toWebhook.Seen(nil))
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.patch(componentID("old"), object{"serviceComponentStatus": word("Removing")})
	r.create(component("new", nil))
	eventually(t, "notifications are answered", func() error {
		if n := len(r.toWebhook.Seen(func(e faults.Exchange) bool { return e.Status == http.StatusNoContent })) - sent; n < 3 {
			return fmt.Errorf("%d of 3", n)
		}
		return nil
	})
	must(t, server.StartAPIServer(t.Context()))
	r.await(onK8s, "web", "changed", hasImage(2))
	r.exists("new")
	r.gone(onK8s, "old")
	r.says(componentID("old"), "Unplaced", "Removed")
}

// What somebody changes or deletes in the cluster is put right; fields that the
// agent does not render are left alone.
func TestChangedByHand(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	r.merge(onK8s, "web", object{"spec": object{"image": "evil:1", "privileged": true}})
	o := r.await(onK8s, "web", "put right", hasImage(1))
	if on, _, _ := unstructured.NestedBool(o.Object, "spec", "privileged"); !on {
		t.Error("a field that the agent does not render was taken away")
	}
	was := o.GetUID()
	r.objects.delete(onK8s, "web")
	r.await(onK8s, "web", "made again", func(o *unstructured.Unstructured) error {
		if o.GetUID() == was {
			return fmt.Errorf("still the old one")
		}
		return nil
	})
}
