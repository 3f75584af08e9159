package faults_test

import (
	"net/http"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// A component that asks for it becomes a plain Deployment, without any
// orchestrator; its state comes back, and it goes when it is ordered away.
func TestPlainKubernetes(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"MAPPINGS": "kubernetes,aeros-k8s,aeros-docker"})
	r.create(world()...)
	r.start()
	r.create(component("web", object{"deployAs": prop("kubernetes")}))
	const name = "service-shop-component-web"
	get := func() *unstructured.Unstructured { return r.list(deployments)[name] }
	eventually(t, "the Deployment", func() error { return differ("there", get() != nil, true) })
	made := get()
	status := object{"observedGeneration": made.GetGeneration(), "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
		"conditions": []any{object{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
			object{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}}}
	r.mergeNamed(deployments, name, object{"status": status}, "status")
	r.says(componentID("web"), "Running", "")
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	eventually(t, "the new image", func() error {
		containers, _, _ := unstructured.NestedSlice(get().Object, "spec", "template", "spec", "containers")
		return differ("image", containers[0].(object)["image"], any(image(2)))
	})
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	eventually(t, "the Deployment goes", func() error { return differ("there", get() != nil, false) })
	r.says(componentID("web"), "Unplaced", "Removed")
}

// A paused component is left as it is, says so, and goes on when it is let go.
func TestPaused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.startsOn("web")
	r.patch(componentID("web"), object{"orchestrationPaused": prop(true)})
	r.says(componentID("web"), "Running", "Paused")
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.answered()
	r.rest(2 * time.Second)
	if err := hasImage(1)(r.find(onK8s, "web")); err != nil {
		t.Errorf("paused, and changed all the same: %v", err)
	}
	r.patch(componentID("web"), object{"orchestrationPaused": prop(false)})
	r.await(onK8s, "web", "changed when it is let go", hasImage(2))
}

func TestUpsertOnlyDeletesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"SYNC_POLICY": "upsert-only"})
	r.startsOn("web")
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.await(onK8s, "web", "changed", hasImage(2))
	r.runs(onK8s, "web")
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	r.says(componentID("web"), "Removing", "KeptByPolicy")
	r.do(http.MethodDelete, entityPath(componentID("web")), nil)
	r.answered()
	r.rest(2 * time.Second)
	if r.find(onK8s, "web") == nil {
		t.Error("upsert-only, and deleted all the same")
	}
}

func TestCreateOnlyChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"SYNC_POLICY": "create-only"})
	r.startsOn("web")
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.answered()
	r.rest(2 * time.Second)
	if err := hasImage(1)(r.find(onK8s, "web")); err != nil {
		t.Errorf("create-only, and changed all the same: %v", err)
	}
}
