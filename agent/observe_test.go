package agent

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
)

// The time since which an object has been silent comes from the API server's clock.
// From then on it is counted by our steady clock: a computer whose time of day is set
// back by an hour does not say an hour later that the state is unknown.
func TestSilenceIsCountedByTheSteadyClock(t *testing.T) {
	t.Parallel()
	tr := newTracker(time.Now)
	tr.notified(component("Starting"), time.Now())
	r := &reconciler{tracker: tr, now: time.Now}
	v, _ := tr.get(someID)
	p, created := &pass{view: v}, time.Now().Round(0).Add(-10*time.Second)
	since := r.standsSince(p, &llo.Live{UID: types.UID("1"), Created: created}, mapping.State{Phase: mapping.Progressing, Silent: true})
	if !since.Equal(created) || !strings.Contains(since.String(), " m=") {
		t.Errorf("silent since %v, want %v with a reading of the steady clock", since, created)
	}
	if v, _ := tr.get(someID); !strings.Contains(v.seenAt.String(), " m=") {
		t.Errorf("noted since %v, without a reading of the steady clock", v.seenAt)
	}
}

// An object that stays where the wanted one cannot be made is named while it does its
// work, so that another agent can let its own go; an object that does not is not named.
func TestWhatStaysIsNamedWhileItWorks(t *testing.T) {
	t.Parallel()
	set, err := mapping.Load(mapping.Source{Name: "m.yaml", Data: []byte(`{apiVersion: hlo-agent.github.io/v1alpha1, kind: Mapping, metadata: {name: m}, spec: {objects: [
		{id: works, object: {apiVersion: example.org/v1, kind: Works, metadata: {name: a}}, status: {rules: [{phase: Running}]}},
		{id: waits, object: {apiVersion: example.org/v1, kind: Waits, metadata: {name: a}}, status: {rules: [{phase: Progressing}]}}]}}`)})
	if err != nil {
		t.Fatal(err)
	}
	kind := func(name string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: name}
	}
	object := func(name, element string) *llo.Live {
		return &llo.Live{Key: llo.Key{GVK: kind(name), Name: "a"}, Cluster: defaultCluster, UID: types.UID(name), Annotations: map[string]string{llo.ElementAnnotation: element}}
	}
	leaving := object("Works", "a")
	leaving.Deleting = true
	held := &problem{mapping.Pending, reasonNameHeld, "held"}
	for name, c := range map[string]struct {
		live    []*llo.Live
		wants   string // the kind of the wanted object
		problem *problem
		named   string
	}{
		"what stays does its work":               {[]*llo.Live{object("Works", "a")}, "Other", held, "Works"},
		"it does not":                            {[]*llo.Live{object("Waits", "a")}, "Other", held, ""},
		"not all of it does":                     {[]*llo.Live{object("Waits", "a"), object("Works", "a")}, "Other", held, ""},
		"it is on its way out":                   {[]*llo.Live{leaving}, "Other", held, ""},
		"a part of what is wanted waits":         {[]*llo.Live{object("Waits", "b")}, "Waits", held, ""},
		"the same, and what stays works":         {[]*llo.Live{object("Waits", "b"), object("Works", "a")}, "Waits", held, "Works"},
		"what is wanted does its work":           {[]*llo.Live{object("Works", "b")}, "Works", held, "Works"},
		"the kind is missing":                    {[]*llo.Live{object("Works", "a")}, "Other", &problem{mapping.Pending, reasonKindMissing, "missing"}, "Works"},
		"it waits for what has nothing to do":    {[]*llo.Live{object("Works", "a")}, "Other", &problem{mapping.Pending, reasonClusterUnreachable, "lost"}, ""},
		"its own state is that of what it is":    {[]*llo.Live{object("Waits", "b")}, "Waits", nil, "Waits"},
		"what is wanted is refused and is there": {[]*llo.Live{object("Waits", "b")}, "Waits", &problem{mapping.Refused, reasonRejected, "bad"}, "Waits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wants := &unstructured.Unstructured{}
			wants.SetGroupVersionKind(kind(c.wants))
			wants.SetName("a")
			tr := newTracker(time.Now)
			tr.notified(component("Starting"), time.Now())
			v, _ := tr.get(someID)
			r := &reconciler{tracker: tr, now: time.Now, clusters: someClusters(t, 1)}
			p := &pass{view: v, placement: placement{want: wanted}, rules: &rules{Set: set}, cluster: defaultCluster, problem: c.problem, live: c.live,
				objects: mapping.Rendered{Objects: []*unstructured.Unstructured{wants}}}
			r.observe(p)
			if p.status.UID != c.named || (p.status.Kind == "") != (c.named == "") {
				t.Errorf("%s (%s) names %q", p.status.Phase, p.status.Reason, p.status.UID)
			}
		})
	}
}
