package orchestrator

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// The kinds come later than the orchestrators, then the API server goes and comes back.
func TestOutages(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server, err := kube.Start(t.Context(), kube.Options{Log: log, WithoutCRDs: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := stageOn(t, server.REST(), "default")
	s.run()
	if err := kube.InstallCRDs(t.Context(), server.REST()); err != nil {
		t.Fatal(err)
	}
	s.follow()
	s.create("a", "a:1", false)
	s.wait(map[string]string{"a": "Pending"})

	server.StopAPIServer()
	s.clock.Step(time.Second) // to be written while nobody listens
	if err := server.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.follow()
	// A watch that goes on where it was tells nothing of a: only time brings the next try.
	s.poll(func() bool {
		s.clock.Step(50 * time.Millisecond)
		return s.last("a") == "Running"
	}, func() string { return "a is " + s.last("a") + ", want Running" })
	s.create("b", "b:1", false)
	s.wait(map[string]string{"a": "Running", "b": "Pending"})
}

// Thousands of objects must not mean thousands of goroutines, and the end must be an end.
func TestManyObjects(t *testing.T) {
	const objects = 200
	server := cluster.Server(t)
	s := set(t, server.REST(), kubetest.Namespace(t, server))
	before := runtime.NumGoroutine()
	stop := s.run()
	want := map[string]string{}
	for i := range objects {
		name := fmt.Sprintf("a%d", i)
		s.create(name, "a:1", false)
		want[name] = "Pending"
	}
	s.wait(want)
	if most := before + 50; runtime.NumGoroutine() > most {
		t.Errorf("%d goroutines for %d objects, want at most %d", runtime.NumGoroutine(), objects, most)
	}
	s.clock.Step(time.Second)
	for name := range want {
		want[name] = "Running"
	}
	s.wait(want)
	stop()
	s.poll(func() bool { return runtime.NumGoroutine() <= before }, func() string {
		return fmt.Sprintf("%d goroutines before, %d after the end", before, runtime.NumGoroutine())
	})
	// Nobody is left to write: a new object stays as it is, also when a second passes for the others.
	s.create("late", "a:1", false)
	s.clock.Step(time.Second)
	for name := range want {
		if err := s.client.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		want[name] = "gone"
	}
	want["late"] = ""
	s.wait(want)
}

func TestNewRefusesABadConfiguration(t *testing.T) {
	t.Parallel()
	config := cluster.Server(t).REST()
	config.Host = "https://bad host:port"
	if o, err := New(Config{REST: config}); err == nil {
		t.Errorf("got %v, want an error", o)
	}
}
