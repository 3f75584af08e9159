package llo_test

import (
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
)

func TestRefusedEntityIsToldWhenTheHolderGoes(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.others("someone", w.component("a"))
	if _, err := c.Apply(t.Context(), w.component("a")); !errors.Is(err, llo.ErrForeign) {
		t.Fatalf("apply: %v, want ErrForeign", err)
	}
	if err := w.resource(k8sKind).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.waitTold(t, entity)
	w.apply(c, w.component("a"), llo.ActionCreated)
}

func TestObjectThatTookThePlaceOfOursIsNotTouched(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	old, _ := c.Get(w.key("a"))
	release := w.wire.stall()
	if err := w.resource(k8sKind).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}

	// Gone: an update does not bring it back by itself, and nothing is doubled.
	_, err := c.Apply(t.Context(), w.component("a", set("new", "spec", "image")))
	if !errors.Is(err, llo.ErrRetry) {
		t.Errorf("update of what is gone: %v, want ErrRetry", err)
	}
	if _, err := w.resource(k8sKind).Get(t.Context(), "a", metav1.GetOptions{}); err == nil {
		t.Errorf("the update made the object anew")
	}

	// Replaced by somebody's: neither changed nor deleted.
	theirs := w.others("someone", w.component("a", set("theirs", "spec", "image")))
	if err := c.Delete(t.Context(), old); err != nil {
		t.Errorf("delete of what is gone: %v", err)
	}
	if _, err := c.Apply(t.Context(), w.component("a", set("new", "spec", "image"))); !errors.Is(err, llo.ErrForeign) {
		t.Errorf("update of what was replaced: %v, want ErrForeign", err)
	}
	if now := w.get(k8sKind, "a"); now.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Errorf("the object was changed: %v", now)
	}
	if _, ok := c.Get(w.key("a")); ok {
		t.Errorf("somebody's object is taken for ours")
	}
	c.forget()
	release()
	if err := w.resource(k8sKind).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.waitTold(t, entity)
	w.apply(c, w.component("a"), llo.ActionCreated)
}

func TestObjectThatLosesOurLabelIsGoneForUs(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	live, _ := c.Get(w.key("a"))
	c.forget()
	w.merge(k8sKind, "a", "someone", `{"metadata":{"labels":{"hlo-agent.github.io/owner":null}}}`)
	eventually(t, "not ours", func() bool { _, ok := c.Get(w.key("a")); return !ok })
	c.waitTold(t, entity)
	if len(c.ByEntity(entity)) > 0 || len(c.All()) > 0 {
		t.Errorf("still taken for ours")
	}
	var foreign *llo.ForeignError
	if err := c.Delete(t.Context(), live); !errors.As(err, &foreign) {
		t.Errorf("delete: %v, want a ForeignError", err)
	}
	if _, err := c.Apply(t.Context(), w.component("a")); !errors.As(err, &foreign) || foreign.Owner != "" {
		t.Errorf("apply: %v, want a ForeignError of nobody", err)
	}
	w.get(k8sKind, "a")

	// And given back it is ours again.
	w.caught(c, w.merge(k8sKind, "a", "someone", `{"metadata":{"labels":{"hlo-agent.github.io/owner":"agent-1"}}}`))
	c.waitTold(t, entity)
	w.apply(c, w.component("a"), llo.ActionNone)
}

func TestAdoption(t *testing.T) {
	old := func(w *world) {
		o := w.component("a", set("old", "spec", "image"), set(true, "spec", "privileged"), set("gone", "metadata", "labels", "old"))
		set(nil, "metadata", "annotations")(o.Object)
		w.others("old-hlo", o)
		w.merge(k8sKind, "a", "bystander", `{"metadata":{"labels":{"theirs":"1"},"finalizers":["example.org/hold"]},"spec":{"exposePorts":true}}`)
		w.merge(k8sKind, "a", "llo", `{"status":{"phase":"Running"}}`, "status")
	}
	t.Run("named manager", func(t *testing.T) {
		w := newWorld(t)
		old(w)
		c := w.run(func(cfg *llo.Config) { cfg.Adopt = []string{"x", "old-hlo"} })
		w.apply(c, w.component("a"), llo.ActionAdopted)
		w.wantAdopted(c)
		live := w.get(k8sKind, "a")
		if exposed, _, _ := unstructured.NestedBool(live.Object, "spec", "exposePorts"); !exposed || live.GetLabels()["theirs"] != "1" {
			t.Errorf("fields of a manager that was not named were lost: %v", live)
		}
		for _, entry := range live.GetManagedFields() {
			if entry.Manager == "old-hlo" {
				t.Errorf("old-hlo still has %s", entry.FieldsV1)
			}
		}
		w.wire.reset()
		w.apply(c, w.component("a"), llo.ActionNone)
		w.wire.wantWrites(t, 0)
	})
	t.Run("any manager", func(t *testing.T) {
		w := newWorld(t)
		old(w)
		c := w.run(func(cfg *llo.Config) { cfg.Adopt = []string{"*"} })
		w.apply(c, w.component("a"), llo.ActionAdopted)
		w.wantAdopted(c)
		if live := w.get(k8sKind, "a"); live.GetLabels()["theirs"] != "" {
			t.Errorf("a label that we do not render stayed: %v", live.GetLabels())
		}
	})
	t.Run("manager that applied", func(t *testing.T) {
		w := newWorld(t)
		force := true
		if _, err := w.resource(k8sKind).Patch(t.Context(), "a", types.ApplyPatchType, []byte(`{"apiVersion":"llo.aeros-project.eu/v1alpha1",
			"kind":"ServiceComponentK8s","metadata":{"name":"a","labels":{"old":"gone"}},"spec":{"image":"old","privileged":true}}`),
			metav1.PatchOptions{FieldManager: "old-hlo", Force: &force}); err != nil {
			t.Fatal(err)
		}
		c := w.run(func(cfg *llo.Config) { cfg.Adopt = []string{"old-hlo"} })
		w.apply(c, w.component("a"), llo.ActionAdopted)
		w.wantAdopted(c)
	})
	t.Run("goes on after a stop between its steps", func(t *testing.T) {
		w := newWorld(t)
		old(w)
		c := w.run(func(cfg *llo.Config) { cfg.Adopt = []string{"old-hlo"} })
		w.wire.breakWith(failOnce("application/apply-patch+yaml"), nil)
		if _, err := c.Apply(t.Context(), w.component("a")); !errors.Is(err, llo.ErrRetry) {
			t.Fatalf("apply: %v, want ErrRetry", err)
		}
		w.apply(c, w.component("a"), llo.ActionAdopted)
		w.wantAdopted(c)
	})
	t.Run("other manager", func(t *testing.T) {
		w := newWorld(t)
		old(w)
		before := w.get(k8sKind, "a").GetResourceVersion()
		c := w.run(func(cfg *llo.Config) { cfg.Adopt = []string{"another"} })
		if _, err := c.Apply(t.Context(), w.component("a")); !errors.Is(err, llo.ErrForeign) {
			t.Fatalf("apply: %v, want ErrForeign", err)
		}
		if now := w.get(k8sKind, "a").GetResourceVersion(); now != before {
			t.Errorf("the object was changed")
		}
	})
	t.Run("of another entity", func(t *testing.T) {
		w := newWorld(t)
		w.others("old-hlo", w.component("a", set("urn:other", "metadata", "annotations", llo.EntityAnnotation)))
		c := w.run(func(cfg *llo.Config) { cfg.Adopt = []string{"*"} })
		if _, err := c.Apply(t.Context(), w.component("a")); !errors.Is(err, llo.ErrForeign) {
			t.Fatalf("apply: %v, want ErrForeign", err)
		}
	})
	t.Run("another agent was quicker", func(t *testing.T) {
		w := newWorld(t)
		old(w)
		c := w.run(func(cfg *llo.Config) { cfg.Adopt = []string{"*"} })
		defer w.wire.stall()()
		w.merge(k8sKind, "a", "hlo-agent/agent-2", `{"metadata":{"labels":{"hlo-agent.github.io/owner":"agent-2"}}}`)
		if _, err := c.Apply(t.Context(), w.component("a")); !errors.Is(err, llo.ErrForeign) {
			t.Fatalf("apply: %v, want ErrForeign", err)
		}
	})
}

// wantAdopted checks what any adoption must lead to.
func (w *world) wantAdopted(c *cluster) {
	w.t.Helper()
	live := w.get(k8sKind, "a")
	if _, there, _ := unstructured.NestedBool(live.Object, "spec", "privileged"); there || live.GetLabels()["old"] != "" {
		w.t.Errorf("what we do not render stayed: %v", live)
	}
	if live.GetLabels()[llo.Owner] != "agent-1" || live.GetAnnotations()[llo.EntityAnnotation] != entity {
		w.t.Errorf("without our marks: %v", live)
	}
	if held := len(live.GetFinalizers()) > 0; held {
		w.t.Cleanup(func() { w.unhold("a") })
	} else if len(live.GetManagedFields()) > 1 {
		w.t.Errorf("the finalizer of somebody else was lost")
	}
	if own, ok := c.Get(w.key("a")); !ok || own.UID != live.GetUID() {
		w.t.Errorf("not in the cache as ours")
	}
}

func (w *world) unhold(name string) {
	_, err := w.resource(k8sKind).Patch(context.Background(), name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if err != nil {
		w.t.Error(err)
	}
}
