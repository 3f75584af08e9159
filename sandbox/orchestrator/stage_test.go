package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path"
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
)

// stage is a namespace with simulated orchestrators that follow a clock of the test, and a record of every
// status that was written in it.
type stage struct {
	t         *testing.T
	config    *rest.Config
	namespace string
	client    dynamic.ResourceInterface
	clock     *clocktesting.FakeClock
	began     time.Time
	patched   sync.Map // the names of objects for which the orchestrators sent a PATCH
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
		got := map[string]string{}
		for name := range want {
			got[name] = s.last(name)
		}
		diff = cmp.Diff(want, got)
		return diff == ""
	}, func() string { return "status (-want +got):\n" + diff })
}

// last is what an object last said; empty when it never said anything, `gone` when it is.
func (s *stage) last(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	past := s.history[name]
	switch {
	case s.gone[name]:
		return "gone"
	case len(past) == 0:
		return ""
	}
	return past[len(past)-1]
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

// noted notes the objects of PATCH requests that pass.
type noted struct {
	next    http.RoundTripper
	patched *sync.Map
}

func (n noted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch {
		n.patched.Store(path.Base(strings.TrimSuffix(r.URL.Path, "/status")), true)
	}
	return n.next.RoundTrip(r)
}

// run starts orchestrators on the stage and gives a function that ends them.
func (s *stage) run() (stop func()) {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(s.t.Output(), nil))
	config := rest.CopyConfig(s.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return noted{next, &s.patched} })
	o, err := New(Config{REST: config, Log: log, Namespace: s.namespace, Hold: time.Hour, Clock: s.clock})
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
