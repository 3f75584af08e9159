package llo_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/hlo-agent/hlo-agent/llo"
)

var (
	k8sKind    = schema.GroupVersionKind{Group: "llo.aeros-project.eu", Version: "v1alpha1", Kind: "ServiceComponentK8s"}
	dockerKind = schema.GroupVersionKind{Group: "llo.aeros-project.eu", Version: "v1alpha1", Kind: "ServiceComponentDocker"}
	configKind = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	deployKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
)

const entity = "urn:ngsi-ld:ServiceComponent:Service_1_Component_a"

// within is how long anything in these tests may take before it counts as never.
const within = 30 * time.Second

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, within)
		}
		<-tick.C
	}
}

// world is one namespace of the API server, with what a test needs in it.
type world struct {
	t         *testing.T
	namespace string
	admin     dynamic.Interface
	wire      *wire
	log       *logged
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	admin, err := dynamic.NewForConfig(server(t))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, admin: admin, wire: &wire{}, log: &logged{}}
	namespace := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "llo-"},
	}}
	made, err := admin.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Create(t.Context(), namespace, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.namespace = made.GetName()
	return w
}

func (w *world) config() llo.Config {
	config := server(w.t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &tap{wire: w.wire, next: next} })
	return llo.Config{
		REST: config, Owner: "agent-1", Manager: "hlo-agent/agent-1",
		Scope: in(kinds(k8sKind), w.namespace),
		Log:   slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// run starts a cluster and waits until it is ready; it ends with the test.
func (w *world) run(change ...func(*llo.Config)) *cluster {
	w.t.Helper()
	c, stop := w.start(change...)
	w.t.Cleanup(stop)
	eventually(w.t, "ready", c.Ready)
	return c
}

// cluster is a running llo.Cluster and whom it has told of changes.
type cluster struct {
	*llo.Cluster
	told chan string
}

func (w *world) start(change ...func(*llo.Config)) (*cluster, func()) {
	w.t.Helper()
	cfg := w.config()
	for _, f := range change {
		f(&cfg)
	}
	made, err := llo.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	made.Hurry()
	c := &cluster{Cluster: made, told: make(chan string, 1000)}
	c.OnChange(func(entity string) { c.told <- entity })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return c, sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				w.t.Errorf("Run: %v", err)
			}
		case <-time.After(5 * time.Second):
			w.t.Errorf("Run goes on after its context has ended")
		}
	})
}

// forget drops what was told so far: a watch may be quicker than the answer to a write.
func (c *cluster) forget() {
	for {
		select {
		case <-c.told:
		default:
			return
		}
	}
}

// waitTold waits until entity was told of.
func (c *cluster) waitTold(t *testing.T, entity string) {
	t.Helper()
	after := time.After(within)
	for {
		select {
		case told := <-c.told:
			if told == entity {
				return
			}
		case <-after:
			t.Fatalf("nothing told of %s", entity)
		}
	}
}

// component is a rendered object of the given name.
func (w *world) component(name string, change ...func(o map[string]any)) *unstructured.Unstructured {
	o := map[string]any{
		"apiVersion": "llo.aeros-project.eu/v1alpha1", "kind": "ServiceComponentK8s",
		"metadata": map[string]any{
			"name": name, "namespace": w.namespace,
			"labels":      map[string]any{"app.kubernetes.io/part-of": "Service_1"},
			"annotations": map[string]any{llo.EntityAnnotation: entity, llo.OriginAnnotation: "broker"},
		},
		"spec": map[string]any{
			"image": "registry.example.org/a:1", "isJob": false,
			"ports":   []any{map[string]any{"number": int64(8080), "protocol": "TCP"}},
			"envVars": []any{map[string]any{"key": "A", "value": "1"}},
		},
	}
	for _, f := range change {
		f(o)
	}
	return &unstructured.Unstructured{Object: o}
}

// set changes one field of a rendered object; nil removes it.
func set(value any, path ...string) func(map[string]any) {
	return func(o map[string]any) {
		if value == nil {
			unstructured.RemoveNestedField(o, path...)
			return
		}
		if err := unstructured.SetNestedField(o, value, path...); err != nil {
			panic(err)
		}
	}
}

func (w *world) resource(kind schema.GroupVersionKind) dynamic.ResourceInterface {
	plural := map[string]string{
		"ServiceComponentK8s": "servicecomponentk8s", "ServiceComponentDocker": "servicecomponentdockers",
		"ConfigMap": "configmaps", "Deployment": "deployments", "Gadget": "gadgets",
	}[kind.Kind]
	return w.admin.Resource(kind.GroupVersion().WithResource(plural)).Namespace(w.namespace)
}

func (w *world) get(kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	w.t.Helper()
	o, err := w.resource(kind).Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// others makes an object by the hand of another manager, as it is given.
func (w *world) others(manager string, o *unstructured.Unstructured) *unstructured.Unstructured {
	w.t.Helper()
	made, err := w.resource(o.GroupVersionKind()).Create(w.t.Context(), o, metav1.CreateOptions{FieldManager: manager})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// merge changes an object by the hand of another manager.
func (w *world) merge(kind schema.GroupVersionKind, name, manager, patch string, subresource ...string) *unstructured.Unstructured {
	w.t.Helper()
	o, err := w.resource(kind).Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: manager}, subresource...)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) key(name string) llo.Key {
	return llo.Key{GVK: k8sKind, Namespace: w.namespace, Name: name}
}

// apply applies o, which must succeed with that action.
func (w *world) apply(c *cluster, o *unstructured.Unstructured, action string) llo.Result {
	w.t.Helper()
	before := o.DeepCopy()
	result, err := c.Apply(w.t.Context(), o)
	if err != nil {
		w.t.Fatalf("apply %s: %v", o.GetName(), err)
	}
	if result.Action != action {
		w.t.Fatalf("apply %s: %+v, want action %s", o.GetName(), result, action)
	}
	if fmt.Sprint(o) != fmt.Sprint(before) {
		w.t.Fatalf("apply changed its argument from %v to %v", before, o)
	}
	return result
}

// caught waits until the cache of c shows the version that the API server has.
func (w *world) caught(c *cluster, o *unstructured.Unstructured) *llo.Live {
	w.t.Helper()
	key := llo.Key{GVK: o.GroupVersionKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
	var live *llo.Live
	eventually(w.t, "cache catches up with "+key.String(), func() bool {
		found, ok := c.Get(key)
		live = found
		return ok && found.ResourceVersion == o.GetResourceVersion()
	})
	return live
}
