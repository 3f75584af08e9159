package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hlo-agent/hlo-agent/sandbox/kube"
)

// far is an element of an orchestrator that has a cluster of its own.
const (
	far             = "urn:ngsi-ld:InfrastructureElement:Alpha:far"
	farOrchestrator = "urn:ngsi-ld:LowLevelOrchestrator:Alpha:Far"
)

// farWorld is the world with that element in it.
func farWorld() []object {
	orchestrator := lowLevel("Alpha", "Kubernetes")
	orchestrator["id"] = farOrchestrator
	e := element(far, "Kubernetes")
	e["lowLevelOrchestrator"] = rel(farOrchestrator)
	return append(world(), orchestrator, e)
}

const farTable = `apiVersion: hlo-agent.github.io/v1alpha1
kind: Cluster
metadata: {name: far}
spec:
  orchestrators: [` + farOrchestrator + `]
  kubeconfig: far.kubeconfig
`

// secondServer starts another API server, with the namespace in it.
func secondServer(t *testing.T, namespace string) *kube.Server {
	t.Helper()
	server, err := kube.Start(t.Context(), kube.Options{Log: quiet()})
	must(t, err)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	_, err = newObjects(t, server.REST(), "").client.Resource(namespaces).Create(t.Context(), &unstructured.Unstructured{Object: object{
		"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": namespace}}}, metav1.CreateOptions{})
	must(t, err)
	return server
}

// twoClusters is a rig with a second cluster, and the folder that binds it.
func twoClusters(t *testing.T, env map[string]string) (r *rig, second *kube.Server, there *objects, table *mount) {
	t.Helper()
	r = newRig(t, env)
	second = secondServer(t, r.namespace)
	kubeconfig, err := second.Kubeconfig()
	must(t, err)
	table = newMount(t, map[string]string{"far.yaml": farTable, "far.kubeconfig": string(kubeconfig)})
	r.env["CLUSTERS"] = table.path
	r.create(farWorld()...)
	return r, second, newObjects(t, second.REST(), r.namespace), table
}

func (r *rig) saysOf(component, phase, reason, cluster string) report {
	r.t.Helper()
	got := r.says(componentID(component), phase, reason)
	if name, _ := at(r.entity(componentID(component)), "deploymentStatus", "value", "cluster").(string); name != cluster {
		r.t.Errorf("%s is said to be in the cluster %q, want %q", component, name, cluster)
	}
	return got
}

// A cluster that cannot be reached, at the start or later, holds up nobody else.
// Its components say so, and never that they failed; what was ordered meanwhile is
// done when it is back.
func TestClusterOutOfReach(t *testing.T) {
	t.Parallel()
	r, second, there, _ := twoClusters(t, map[string]string{"PROGRESS_DEADLINE": "3s", "STATUS_GRACE": "3s"})
	second.StopAPIServer()
	r.launch()
	r.create(component("near", nil), component("away", object{"infrastructureElement": rel(far)}))
	r.exists("near")
	r.runs(onK8s, "near")
	r.says(componentID("near"), "Running", "")
	r.saysOf("away", "Pending", "ClusterUnreachable", "far")
	neverFailed := func() error {
		if said := r.report(componentID("away")); said.Phase == "Failed" || said.Word == "Failed" {
			return fmt.Errorf("it says %+v", said)
		}
		return nil
	}
	must(t, neverFailed()) // after more than the deadline
	if n := r.count("cluster_reachable", `cluster="far"`); n != 0 {
		t.Errorf("the gauge of a cluster out of reach is %v", n)
	}

	must(t, second.StartAPIServer(t.Context()))
	there.exists("away")
	there.runs(onK8s, "away")
	uid := r.saysOf("away", "Running", "", "far").UID
	if r.find(onK8s, "away") != nil {
		t.Error("it is in the default cluster as well")
	}
	r.create(component("leaves", object{"infrastructureElement": rel(far)}), component("gone", object{"infrastructureElement": rel(far)}))
	for _, name := range []string{"leaves", "gone"} {
		there.exists(name)
		there.runs(onK8s, name)
		r.says(componentID(name), "Running", "")
	}

	second.StopAPIServer()
	if said := r.saysOf("away", "Unknown", "ClusterUnreachable", "far"); said.UID != uid || said.Word != "Running" {
		t.Errorf("got %+v, want the same object and word", said)
	}
	r.patch(componentID("leaves"), object{"serviceComponentStatus": word("Removing")})
	r.saysOf("leaves", "Removing", "ClusterUnreachable", "far")
	r.patch(componentID("near"), object{"containerImage": prop(image(2))})
	r.await(onK8s, "near", "changed meanwhile", hasImage(2))

	// A restart meanwhile knows of nothing in there.
	r.agent.kill()
	r.launch()
	r.patch(componentID("away"), object{"containerImage": prop(image(2))})
	r.remove(componentID("gone"))
	r.patch(componentID("near"), object{"containerImage": prop(image(3))})
	r.await(onK8s, "near", "changed after the restart", hasImage(3))
	if said := r.saysOf("away", "Unknown", "ClusterUnreachable", "far"); said.UID != uid {
		t.Errorf("got %+v, want the same object", said)
	}
	r.saysOf("leaves", "Removing", "ClusterUnreachable", "far")
	must(t, neverFailed())

	must(t, second.StartAPIServer(t.Context()))
	there.await(onK8s, "away", "changed when it is back", hasImage(2))
	there.gone(onK8s, "leaves")
	r.says(componentID("leaves"), "Unplaced", "Removed")
	there.gone(onK8s, "gone")
	there.runs(onK8s, "away")
	if said := r.saysOf("away", "Running", "", "far"); said.UID != uid {
		t.Errorf("got %+v, want the same object", said)
	}
}

// A move to another cluster: the new object first, then the old one goes. The way
// to a cluster, and what is bound to it, may change while the agent runs.
func TestMoveBetweenClusters(t *testing.T) {
	t.Parallel()
	r, second, there, table := twoClusters(t, map[string]string{"MOVE_TIMEOUT": "8s"})
	r.create(component("web", nil), component("stays", object{"infrastructureElement": rel(far)}))
	r.start()
	r.exists("web")
	r.runs(onK8s, "web")
	there.exists("stays")
	there.runs(onK8s, "stays")
	r.saysOf("stays", "Running", "", "far")
	r.saysOf("web", "Running", "", "default")

	r.patch(componentID("web"), object{"infrastructureElement": rel(far)})
	there.exists("web")
	always(t, time.Second, "the old one stays", func() error {
		return differ("there", r.find(onK8s, "web") != nil, true)
	})
	there.runs(onK8s, "web")
	r.gone(onK8s, "web")
	r.saysOf("web", "Running", "", "far")

	// Back, and it does not arrive: the new one is withdrawn.
	r.patch(componentID("web"), object{"infrastructureElement": rel(k2)})
	r.exists("web")
	r.gone(onK8s, "web")
	eventually(t, "the entity is back", func() error {
		return differ("element", r.report(componentID("web")).Element, "Alpha:far")
	})
	if there.find(onK8s, "web") == nil {
		t.Fatal("the old one is gone")
	}

	// Another way to the same cluster.
	transport, err := rest.TransportFor(second.REST())
	must(t, err)
	way := r.proxy(second.REST().Host, transport)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(*plainKubeconfig(way.URL()), kubeconfig))
	text, err := os.ReadFile(kubeconfig)
	must(t, err)
	table.swap(map[string]string{"far.yaml": farTable, "far.kubeconfig": string(text)})
	eventually(t, "the other way is used", func() error {
		if len(way.Seen(nil)) == 0 {
			return fmt.Errorf("nothing was sent")
		}
		return nil
	})
	was := there.exists("web").GetUID()
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	there.await(onK8s, "web", "changed by the other way", hasImage(2))
	r.loads("clusters", 1, "ok")

	// A table that contradicts itself changes nothing.
	twice := farTable + "---\n" + farTable
	table.swap(map[string]string{"far.yaml": twice, "far.kubeconfig": string(text)})
	r.loads("clusters", 0, "twice")
	r.patch(componentID("web"), object{"containerImage": prop(image(3))})
	if now := there.await(onK8s, "web", "changed all the same", hasImage(3)); now.GetUID() != was {
		t.Error("it was made anew")
	}

	// Bound to nothing any more, components come to the default cluster.
	table.swap(map[string]string{"far.kubeconfig": string(text)})
	for _, name := range []string{"web", "stays"} {
		r.exists(name)
		if there.find(onK8s, name) == nil {
			t.Errorf("%s is gone before the new one runs", name)
		}
		r.runs(onK8s, name)
		there.gone(onK8s, name)
		r.saysOf(name, "Running", "", "default")
	}
	eventually(t, "the cluster is left", func() error {
		n, err := r.metric("cluster_reachable")
		if err != nil {
			return err
		}
		return differ("clusters", n, 1)
	})
}
