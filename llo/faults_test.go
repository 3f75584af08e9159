package llo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
)

func TestWriteWithoutAnswerMayBeRepeated(t *testing.T) {
	for _, effect := range []bool{true, false} {
		for _, seen := range []bool{true, false} { // does the watch tell before the repetition?
			t.Run(fmt.Sprintf("took effect %v, seen %v", effect, seen), func(t *testing.T) {
				w := newWorld(t)
				c := w.run()
				lose := func(sort string) {
					if effect {
						w.wire.breakWith(nil, failOnce(sort))
					} else {
						w.wire.breakWith(failOnce(sort), nil)
					}
				}
				release := func() {}
				if !seen {
					release = w.wire.stall()
				}
				defer release()
				repeat := func(image string, want string) {
					t.Helper()
					lose(http.MethodPatch)
					o := w.component("a", set(image, "spec", "image"))
					if _, err := c.Apply(t.Context(), o); !errors.Is(err, llo.ErrRetry) || !errors.Is(err, errCut) {
						t.Fatalf("apply: %v, want ErrRetry", err)
					}
					if effect && seen {
						want = llo.ActionNone
						w.caught(c, w.get(k8sKind, "a"))
					} else if effect && want == llo.ActionCreated {
						want = llo.ActionNone // the name is held, so it looks by whom
					}
					w.apply(c, o, want)
					if got, _, _ := unstructured.NestedString(w.get(k8sKind, "a").Object, "spec", "image"); got != image {
						t.Errorf("image %q, want %q", got, image)
					}
					w.apply(c, o, llo.ActionNone)
				}
				repeat("first", llo.ActionCreated)
				uid := w.get(k8sKind, "a").GetUID()
				repeat("second", llo.ActionUpdated)
				if now := w.get(k8sKind, "a"); now.GetUID() != uid || now.GetGeneration() != 2 {
					t.Errorf("generation %d: something was done twice", now.GetGeneration())
				}
				live, _ := c.Get(w.key("a"))
				lose(http.MethodDelete)
				if err := c.Delete(t.Context(), live); !errors.Is(err, llo.ErrRetry) {
					t.Fatalf("delete: %v, want ErrRetry", err)
				}
				if err := c.Delete(t.Context(), live); err != nil {
					t.Fatalf("second delete: %v", err)
				}
				release()
				eventually(t, "gone", func() bool { _, ok := c.Get(w.key("a")); return !ok })
			})
		}
	}
}

func TestWatchThatIsCutGoesOn(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	for i := range 2 {
		name := fmt.Sprintf("a-%d", i)
		w.wire.cutWatches()
		o := w.others("someone", w.component(name, set("agent-1", "metadata", "labels", llo.Owner)))
		w.caught(c, o)
		w.wire.cutWatches()
		if err := w.resource(k8sKind).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "gone", func() bool { _, ok := c.Get(w.key(name)); return !ok })
	}
}

func TestEventsLostWhileTheAPIServerIsAwayAreSeenAfterwards(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("stays"), llo.ActionCreated)
	w.apply(c, w.component("goes"), llo.ActionCreated)
	c.forget()
	w.wire.breakWith(func(*http.Request) error { return errCut }, nil)
	w.wire.cutWatches()
	w.merge(k8sKind, "stays", "llo", `{"status":{"phase":"Running"}}`, "status")
	if err := w.resource(k8sKind).Delete(t.Context(), "goes", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "noticed", func() bool { return errors.Is(c.KindState(k8sKind), llo.ErrRetry) })
	if _, ok := c.Get(w.key("goes")); !ok || !c.Ready() {
		t.Errorf("the cache was lost with the connection")
	}
	w.wire.breakWith(nil, nil)
	eventually(t, "caught up", func() bool {
		_, there := c.Get(w.key("goes"))
		live, ok := c.Get(w.key("stays"))
		return !there && ok && strings.Contains(fmt.Sprint(live.Object()), "Running")
	})
	c.waitTold(t, entity)
	if err := c.KindState(k8sKind); err != nil {
		t.Errorf("kind state: %v", err)
	}
}

func TestAPIServerThatIsDownAtStart(t *testing.T) {
	w := newWorld(t)
	var port atomic.Int64
	w.wire.breakWith(func(*http.Request) error {
		return fmt.Errorf("read tcp 10.0.0.1:%d: connection reset", port.Add(1))
	}, nil)
	c, stop := w.start()
	defer stop()
	eventually(t, "tried", func() bool { return len(w.wire.requests()) >= 3 })
	if c.Ready() || !errors.Is(c.KindState(k8sKind), llo.ErrRetry) {
		t.Errorf("ready %v, state %v", c.Ready(), c.KindState(k8sKind))
	}
	w.wire.reset()
	if _, err := c.Apply(t.Context(), w.component("a")); !errors.Is(err, llo.ErrRetry) {
		t.Errorf("apply: %v, want ErrRetry", err)
	}
	w.wire.wantWrites(t, 0)
	if told := w.log.count("not following"); told != 1 {
		t.Errorf("said %d times: %s", told, w.log.text.String())
	}
	w.wire.breakWith(nil, nil)
	eventually(t, "ready", c.Ready)
	w.apply(c, w.component("a"), llo.ActionCreated)
}

func TestRunEndsWhileTheAPIServerRefuses(t *testing.T) {
	for name, refuse := range map[string]func(*http.Request) bool{
		"everything":           func(*http.Request) bool { return true },
		"lists and watches":    func(r *http.Request) bool { return strings.Contains(r.URL.Path, "namespaces") },
		"watches after a list": func(r *http.Request) bool { return r.URL.Query().Has("watch") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.wire.breakWith(func(r *http.Request) error {
				if !refuse(r) {
					return nil
				}
				return syscall.ECONNREFUSED
			}, nil)
			c, stop := w.start()
			eventually(t, "tried", func() bool { return strings.Contains(fmt.Sprint(c.KindState(k8sKind)), "refused") })
			stop() // reports an error when it takes long
		})
	}
}

func TestRestartWritesNothing(t *testing.T) {
	w := newWorld(t)
	change := func(cfg *llo.Config) { cfg.Scope = in(kinds(k8sKind, deployKind, configKind), w.namespace) }
	objects := []*unstructured.Unstructured{w.deployment("d"), w.configMap("c")}
	for i := range 20 {
		objects = append(objects, w.component(fmt.Sprintf("a-%d", i)))
	}
	first, stop := w.start(change)
	eventually(t, "ready", first.Ready)
	for _, o := range objects {
		w.apply(first, o, llo.ActionCreated)
	}
	w.merge(k8sKind, "a-3", "llo", `{"status":{"phase":"Running"}}`, "status")
	stop()

	w.wire.reset()
	second := w.run(change)
	if got := len(second.ByEntity(entity)); got != len(objects) || len(second.All()) != got {
		t.Errorf("%d objects found again, want %d", got, len(objects))
	}
	for range 2 {
		for _, o := range objects {
			w.apply(second, o, llo.ActionNone)
		}
	}
	w.wire.wantWrites(t, 0)
	// A field of a Deployment that is filled up with defaults is put right all the same.
	w.caught(second, w.merge(deployKind, "d", "someone", `{"spec":{"replicas":3}}`))
	if got := w.apply(second, w.deployment("d"), llo.ActionUpdated); len(got.TakenOver) != 1 {
		t.Errorf("result %+v", got)
	}
	w.wire.reset()
	w.merge(deployKind, "d", "llo", `{"status":{"observedGeneration":2}}`, "status")
	w.apply(second, w.deployment("d"), llo.ActionNone)
	w.wire.wantWrites(t, 0)
}

// TestListsThatAreNotStreamed: as of an API server that cannot, page after page.
func TestListsThatAreNotStreamed(t *testing.T) {
	w := newWorld(t)
	change := func(cfg *llo.Config) { cfg.Scope = in(kinds(k8sKind, deployKind, configKind), w.namespace) }
	objects := []*unstructured.Unstructured{w.deployment("d"), w.configMap("c"), w.component("a"), w.component("b")}
	first, stop := w.start(change)
	eventually(t, "ready", first.Ready)
	for _, o := range objects {
		w.apply(first, o, llo.ActionCreated)
	}
	stop()
	w.others("someone", w.component("theirs"))

	w.wire.breakWith(func(r *http.Request) error {
		query := r.URL.Query()
		if query.Has("sendInitialEvents") {
			return errCut
		}
		if r.Method == http.MethodGet && !query.Has("watch") && query.Has("resourceVersion") {
			query.Set("limit", "1")
			query.Del("resourceVersion") // only then the API server gives pages
			r.URL.RawQuery = query.Encode()
		}
		return nil
	}, nil)
	w.wire.reset()
	second := w.run(change)
	if got := len(second.All()); got != len(objects) {
		t.Errorf("%d objects found again, want %d", got, len(objects))
	}
	if _, _, ok := second.Holder(w.key("theirs")); !ok {
		t.Errorf("a foreign object was not listed")
	}
	for _, o := range objects {
		w.apply(second, o, llo.ActionNone)
	}
	w.wire.wantWrites(t, 0)
	if pages := strings.Count(fmt.Sprint(w.wire.requests()), "?continue="); pages == 0 {
		t.Errorf("%d pages more: %q", pages, w.wire.requests())
	}
	w.caught(second, w.merge(deployKind, "d", "someone", `{"spec":{"replicas":3}}`))
	w.apply(second, w.deployment("d"), llo.ActionUpdated)
}

func (w *world) deployment(name string) *unstructured.Unstructured {
	return w.component(name, func(o map[string]any) {
		labels := map[string]any{"app": name}
		o["apiVersion"], o["kind"] = "apps/v1", "Deployment"
		o["spec"] = map[string]any{
			"replicas": int64(1), "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels},
				"spec": map[string]any{"containers": []any{map[string]any{
					"name": "main", "image": "a:1", "args": []any{"-x"},
					"resources": map[string]any{"limits": map[string]any{"cpu": "1000m"}},
					"ports":     []any{map[string]any{"containerPort": int64(80)}, map[string]any{"containerPort": int64(80), "protocol": "UDP"}},
				}}},
			},
		}
	})
}

func (w *world) configMap(name string) *unstructured.Unstructured {
	return w.component(name, func(o map[string]any) {
		delete(o, "spec")
		o["apiVersion"], o["kind"], o["data"] = "v1", "ConfigMap", map[string]any{"a": "1"}
	})
}

func TestCallerThatGivesUp(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	ctx, cancel := context.WithCancel(t.Context())
	w.wire.breakWith(func(r *http.Request) error {
		if r.Method != http.MethodPatch {
			return nil
		}
		cancel()
		<-r.Context().Done()
		return r.Context().Err()
	}, nil)
	if _, err := c.Apply(ctx, w.component("a")); !errors.Is(err, llo.ErrRetry) || !errors.Is(err, context.Canceled) {
		t.Errorf("apply: %v, want ErrRetry and Canceled", err)
	}
}
