package llo_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
)

func TestApplyCreatesOnceAndThenWritesNothing(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	created := w.apply(c, w.component("a"), llo.ActionCreated)
	live := w.get(k8sKind, "a")
	if got := live.GetLabels()[llo.Owner]; got != "agent-1" {
		t.Errorf("owner label %q", got)
	}
	if created.UID != live.GetUID() || created.ResourceVersion != live.GetResourceVersion() || created.Generation != 1 {
		t.Errorf("result %+v is not of the object %v", created, live)
	}
	own, ok := c.Get(w.key("a"))
	if !ok || own.Annotations[llo.EntityAnnotation] != entity || len(own.Annotations[llo.InputHash]) != 16 || own.Created.IsZero() {
		t.Errorf("cache after create: %+v", own)
	}
	live.SetManagedFields(nil)
	if diff := cmp.Diff(live.Object, own.Object().Object); diff != "" {
		t.Errorf("Live.Object (-API server +cache):\n%s", diff)
	}
	w.wire.reset()
	for range 3 {
		again := w.apply(c, w.component("a"), llo.ActionNone)
		again.Action = llo.ActionCreated
		if diff := cmp.Diff(created, again); diff != "" {
			t.Error(diff)
		}
	}
	w.wire.wantWrites(t, 0)
}

func TestApplyChangesOnlyWhatIsRendered(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a", set("x", "metadata", "labels", "rendered")), llo.ActionCreated)
	w.merge(k8sKind, "a", "someone", `{"metadata":{"labels":{"theirs":"1"}},"spec":{"exposePorts":true}}`)
	w.merge(k8sKind, "a", "llo", `{"status":{"phase":"Running"}}`, "status")

	changed := w.apply(c, w.component("a", set("registry.example.org/a:2", "spec", "image"), set(nil, "spec", "envVars")), llo.ActionUpdated)
	live := w.get(k8sKind, "a")
	want := map[string]any{
		"image": "registry.example.org/a:2", "isJob": false, "exposePorts": true,
		"ports": []any{map[string]any{"number": int64(8080), "protocol": "TCP"}},
	}
	if diff := cmp.Diff(want, live.Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if labels := live.GetLabels(); labels["theirs"] != "1" || labels["rendered"] != "" {
		t.Errorf("labels %v: want theirs kept and the one no longer rendered gone", labels)
	}
	if phase, _, _ := unstructured.NestedString(live.Object, "status", "phase"); phase != "Running" {
		t.Errorf("status was lost: %v", live.Object["status"])
	}
	if len(changed.TakenOver) > 0 || changed.ResourceVersion != live.GetResourceVersion() {
		t.Errorf("result %+v", changed)
	}
}

func TestApplyPutsDriftRight(t *testing.T) {
	for name, patch := range map[string]string{
		"value":             `{"spec":{"image":"other"}}`,
		"removed":           `{"spec":{"isJob":null}}`,
		"list":              `{"spec":{"ports":[]}}`,
		"inside a list":     `{"spec":{"envVars":[{"key":"A","value":"1"},{"key":"B"}]}}`,
		"element of a list": `{"spec":{"ports":[{"number":8081,"protocol":"TCP"}]}}`,
		"label":             `{"metadata":{"labels":{"app.kubernetes.io/part-of":"x"}}}`,
		"annotation":        `{"metadata":{"annotations":{"hlo-agent.github.io/origin":"x"}}}`,
		"entity":            `{"metadata":{"annotations":{"hlo-agent.github.io/entity":null}}}`,
		"hash":              `{"metadata":{"annotations":{"hlo-agent.github.io/input-hash":"x"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.run()
			w.apply(c, w.component("a"), llo.ActionCreated)
			want := w.get(k8sKind, "a")
			edited := w.merge(k8sKind, "a", "kubectl-edit", patch)
			w.caught(c, edited)
			c.waitTold(t, entity)
			w.wire.reset()
			w.apply(c, w.component("a"), llo.ActionUpdated)
			got := w.get(k8sKind, "a")
			for _, o := range []*unstructured.Unstructured{want, got} {
				for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
					unstructured.RemoveNestedField(o.Object, "metadata", field)
				}
			}
			if diff := cmp.Diff(want.Object, got.Object); diff != "" {
				t.Errorf("(-before the edit +after apply):\n%s", diff)
			}
			w.wire.reset()
			w.apply(c, w.component("a"), llo.ActionNone)
			w.wire.wantWrites(t, 0)
		})
	}
}

func TestTakeOverIsCounted(t *testing.T) {
	w := newWorld(t)
	counted := make(chan string, 10)
	c := w.run(func(cfg *llo.Config) { cfg.TakenOver = func(kind string) { counted <- kind } })
	w.apply(c, w.component("a"), llo.ActionCreated)
	w.caught(c, w.merge(k8sKind, "a", "kubectl-edit", `{"spec":{"image":"other","isJob":true}}`))
	got := w.apply(c, w.component("a"), llo.ActionUpdated)
	if diff := cmp.Diff([]string{".spec.image", ".spec.isJob"}, got.TakenOver); diff != "" {
		t.Errorf("taken over (-want +got):\n%s", diff)
	}
	if len(counted) != 1 || <-counted != "ServiceComponentK8s" {
		t.Errorf("take-overs were counted %d times more", len(counted))
	}
	if w.log.count("taking fields back") != 1 || w.log.count("kubectl-edit") != 1 {
		t.Errorf("log: %s", w.log.text.String())
	}
	// A field that nobody else had set is not a take-over.
	got = w.apply(c, w.component("a", set("third", "spec", "image")), llo.ActionUpdated)
	if len(got.TakenOver) > 0 || len(counted) > 0 {
		t.Errorf("take-over of our own: %+v", got)
	}
}

func TestApplyNeverTouchesWhatIsNotOurs(t *testing.T) {
	mark := func(owner, entity string) func(map[string]any) {
		return func(o map[string]any) {
			set(owner, "metadata", "labels", llo.Owner)(o)
			set(entity, "metadata", "annotations", llo.EntityAnnotation)(o)
		}
	}
	for name, test := range map[string]struct {
		change func(map[string]any)
		want   llo.ForeignError
	}{
		"nobody's":                   {set("theirs", "spec", "image"), llo.ForeignError{Entity: entity}},
		"identical":                  {func(map[string]any) {}, llo.ForeignError{Entity: entity}},
		"another agent's":            {mark("agent-2", "urn:x"), llo.ForeignError{Owner: "agent-2", Entity: "urn:x"}},
		"another agent's, identical": {mark("agent-2", entity), llo.ForeignError{Owner: "agent-2", Entity: entity}},
		"of another entity":          {mark("agent-1", "urn:other"), llo.ForeignError{Owner: "agent-1", Entity: "urn:other"}},
	} {
		for _, known := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", known", false: ", not known yet"}[known], func(t *testing.T) {
				w := newWorld(t)
				adopt := func(cfg *llo.Config) {}
				if name != "nobody's" && name != "identical" {
					adopt = func(cfg *llo.Config) { cfg.Adopt = []string{"*"} } // must not matter
				}
				c := w.run(adopt)
				if !known { // the watch brings nothing any more
					defer w.wire.stall()()
				}
				theirs := w.others("someone", w.component("a", test.change))
				if known {
					eventually(t, "the foreign object is known", func() bool { _, _, ok := c.Holder(w.key("a")); return ok })
				}
				_, err := c.Apply(t.Context(), w.component("a"))
				var foreign *llo.ForeignError
				if !errors.As(err, &foreign) || !errors.Is(err, llo.ErrForeign) {
					t.Fatalf("apply: %v, want a ForeignError", err)
				}
				want := test.want
				want.Key = w.key("a")
				if diff := cmp.Diff(want, *foreign); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if now := w.get(k8sKind, "a"); now.GetResourceVersion() != theirs.GetResourceVersion() {
					t.Errorf("the object was changed: %v", now)
				}
				owner, of, exists := c.Holder(w.key("a"))
				if !exists || owner != test.want.Owner || of != test.want.Entity {
					t.Errorf("holder %q %q %v", owner, of, exists)
				}
			})
		}
	}
}
