package orchestrator

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

var cluster kubetest.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// Every behaviour on a real API server: what is there at each moment, and that nothing else was ever written.
func TestEveryWord(t *testing.T) {
	t.Parallel()
	const never, was = "", "=" // no status yet; as before
	moments := []float64{0, 0.3, 1, 2, 3, 4, 10}
	behaviours := map[string]struct {
		isJob bool
		want  []string // at each moment
	}{
		"plain":             {false, []string{"Pending", "Starting", "Running", was, was, was, was}},
		"job":               {true, []string{"Pending", "Starting", "Running", "Succeeded", was, was, was}},
		"sim-slow":          {false, []string{"Pending", was, was, was, "Starting", was, "Running"}},
		"sim-fails":         {false, []string{"Pending", "Starting", "Failed", was, was, was, was}},
		"sim-recovers":      {false, []string{"Pending", "Starting", "Failed", was, "Running", was, was}},
		"sim-job-fails":     {true, []string{"Pending", "Starting", "Running", "Failed", was, was, was}},
		"sim-degrades":      {false, []string{"Pending", "Starting", "Running", was, "Starting (degraded)", "Running", was}},
		"sim-flaps":         {false, []string{"Pending", "Starting", "Running", was, "Starting (degraded)", "Running", was}},
		"sim-silent":        {false, []string{never, was, was, was, was, was, was}},
		"sim-no-generation": {false, []string{"Pending?", "Starting?", "Running?", was, was, was, was}},
		"sim-conditions": {false, []string{"Ready=False Stalled=False", was, "Ready=True Stalled=False", was, was, was,
			was}},
		"sim-conditions-sim-fails": {false, []string{"Ready=False Stalled=False", was, "Ready=False Stalled=True", was,
			was, was, was}},
		"sim-holds-delete": {false, []string{"Pending", "Starting", "Running", was, was, was, was}},
	}
	server := cluster.Server(t)
	s := set(t, server.REST(), kubetest.Namespace(t, server))
	s.run()
	want, history := map[string]string{}, map[string][]string{}
	for name, b := range behaviours {
		s.create(name, name+":1", b.isJob)
	}
	for i, moment := range moments {
		s.clock.SetTime(s.began.Add(time.Duration(moment * float64(time.Second))))
		for name, b := range behaviours {
			if line := b.want[i]; line != was && line != never {
				want[name] = line
				history[name] = append(history[name], line)
			}
		}
		s.wait(want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.history, "sim-flaps") // the clock jumped over some of it
	delete(history, "sim-flaps")
	if diff := cmp.Diff(history, s.history); diff != "" {
		t.Errorf("all that was ever said (-want +got):\n%s", diff)
	}
}

func TestAChangedSpecStartsAgain(t *testing.T) {
	t.Parallel()
	server := cluster.Server(t)
	s := set(t, server.REST(), kubetest.Namespace(t, server))
	s.run()
	s.create("a", "a:1", false)
	s.wait(map[string]string{"a": "Pending"})
	s.clock.Step(time.Second)
	s.wait(map[string]string{"a": "Running"})

	s.patch("a", `{"metadata":{"labels":{"x":"y"}}}`) // not the spec: nothing happens
	s.patch("a", `{"spec":{"image":"registry.example.org/a:2"}}`)
	s.wait(map[string]string{"a": "Starting"})
	s.clock.Step(time.Second)
	s.wait(map[string]string{"a": "Running"})
	s.patch("a", `{"spec":{"image":"registry.example.org/a-sim-silent:3"}}`)
	s.wait(map[string]string{"a": "Running<"})

	s.mu.Lock()
	defer s.mu.Unlock()
	want := []string{"Pending", "Running", "Running<", "Starting", "Running", "Running<"}
	if diff := cmp.Diff(want, s.history["a"]); diff != "" {
		t.Errorf("all that was ever said (-want +got):\n%s", diff)
	}
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	server := cluster.Server(t)
	s := set(t, server.REST(), kubetest.Namespace(t, server))
	s.run()
	s.create("plain", "a:1", false)
	s.create("held", "a-sim-holds-delete:1", false)
	s.wait(map[string]string{"plain": "Pending", "held": "Pending"})
	s.patch("held", `{"metadata":{"finalizers":["llo.aeros-project.eu/sandbox-hold","example.org/other"]}}`)
	for _, name := range []string{"plain", "held"} {
		if err := s.client.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.wait(map[string]string{"plain": "gone", "held": "Removing"})
	s.clock.Step(50 * time.Minute)
	s.wait(map[string]string{"held": "Removing"})
	s.clock.Step(20 * time.Minute)
	s.poll(func() bool {
		object, err := s.client.Get(t.Context(), "held", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Equal(object.GetFinalizers(), []string{"example.org/other"})
	}, func() string { return "our finalizer should go, the other stay" })
	s.patch("held", `{"metadata":{"finalizers":null}}`)
	s.wait(map[string]string{"held": "gone"})
}

// What ran before a restart still runs, and is not written again; what changed meanwhile is taken up.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := cluster.Server(t)
	s := set(t, server.REST(), kubetest.Namespace(t, server))
	stop := s.run()
	s.create("same", "a:1", false)
	s.create("changed", "a:1", false)
	s.create("job", "a:1", true)
	s.wait(map[string]string{"same": "Pending", "changed": "Pending", "job": "Pending"})
	s.clock.Step(2 * time.Second)
	s.wait(map[string]string{"same": "Running", "changed": "Running", "job": "Succeeded"})
	stop()
	s.patch("changed", `{"spec":{"image":"registry.example.org/a:2"}}`)
	s.create("new", "a:1", false)
	before := s.versions("same", "job")

	s.patched.Clear()
	s.clock.Step(time.Hour)
	s.run()
	s.wait(map[string]string{"changed": "Starting", "new": "Pending"})
	s.clock.Step(time.Second)
	s.wait(map[string]string{"changed": "Running", "new": "Running"})
	for _, name := range []string{"same", "job"} {
		if _, sent := s.patched.Load(name); sent {
			t.Errorf("a request wrote %q for nothing", name)
		}
	}
	if _, sent := s.patched.Load("new"); !sent {
		t.Error("no request is counted for what is new")
	}
	if diff := cmp.Diff(before, s.versions("same", "job")); diff != "" {
		t.Errorf("written for nothing (-before +after):\n%s", diff)
	}
}
