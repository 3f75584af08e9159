package llo_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hlo-agent/hlo-agent/llo"
)

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.run(func(cfg *llo.Config) { cfg.Scope = in(kinds(k8sKind, dockerKind), w.namespace) })
	const workers, rounds = 8, 5
	var working sync.WaitGroup
	for i := range workers {
		working.Go(func() {
			name := fmt.Sprintf("a-%d", i)
			for range rounds {
				o := w.component(name, set("urn:"+name, "metadata", "annotations", llo.EntityAnnotation))
				if _, err := c.Apply(t.Context(), o); err != nil {
					t.Error(err)
				}
				set("other", "spec", "image")(o.Object)
				if got, err := c.Apply(t.Context(), o); err != nil || got.Action != llo.ActionUpdated {
					t.Error(got, err)
				}
				live := c.ByEntity("urn:" + name)
				if len(live) != 1 || live[0].Name != name || live[0].Generation != 2 {
					t.Errorf("%s: %v", name, live)
					return
				}
				if err := c.Delete(t.Context(), live[0]); err != nil {
					t.Error(err)
				}
				eventually(t, "gone", func() bool { return len(c.ByEntity("urn:"+name)) == 0 })
				c.All()
				c.Ready()
			}
		})
	}
	working.Wait()
	if left := c.All(); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestRunLeavesNothingBehind(t *testing.T) {
	w := newWorld(t)
	c, stop := w.start(func(cfg *llo.Config) {
		cfg.Scope = in(kinds(k8sKind, dockerKind, newGadget(w, "never.example.org").gvk), w.namespace)
	})
	eventually(t, "ready", c.Ready)
	w.apply(c, w.component("a"), llo.ActionCreated)
	// Tests run side by side, so only what Run of this cluster has started counts.
	running := func() bool {
		stacks := make([]byte, 16<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return strings.Contains(string(stacks), fmt.Sprintf("llo.(*follower).run(%p", c.FirstFollower()))
	}
	if !running() {
		t.Fatalf("the goroutines cannot be found")
	}
	stop()
	if running() || w.wire.reading.Load() > 0 {
		t.Errorf("Run has ended and its goroutines have not")
	}
}

func TestObserve(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	seen := map[string]int{}
	c := w.run(func(cfg *llo.Config) {
		cfg.Observe = observer(func(what string) {
			mu.Lock()
			defer mu.Unlock()
			seen[what]++
		})
	})
	w.apply(c, w.component("a"), llo.ActionCreated)
	w.others("someone", w.component("b"))
	_, _ = c.Apply(t.Context(), w.component("b"))
	invalid := w.component("a", set("x", "spec", "unknown"))
	_, _ = c.Apply(t.Context(), invalid)
	live, _ := c.Get(w.key("a"))
	if err := c.Delete(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	w.wire.breakWith(failOnce("PATCH"), nil)
	_, _ = c.Apply(t.Context(), w.component("c"))
	mu.Lock()
	defer mu.Unlock()
	for _, what := range []string{
		"discover ServiceComponentK8s 200", "watch ServiceComponentK8s 200", "apply ServiceComponentK8s 201",
		"apply ServiceComponentK8s 500", "apply ServiceComponentK8s 0", "delete ServiceComponentK8s 200",
	} {
		if seen[what] == 0 {
			t.Errorf("no %s among %v", what, seen)
		}
	}
}

func TestConfigThatIsWrong(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*llo.Config){
		"no API server":                       func(cfg *llo.Config) { cfg.REST = nil },
		`owner "" is not a label value`:       func(cfg *llo.Config) { cfg.Owner = "" },
		`owner "a b" is not a label value`:    func(cfg *llo.Config) { cfg.Owner = "a b" },
		`field manager "" must have 1 to 128`: func(cfg *llo.Config) { cfg.Manager = "" },
		"must have 1 to 128 bytes":            func(cfg *llo.Config) { cfg.Manager = strings.Repeat("x", 129) },
		"configure the connection to the API ser": func(cfg *llo.Config) {
			cfg.REST.TLSClientConfig.CAData, cfg.REST.TLSClientConfig.CAFile = nil, "/nowhere"
		},
	} {
		cfg := llo.Config{REST: server(t), Owner: "o", Manager: "m"}
		change(&cfg)
		if _, err := llo.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	_, err := llo.New(llo.Config{})
	for _, want := range []string{"no API server", "owner", "field manager"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want all that is wrong", err)
		}
	}
}
