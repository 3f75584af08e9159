package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/sandbox/orchestrator"
)

// What the agent writes on its objects; scripts outside rely on these words.
const (
	ownerLabel    = "hlo-agent.github.io/owner"
	entityMark    = "hlo-agent.github.io/entity"
	originMark    = "hlo-agent.github.io/origin"
	movedFromMark = "hlo-agent.github.io/moved-from"
)

var (
	group  = schema.GroupVersion{Group: "llo.aeros-project.eu", Version: "v1alpha1"}
	onK8s  = group.WithResource("servicecomponentk8s")
	onDock = group.WithResource("servicecomponentdockers")
)

// objects is one namespace, looked at directly, past every proxy.
type objects struct {
	t         *testing.T
	config    *rest.Config
	namespace string
	client    dynamic.Interface
}

func newObjects(t *testing.T, config *rest.Config, namespace string) *objects {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	must(t, err)
	return &objects{t, config, namespace, client}
}

func (o *objects) of(kind schema.GroupVersionResource) dynamic.ResourceInterface {
	return o.client.Resource(kind).Namespace(o.namespace)
}

// find reads an object; nil when it is not there.
func (o *objects) find(kind schema.GroupVersionResource, component string) *unstructured.Unstructured {
	o.t.Helper()
	found, err := o.of(kind).Get(o.t.Context(), objectName(component), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	must(o.t, err)
	return found
}

// await waits until an object is there and as it should be.
func (o *objects) await(kind schema.GroupVersionResource, component, what string, check func(*unstructured.Unstructured) error) *unstructured.Unstructured {
	o.t.Helper()
	var found *unstructured.Unstructured
	eventually(o.t, "object of "+component+": "+what, func() error {
		if found = o.find(kind, component); found == nil {
			return fmt.Errorf("it is not there")
		}
		if check == nil {
			return nil
		}
		return check(found)
	})
	return found
}

// exists waits for an object.
func (o *objects) exists(component string) *unstructured.Unstructured {
	o.t.Helper()
	return o.await(onK8s, component, "exists", nil)
}

// gone waits until an object is not there any more.
func (o *objects) gone(kind schema.GroupVersionResource, component string) {
	o.t.Helper()
	eventually(o.t, "the object of "+component+" goes", func() error {
		if o.find(kind, component) != nil {
			return fmt.Errorf("it is there")
		}
		return nil
	})
}

// list is every object of the kind by name.
func (o *objects) list(kind schema.GroupVersionResource) map[string]*unstructured.Unstructured {
	o.t.Helper()
	list, err := o.of(kind).List(o.t.Context(), metav1.ListOptions{})
	must(o.t, err)
	found := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		found[list.Items[i].GetName()] = &list.Items[i]
	}
	return found
}

// status plays the orchestrator: it merges fields into an object's status.
func (o *objects) status(kind schema.GroupVersionResource, component string, status object) {
	o.t.Helper()
	o.merge(kind, component, object{"status": status}, "status")
}

// runs says in the status that an object runs, in its present generation.
func (o *objects) runs(kind schema.GroupVersionResource, component string) {
	o.t.Helper()
	o.phase(kind, component, "Running")
}

func (o *objects) phase(kind schema.GroupVersionResource, component, phase string) {
	o.t.Helper()
	found := o.find(kind, component)
	if found == nil {
		o.t.Fatalf("no object of %s", component)
	}
	o.status(kind, component, object{"phase": phase, "observedGeneration": found.GetGeneration()})
}

// merge changes an object as somebody else.
func (o *objects) merge(kind schema.GroupVersionResource, component string, change object, subresource ...string) {
	o.t.Helper()
	o.mergeNamed(kind, objectName(component), change, subresource...)
}

func (o *objects) mergeNamed(kind schema.GroupVersionResource, name string, change object, subresource ...string) {
	o.t.Helper()
	text, err := json.Marshal(change)
	must(o.t, err)
	_, err = o.of(kind).Patch(o.t.Context(), name, types.MergePatchType, text, metav1.PatchOptions{}, subresource...)
	must(o.t, err)
}

// delete deletes an object by hand.
func (o *objects) delete(kind schema.GroupVersionResource, component string) {
	o.t.Helper()
	must(o.t, o.of(kind).Delete(o.t.Context(), objectName(component), metav1.DeleteOptions{}))
}

// orchestrate runs simulated orchestrators in the namespace until the test ends.
func (o *objects) orchestrate() {
	o.t.Helper()
	simulated, err := orchestrator.New(orchestrator.Config{REST: o.config, Log: quiet(), Namespace: o.namespace, Pace: orchestratorPace})
	must(o.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := simulated.Run(ctx); err != nil {
			o.t.Errorf("simulated orchestrators: %v", err)
		}
	})
	o.t.Cleanup(func() { cancel(); running.Wait() })
}

func imageOf(o *unstructured.Unstructured) string {
	image, _, _ := unstructured.NestedString(o.Object, "spec", "image")
	return image
}

func elementOf(o *unstructured.Unstructured) string {
	id, _, _ := unstructured.NestedString(o.Object, "spec", "selectedIE", "id")
	return id
}

// hasImage checks the version of image().
func hasImage(version int) func(*unstructured.Unstructured) error {
	return func(o *unstructured.Unstructured) error { return differ("image", imageOf(o), image(version)) }
}

func hasHost(name string) func(*unstructured.Unstructured) error {
	return func(o *unstructured.Unstructured) error {
		got, _, _ := unstructured.NestedString(o.Object, "spec", "selectedIE", "hostname")
		return differ("host name", got, name)
	}
}

func isExposed(o *unstructured.Unstructured) error {
	on, _, _ := unstructured.NestedBool(o.Object, "spec", "exposePorts")
	return differ("exposePorts", on, true)
}

// foreign makes an object of somebody else in the place of a component's.
func (o *objects) foreign(component string, labels, annotations map[string]string) *unstructured.Unstructured {
	o.t.Helper()
	u := &unstructured.Unstructured{Object: object{
		"apiVersion": group.String(), "kind": "ServiceComponentK8s",
		"metadata": object{"name": objectName(component), "namespace": o.namespace},
		"spec":     object{"image": "somebody/else:1"},
	}}
	u.SetLabels(labels)
	u.SetAnnotations(annotations)
	made, err := o.of(onK8s).Create(o.t.Context(), u, metav1.CreateOptions{})
	must(o.t, err)
	return made
}

func isRunning(o *unstructured.Unstructured) bool {
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	return phase == "Running"
}
