package faults_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/mapping"
)

const deletePolicyMark = "hlo-agent.github.io/delete-policy"

// released waits until an object is there without our label.
func (r *rig) released(component, uid string) {
	r.t.Helper()
	r.await(onK8s, component, "stays, as nobody's", func(o *unstructured.Unstructured) error {
		if err := differ("uid", o.GetUID(), uid); err != nil {
			return err
		}
		return differ("owner", o.GetLabels()[ownerLabel], "")
	})
}

// marked waits until an object carries the word and gives its UID.
func (r *rig) marked(component, word string) string {
	r.t.Helper()
	o := r.await(onK8s, component, "carries its delete policy", func(o *unstructured.Unstructured) error {
		return differ("policy", o.GetAnnotations()[deletePolicyMark], word)
	})
	return string(o.GetUID())
}

// orphaning is the mapping for Kubernetes with another delete policy.
func orphaning(t *testing.T) string {
	t.Helper()
	sources, err := mapping.Shipped("aeros-k8s")
	must(t, err)
	file := filepath.Join(t.TempDir(), "aeros-k8s.yaml")
	text := strings.Replace(string(sources[0].Data), "\nspec:\n", "\nspec:\n  deletePolicy: orphan\n", 1)
	must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// A component that wants its object to stay leaves it behind, says so, and leaves it alone ever after.
func TestOrphanedOnRemoving(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"RESYNC_INTERVAL": "2s"})
	r.ready(component("web", nil), component("other", nil))
	r.patch(componentID("web"), object{"deletePolicy": prop("orphan")})
	uid := r.marked("web", "orphan")
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	said := r.says(componentID("web"), "Unplaced", "Orphaned")
	if said.Word != "Finished" || said.Element != "" {
		t.Errorf("reported %+v, want Finished without an element", said)
	}
	r.released("web", uid)
	r.patch(componentID("other"), object{"serviceComponentStatus": word("Removing")})
	r.gone(onK8s, "other") // only that one stays

	// Neither resyncs nor a restart change anything about it.
	version := r.find(onK8s, "web").GetResourceVersion()
	r.resyncs(2)
	r.agent.kill()
	r.start()
	r.resyncs(2)
	if got := r.find(onK8s, "web").GetResourceVersion(); got != version {
		t.Errorf("version %s, was %s", got, version)
	}
	r.says(componentID("web"), "Unplaced", "Orphaned")
	// Ordered again, its name is held.
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Starting"), "infrastructureElement": rel(k1)})
	r.says(componentID("web"), "Pending", "NameHeld")
}

// The mapping's word is enough, also after the entity is gone, and after a move to another kind. So is that of
// somebody in the cluster.
func TestOrphanedByMappingMoveAndHand(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.env["MAPPINGS"] = orphaning(t) + ",aeros-docker"
	r.ready(component("deleted", nil), component("moved", object{"deletePolicy": prop("delete")}), component("docker", object{"infrastructureElement": rel(d1)}))
	deleted, moved := r.marked("deleted", "orphan"), r.marked("moved", "orphan")
	r.do(http.MethodDelete, entityPath(componentID("deleted")), nil)
	r.released("deleted", deleted)
	r.patch(componentID("moved"), object{"infrastructureElement": rel(d1)})
	r.await(onDock, "moved", "moves", nil)
	r.released("moved", moved)
	r.says(componentID("moved"), "Running", "")

	before := r.count("reconciles_total")
	r.merge(onDock, "docker", object{"metadata": object{"annotations": object{deletePolicyMark: "orphan"}}})
	eventually(t, "the agent knows of it", func() error { return differ("a pass", r.count("reconciles_total") > before, true) })
	r.patch(componentID("docker"), object{"serviceComponentStatus": word("Removing")})
	r.says(componentID("docker"), "Unplaced", "Orphaned")
}

// The guard counts what would be left like what would be deleted; prune leaves it when confirmed.
func TestOrphanedByPrune(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"PRUNE_MAX_PERCENT": "0", "PRUNE_MIN": "1", "RESYNC_INTERVAL": "2s"})
	r.ready(component("a", object{"deletePolicy": prop("orphan")}), component("b", object{"deletePolicy": prop("orphan")}), component("c", nil))
	a, b := r.marked("a", "orphan"), r.marked("b", "orphan")
	r.drop(componentID("a"), componentID("b"), componentID("c"))
	r.held(3)
	always(t, 3*time.Second, "held", func() error {
		return differ("owner", r.find(onK8s, "a").GetLabels()[ownerLabel], r.id)
	})
	list, err := r.command("prune")
	must(t, err)
	if strings.Count(list, "stays, and is nobody's then") != 2 {
		t.Errorf("prune lists\n%s", list)
	}
	_, digest, _ := strings.Cut(strings.TrimSpace(list), "--confirm ")
	said, err := r.command("prune", "--confirm", digest)
	must(t, err)
	if !strings.Contains(said, "deleted 1 objects") || !strings.Contains(said, "left 2 objects") {
		t.Errorf("prune says\n%s", said)
	}
	r.released("a", a)
	r.released("b", b)
	r.gone(onK8s, "c")
}
