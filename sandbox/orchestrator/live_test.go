package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

var cluster kubetest.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// stage is a namespace with simulated orchestrators that follow a clock of the test, and a record of every
// status that was written in it.
type stage struct {
	t         *testing.T
	config    *rest.Config
	namespace string
	client    dynamic.ResourceInterface
	clock     *clocktesting.FakeClock
	began     time.Time
	mu        sync.Mutex
	history   map[string][]string // by object name
	gone      map[string]bool
}

// set is a stage that is followed already; everything ends with the test.
func set(t *testing.T, config *rest.Config, namespace string) *stage {
	t.Helper()
	s := stageOn(t, config, namespace)
	s.follow()
	return s
}

func stageOn(t *testing.T, config *rest.Config, namespace string) *stage {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Truncate(time.Second)
	return &stage{
		t: t, config: config, namespace: namespace, client: client.Resource(resources()[1]).Namespace(namespace),
		began: began, clock: clocktesting.NewFakeClock(began), history: map[string][]string{}, gone: map[string]bool{},
	}
}

// follow records from now on; a watch ends with the API server.
func (s *stage) follow() {
	s.t.Helper()
	watched, err := s.client.Watch(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var recording sync.WaitGroup
	recording.Go(func() { s.record(watched) })
	s.t.Cleanup(func() {
		watched.Stop()
		recording.Wait()
	})
}

func (s *stage) record(watched watch.Interface) {
	for event := range watched.ResultChan() {
		object, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		s.mu.Lock()
		name := object.GetName()
		line := summary(object)
		if past := s.history[name]; line != "" && (len(past) == 0 || past[len(past)-1] != line) {
			s.history[name] = append(past, line)
		}
		s.gone[name] = event.Type == watch.Deleted
		s.mu.Unlock()
	}
}

// summary is a status in a word or two: its phase, or its conditions; `(degraded)`; `<` when it is about an
// earlier spec; `?` when it does not say about which.
func summary(object *unstructured.Unstructured) string {
	status, _, _ := unstructured.NestedMap(object.Object, "status")
	if len(status) == 0 {
		return ""
	}
	line, _ := status["phase"].(string)
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		c, _ := c.(map[string]any)
		if line == "" || strings.Contains(line, "=") {
			line = strings.TrimSpace(fmt.Sprintf("%s %s=%s", line, c["type"], c["status"]))
		} else if c["type"] == "Degraded" && c["status"] == "True" {
			line += " (degraded)"
		}
	}
	observed, says := status["observedGeneration"].(int64)
	switch {
	case !says:
		line += "?"
	case observed < object.GetGeneration():
		line += "<"
	}
	return line
}

func (s *stage) create(name, image string, isJob bool) {
	s.t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "llo.aeros-project.eu/v1alpha1",
		"kind":       "ServiceComponentDocker",
		"metadata":   map[string]any{"name": name},
		"spec":       map[string]any{"image": "registry.example.org/" + image, "isJob": isJob},
	}}
	if _, err := s.client.Create(s.t.Context(), object, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) patch(name, body string) {
	s.t.Helper()
	_, err := s.client.Patch(s.t.Context(), name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

// wait polls the record until what each object last said is as wanted.
func (s *stage) wait(want map[string]string) {
	s.t.Helper()
	var diff string
	s.poll(func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		got := map[string]string{}
		for name := range want {
			got[name] = ""
			if past := s.history[name]; len(past) > 0 {
				got[name] = past[len(past)-1]
			}
			if s.gone[name] {
				got[name] = "gone"
			}
		}
		diff = cmp.Diff(want, got)
		return diff == ""
	}, func() string { return "status (-want +got):\n" + diff })
}

func (s *stage) poll(done func() bool, failed func() string) {
	s.t.Helper()
	deadline, tick := time.NewTimer(time.Minute), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			s.t.Fatalf("%s after the start: %s", s.clock.Since(s.began), failed())
		}
	}
}

// run starts orchestrators on the stage and gives a function that ends them.
func (s *stage) run() (stop func()) {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(s.t.Output(), nil))
	o, err := New(Config{REST: s.config, Log: log, Namespace: s.namespace, Hold: time.Hour, Clock: s.clock})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- o.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-result; err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

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

	s.clock.Step(time.Hour)
	s.run()
	s.wait(map[string]string{"changed": "Starting", "new": "Pending"})
	s.clock.Step(time.Second)
	s.wait(map[string]string{"changed": "Running", "new": "Running"})
	if diff := cmp.Diff(before, s.versions("same", "job")); diff != "" {
		t.Errorf("written for nothing (-before +after):\n%s", diff)
	}
}

func (s *stage) versions(names ...string) map[string]string {
	s.t.Helper()
	versions := map[string]string{}
	for _, name := range names {
		object, err := s.client.Get(s.t.Context(), name, metav1.GetOptions{})
		if errors.IsNotFound(err) {
			continue
		}
		if err != nil {
			s.t.Fatal(err)
		}
		versions[name] = object.GetResourceVersion()
	}
	return versions
}
