package llo_test

import (
	"errors"
	"testing"

	"github.com/hlo-agent/hlo-agent/llo"
)

// A released object stays as it is, without our label; nothing of ours touches it any more.
func TestRelease(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	live, _ := c.Get(w.key("a"))
	if err := c.Release(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	if _, ours := c.Get(w.key("a")); ours {
		t.Error("it is ours right after")
	}
	if owner, entityOf, exists := c.Holder(w.key("a")); owner != "" || entityOf != entity || !exists {
		t.Errorf("holder %q for %q, exists %v", owner, entityOf, exists)
	}
	o := w.get(k8sKind, "a")
	if _, labelled := o.GetLabels()[llo.Owner]; labelled || o.GetUID() != live.UID || o.GetDeletionTimestamp() != nil {
		t.Errorf("labels %v, uid %s, want the object of before without the owner's", o.GetLabels(), o.GetUID())
	}
	if image := o.Object["spec"].(map[string]any)["image"]; image != "registry.example.org/a:1" {
		t.Errorf("its image is %v", image)
	}
	w.wire.reset()
	if err := c.Release(t.Context(), live); !errors.Is(err, llo.ErrForeign) {
		t.Errorf("second release: %v, want ErrForeign", err)
	}
	if err := c.Delete(t.Context(), live); !errors.Is(err, llo.ErrForeign) {
		t.Errorf("deletion: %v, want ErrForeign", err)
	}
	if _, err := c.Apply(t.Context(), w.component("a")); !errors.Is(err, llo.ErrForeign) {
		t.Errorf("apply: %v, want ErrForeign", err)
	}
	w.wire.wantWrites(t, 0)
}

// Another object of the name is not released.
func TestReleaseOfAFormerObject(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	former, _ := c.Get(w.key("a"))
	if err := c.Delete(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() bool { _, ok := c.Get(w.key("a")); return !ok })
	w.apply(c, w.component("a"), llo.ActionCreated)
	if err := c.Release(t.Context(), former); err != nil {
		t.Errorf("release of the former object: %v", err)
	}
	if _, ours := c.Get(w.key("a")); !ours {
		t.Error("the new object is not ours any more")
	}
	if w.get(k8sKind, "a").GetLabels()[llo.Owner] == "" {
		t.Error("the new object lost its label")
	}
}
