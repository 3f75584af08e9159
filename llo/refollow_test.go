package llo_test

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/llo"
)

func kinds(of ...schema.GroupVersionKind) []schema.GroupVersionKind { return of }

// in is a scope with the same namespaces for every kind.
func in(kinds []schema.GroupVersionKind, namespaces ...string) llo.Scope {
	scope := llo.Scope{}
	for _, kind := range kinds {
		scope[kind] = namespaces
	}
	return scope
}

func (w *world) docker(name string) *unstructured.Unstructured {
	return w.component(name, set("ServiceComponentDocker", "kind"))
}

// A kind that is left out is followed until the last object of ours is gone from
// it; one that comes is listed, with what was there before.
func TestFollowOtherKinds(t *testing.T) {
	w := newWorld(t)
	earlier := w.run(func(cfg *llo.Config) { cfg.Scope = in(kinds(dockerKind), w.namespace) })
	w.apply(earlier, w.docker("before"), llo.ActionCreated)

	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	if len(c.All()) != 1 {
		t.Fatalf("%d objects, want the one of the kind that is followed", len(c.All()))
	}
	c.Follow(in(kinds(dockerKind), w.namespace))
	eventually(t, "ready again", c.Ready)
	if found := c.ByEntity(entity); len(found) != 2 {
		t.Fatalf("%d objects, want that of the old kind and that of the new one", len(found))
	}
	if _, err := c.Apply(t.Context(), w.component("b")); !errors.Is(err, llo.ErrNoKind) {
		t.Errorf("apply of a kind that was left out: %v, want ErrNoKind", err)
	}
	if err := c.KindState(k8sKind); !errors.Is(err, llo.ErrNoKind) {
		t.Errorf("state of a kind that was left out: %v, want ErrNoKind", err)
	}
	w.apply(c, w.docker("new"), llo.ActionCreated)

	// It is still watched.
	changed := w.merge(k8sKind, "a", "somebody", `{"spec":{"image":"other:1"}}`)
	old := w.caught(c, changed)
	c.forget()
	if err := c.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	c.waitTold(t, entity)
	eventually(t, "the old kind is not followed any more", func() bool { return w.log.count("not followed any more") == 1 })
	w.others("somebody", w.component("c"))
	if len(c.All()) != 2 {
		t.Errorf("%d objects, want two of the new kind", len(c.All()))
	}

	// And back: what is there is found again.
	c.Follow(in(kinds(k8sKind, dockerKind), w.namespace))
	eventually(t, "ready", c.Ready)
	if owner, _, exists := c.Holder(w.key("c")); !exists || owner != "" {
		t.Errorf("holder %q, exists %v; want nobody's", owner, exists)
	}
}

// Namespaces change in the same way; no object is seen twice meanwhile.
func TestFollowOtherNamespaces(t *testing.T) {
	w := newWorld(t)
	made, err := w.admin.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "llo-"}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other := made.GetName()
	elsewhere := w.component("far", set(other, "metadata", "namespace"))
	c := w.run(func(cfg *llo.Config) { cfg.Owner = "agent-of-all" }) // others have objects in other namespaces
	w.apply(c, w.component("near"), llo.ActionCreated)
	if _, err := c.Apply(t.Context(), elsewhere); !errors.Is(err, llo.ErrInvalid) {
		t.Fatalf("apply elsewhere: %v, want ErrInvalid", err)
	}
	c.Follow(in(kinds(k8sKind), w.namespace, other))
	eventually(t, "ready", c.Ready)
	w.apply(c, elsewhere, llo.ActionCreated)

	c.Follow(in(kinds(k8sKind))) // all of them
	eventually(t, "the narrow ones end", func() bool { return w.log.count("not followed any more") == 2 })
	if found := c.ByEntity(entity); len(found) < 2 {
		t.Errorf("%d objects, want two at least", len(found))
	}

	c.Follow(in(kinds(k8sKind), w.namespace))
	if found := c.ByEntity(entity); len(found) < 2 {
		t.Errorf("%d objects right after, want two at least", len(found))
	}
	eventually(t, "ready", c.Ready)
	seen := map[llo.Key]int{}
	for _, l := range c.ByEntity(entity) {
		seen[l.Key]++
	}
	far := llo.Key{GVK: k8sKind, Namespace: other, Name: "far"}
	if seen[w.key("near")] != 1 || seen[far] != 1 {
		t.Errorf("objects %v, want each once", seen)
	}
	live, ok := c.Get(far)
	if !ok {
		t.Fatal("the object in the namespace that was left out is not found")
	}
	if err := c.Delete(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all namespaces are not followed any more", func() bool { return w.log.count("not followed any more") == 3 })
	if _, ok := c.Get(w.key("near")); !ok {
		t.Error("the object near by is lost")
	}
}

// A kind without namespaces is seen by another follower after the first one went.
func TestFollowKindWithoutNamespaces(t *testing.T) {
	w := newWorld(t)
	g := newGadget(w, "handed.example.org")
	g.install("Cluster")
	c := w.run(func(cfg *llo.Config) { cfg.Scope = in(kinds(g.gvk), w.namespace) })
	eventually(t, "followed", func() bool { return c.KindState(g.gvk) == nil })
	w.apply(c, g.object("g"), llo.ActionCreated)
	c.Follow(in(kinds(g.gvk), "default"))
	if len(c.All()) != 1 {
		t.Errorf("%d objects meanwhile, want 1", len(c.All()))
	}
	eventually(t, "ready", c.Ready)
	eventually(t, "handed over", func() bool { return w.log.count("not followed any more") == 1 })
	live, ok := c.Get(llo.Key{GVK: g.gvk, Name: "g"})
	if !ok {
		t.Fatal("the object is lost")
	}
	if err := c.Delete(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() bool { return len(c.All()) == 0 })
}

// What is searched is found and followed as long as it is there, without being
// followed for good; what cannot be found is given up.
func TestSearch(t *testing.T) {
	w := newWorld(t)
	earlier := w.run(func(cfg *llo.Config) { cfg.Scope = in(kinds(dockerKind), w.namespace) })
	w.apply(earlier, w.docker("before"), llo.ActionCreated)
	c := w.run()
	c.Search(k8sKind, w.namespace)
	c.Search(dockerKind, w.namespace)
	c.Search(dockerKind, w.namespace)
	c.Search(newGadget(w, "nowhere.example.org").gvk, w.namespace)
	eventually(t, "found", func() bool { return len(c.ByEntity(entity)) == 1 })
	c.waitTold(t, entity)
	if !c.Ready() {
		t.Error("what is searched makes it not ready")
	}
	if _, err := c.Apply(t.Context(), w.docker("other")); !errors.Is(err, llo.ErrNoKind) {
		t.Errorf("apply of what is only searched: %v, want ErrNoKind", err)
	}
	eventually(t, "what is not there is given up", func() bool { return w.log.count("not followed any more") == 1 })
	if err := c.Delete(t.Context(), c.ByEntity(entity)[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "given up when the last is gone", func() bool { return w.log.count("not followed any more") == 2 })
	w.apply(c, w.component("a"), llo.ActionCreated)

	// One that may not be listed is given up, too.
	w.wire.answerWith("HTTP/1.1 403 Forbidden\r\n\r\n")
	c.Search(dockerKind, w.namespace)
	eventually(t, "given up where it may not look", func() bool { return w.log.count("not followed any more") == 3 })
}
