package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// ownServer starts an API server that a test may stop.
func ownServer(t *testing.T) *kube.Server {
	t.Helper()
	server, err := kube.Start(t.Context(), kube.Options{Log: quiet()})
	must(t, err)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// alsoIn makes the rig's namespace in another API server.
func (r *rig) alsoIn(server *kube.Server) *objects {
	r.t.Helper()
	_, err := newObjects(r.t, server.REST(), "").client.Resource(namespaces).Create(r.t.Context(), &unstructured.Unstructured{Object: object{
		"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": r.namespace}}}, metav1.CreateOptions{})
	must(r.t, err)
	return newObjects(r.t, server.REST(), r.namespace)
}

// twoClusters is a rig with a second cluster, and the folder that binds it.
func twoClusters(t *testing.T, server *kube.Server, env map[string]string) (r *rig, there *objects, table *mount) {
	t.Helper()
	r = newRig(t, env)
	there = r.alsoIn(server)
	kubeconfig, err := server.Kubeconfig()
	must(t, err)
	table = newMount(t, map[string]string{"far.yaml": farTable, "far.kubeconfig": string(kubeconfig)})
	r.env["CLUSTERS"] = table.path
	r.create(farWorld()...)
	return r, there, table
}

func (r *rig) saysOf(component, phase, reason, cluster string) report {
	r.t.Helper()
	eventually(r.t, component+" is said to be there", func() error {
		return differ("cluster", at(r.entity(componentID(component)), "deploymentStatus", "value", "cluster"), any(cluster))
	})
	return r.says(componentID(component), phase, reason)
}

// A cluster that cannot be reached, at the start or later, holds up nobody else.
// Its components say so, and never that they failed; what was ordered meanwhile is
// done when it is back.
func TestClusterOutOfReach(t *testing.T) {
	t.Parallel()
	second := ownServer(t)
	r, there, _ := twoClusters(t, second, map[string]string{"PROGRESS_DEADLINE": "3s", "STATUS_GRACE": "3s"})
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
	second := second.Server(t)
	r, there, table := twoClusters(t, second, map[string]string{"MOVE_TIMEOUT": "8s"})
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

// A cluster that a labelled Secret binds; what it says may change. A Secret and a
// file that contradict each other change nothing.
func TestClusterOfSecret(t *testing.T) {
	t.Parallel()
	server := second.Server(t)
	kubeconfig, err := server.Kubeconfig()
	must(t, err)
	r := newRig(t, map[string]string{"CLUSTERS": "secrets"})
	there := r.alsoIn(server)
	r.create(farWorld()...)
	secret := object{
		"apiVersion": "v1", "kind": "Secret", "metadata": object{"name": "far", "labels": object{"hlo-agent.github.io/cluster": "far"}},
		"stringData": object{"orchestrators": farOrchestrator, "kubeconfig": string(kubeconfig)},
	}
	_, err = r.of(secrets).Create(t.Context(), &unstructured.Unstructured{Object: secret}, metav1.CreateOptions{})
	must(t, err)
	r.start()
	r.create(component("web", object{"infrastructureElement": rel(far)}))
	there.exists("web")
	there.runs(onK8s, "web")
	uid := r.saysOf("web", "Running", "", "far").UID

	r.mergeNamed(secrets, "far", object{"stringData": object{"kubeconfig": "{"}})
	r.loads("clusters", 0, "kubeconfig in Secret far")
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	if o := there.await(onK8s, "web", "changed by the way that was good", hasImage(2)); string(o.GetUID()) != uid {
		t.Error("it was made anew")
	}
	r.mergeNamed(secrets, "far", object{"stringData": object{"kubeconfig": string(kubeconfig)}})
	r.loads("clusters", 1, "ok")
}

// Pause, the sync policy, prune and the guard are the same over several clusters.
func TestPoliciesOverClusters(t *testing.T) {
	t.Parallel()
	r, there, _ := twoClusters(t, second.Server(t), map[string]string{"SYNC_POLICY": "upsert-only", "PRUNE_MIN": "1", "PRUNE_MAX_PERCENT": "0"})
	onFar := object{"infrastructureElement": rel(far)}
	r.create(component("moves", nil), component("held", onFar), component("lost", onFar), component("lost2", nil))
	r.start()
	for name, where := range map[string]*objects{"moves": r.objects, "held": there, "lost": there, "lost2": r.objects} {
		where.exists(name)
		where.runs(onK8s, name)
		r.says(componentID(name), "Running", "")
	}

	// upsert-only: the new object comes, and the old one stays.
	r.patch(componentID("moves"), onFar)
	there.exists("moves")
	there.runs(onK8s, "moves")
	r.saysOf("moves", "Running", "", "far")
	if r.find(onK8s, "moves") == nil {
		t.Error("upsert-only, and the old object is gone")
	}

	// Paused by an annotation on the object that is in the other cluster.
	there.merge(onK8s, "held", object{"metadata": object{"annotations": object{"hlo-agent.github.io/paused": "true"}}})
	r.says(componentID("held"), "Running", "Paused")
	r.patch(componentID("held"), object{"infrastructureElement": rel(k1)})
	r.answered()
	r.rest(time.Second)
	if r.find(onK8s, "held") != nil {
		t.Error("paused, and moved all the same")
	}
	there.merge(onK8s, "held", object{"metadata": object{"annotations": object{"hlo-agent.github.io/paused": nil}}})
	r.exists("held")

	// Entities that are gone: one of two is too much for this guard.
	r.agent.kill()
	r.env["SYNC_POLICY"] = "sync"
	r.drop(componentID("lost"), componentID("lost2"))
	r.start()
	r.gone(onK8s, "moves") // under sync the move ends
	eventually(t, "the guard holds them back", func() error {
		n, err := r.metric("guard_held_entities")
		if err != nil {
			return err
		}
		return differ("held", n, 2)
	})
	if there.find(onK8s, "lost") == nil || r.find(onK8s, "lost2") == nil {
		t.Error("the guard let one go")
	}
	listed, err := r.command("prune")
	must(t, err)
	for _, want := range []string{"far\tServiceComponentK8s", "default\tServiceComponentK8s", "2 objects would go"} {
		if !strings.Contains(listed, want) {
			t.Errorf("prune prints no %q:\n%s", want, listed)
		}
	}
	fields := strings.Fields(listed)
	_, err = r.command("prune", "--confirm", fields[len(fields)-1])
	must(t, err)
	there.gone(onK8s, "lost")
	r.gone(onK8s, "lost2")
}
