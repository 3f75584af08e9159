package orchestrator

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

func TestLook(t *testing.T) {
	t.Parallel()
	type glance struct {
		uid        types.UID
		generation int64
		observed   int64 // 0: no status; -1: a status without it
		minute     int
	}
	const longAgo = -24 * 60
	cases := map[string]struct {
		glances []glance
		since   int // minutes, of the last glance
		changed bool
	}{
		"new":                          {[]glance{{"a", 1, 0, 5}}, 5, false},
		"seen again":                   {[]glance{{"a", 1, 0, 5}, {"a", 1, 1, 9}}, 5, false},
		"changed":                      {[]glance{{"a", 1, 0, 5}, {"a", 2, 1, 9}}, 9, true},
		"an old event after a change":  {[]glance{{"a", 2, 0, 5}, {"a", 1, 0, 9}}, 5, false},
		"deleted and made again":       {[]glance{{"a", 1, 1, 5}, {"b", 1, 0, 9}}, 9, false},
		"made again, with fewer specs": {[]glance{{"a", 7, 7, 5}, {"b", 1, 0, 9}}, 9, false},
		"done before we started":       {[]glance{{"a", 3, 3, 0}}, longAgo, false},
		"done, says not about which":   {[]glance{{"a", 3, -1, 0}}, longAgo, false},
		"changed before we started":    {[]glance{{"a", 3, 2, 5}}, 5, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &Orchestrators{seen: map[item]sighting{}}
			var got sighting
			for _, g := range c.glances {
				object := &unstructured.Unstructured{Object: map[string]any{}}
				object.SetUID(g.uid)
				object.SetGeneration(g.generation)
				switch {
				case g.observed > 0:
					object.Object["status"] = map[string]any{"observedGeneration": g.observed}
				case g.observed < 0:
					object.Object["status"] = map[string]any{"phase": "Running"}
				}
				got = o.look(item{key: "x/y"}, object, noon().Add(time.Duration(g.minute)*time.Minute))
			}
			want := []any{noon().Add(time.Duration(c.since) * time.Minute), c.changed}
			if diff := cmp.Diff(want, []any{got.since, got.changed}); diff != "" {
				t.Errorf("since when, changed (-want +got):\n%s", diff)
			}
		})
	}
}

// The cache may still have an object whose name another one has by now: that one is not to get its status.
func TestAStatusIsForOneObject(t *testing.T) {
	t.Parallel()
	server := cluster.Server(t)
	s := stageOn(t, server.REST(), kubetest.Namespace(t, server))
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	o, err := New(Config{REST: s.config, Log: log, Clock: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	s.create("a", "a:1", false)
	object, err := s.client.Get(t.Context(), "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uid  types.UID
		want string
	}{
		{"00000000-0000-0000-0000-000000000000", ""},
		{object.GetUID(), "Running"},
	} {
		stale := object.DeepCopy()
		stale.SetUID(c.uid)
		of := o.component(item{resource: resources()[1]}, stale)
		if err := o.writeStatus(t.Context(), of, running()); err != nil {
			t.Errorf("uid %s: %v", c.uid, err)
		}
		now, err := s.client.Get(t.Context(), "a", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := summary(now); got != c.want {
			t.Errorf("uid %s: status %q, want %q", c.uid, got, c.want)
		}
	}
}
