package llo_test

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hlo-agent/hlo-agent/llo"
)

func TestDelete(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	live, _ := c.Get(w.key("a"))
	if err := c.Delete(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() bool { _, ok := c.Get(w.key("a")); return !ok })
	c.waitTold(t, entity)
	w.wire.reset()
	if err := c.Delete(t.Context(), live); err != nil {
		t.Errorf("second delete: %v", err)
	}
	w.wire.wantWrites(t, 0)
	w.apply(c, w.component("a"), llo.ActionCreated)
	again, _ := c.Get(w.key("a"))
	if err := c.Delete(t.Context(), live); err != nil || again.UID == live.UID {
		t.Errorf("delete of the former object: %v", err)
	}
	w.get(k8sKind, "a")
}

func TestDeletionThatAFinalizerHolds(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	w.caught(c, w.merge(k8sKind, "a", "llo", `{"metadata":{"finalizers":["example.org/hold"]}}`))
	live, _ := c.Get(w.key("a"))
	if err := c.Delete(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	held, ok := c.Get(w.key("a"))
	if !ok || !held.Deleting || live.Deleting {
		t.Fatalf("after Delete the cache shows %+v", held)
	}
	w.wire.reset()
	if err := c.Delete(t.Context(), held); err != nil {
		t.Errorf("second delete: %v", err)
	}
	for _, image := range []string{"registry.example.org/a:1", "new"} {
		if _, err := c.Apply(t.Context(), w.component("a", set(image, "spec", "image"))); !errors.Is(err, llo.ErrRetry) {
			t.Errorf("apply to what is being deleted: %v, want ErrRetry", err)
		}
	}
	w.wire.wantWrites(t, 0)
	w.unhold("a")
	eventually(t, "gone", func() bool { _, ok := c.Get(w.key("a")); return !ok })
	c.waitTold(t, entity)
	w.apply(c, w.component("a"), llo.ActionCreated)
}

func TestDeleteKnowsWhatWasSwappedBehindItsBack(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	live, _ := c.Get(w.key("a"))
	defer w.wire.stall()() // the cache goes on showing the old one
	if err := w.resource(k8sKind).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), live); err != nil {
		t.Errorf("delete of what is gone: %v", err)
	}
	other := w.others("someone", w.component("a"))
	if err := c.Delete(t.Context(), live); err != nil {
		t.Errorf("delete of what was replaced: %v", err)
	}
	if now := w.get(k8sKind, "a"); now.GetUID() != other.GetUID() || now.GetDeletionTimestamp() != nil {
		t.Errorf("somebody else's object was deleted")
	}
}
