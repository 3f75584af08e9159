package published_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

var (
	server kubetest.Shared
	shared struct {
		once    sync.Once
		cluster *cluster
		err     error
	}
)

func TestMain(m *testing.M) { os.Exit(server.Main(m)) }

func theCluster(t *testing.T) *cluster {
	t.Helper()
	config := server.Server(t).REST()
	shared.once.Do(func() { shared.cluster, shared.err = newCluster(context.Background(), config) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// golden are the objects of a golden case of the shipped mappings, in a namespace of the test.
func golden(t *testing.T, name string) []*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../testdata", name, "want.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	namespace := kubetest.Namespace(t, server.Server(t))
	var objects []*unstructured.Unstructured
	for _, text := range strings.Split(string(data), "\n---\n") {
		o := object(t, text)
		o.SetNamespace(namespace)
		objects = append(objects, o)
	}
	return objects
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return o
}

// create sends an object as the agent does, by server-side apply; the server refuses fields that it does not know.
func (c *cluster) create(t *testing.T, o *unstructured.Unstructured, dryRun ...string) (*unstructured.Unstructured, error) {
	t.Helper()
	text, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return c.resource(t, o).Patch(t.Context(), o.GetName(), "application/apply-patch+yaml", text,
		metav1.PatchOptions{FieldManager: "published", FieldValidation: "Strict", DryRun: dryRun})
}

// TestGoldenObjectsAreValid sends every object of every golden case to the server, which keeps none. The same object
// with a field too many must be refused, or the server would not look at all.
func TestGoldenObjectsAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/*/want.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, file := range files {
		dir := filepath.Dir(file)
		if _, err := os.Stat(filepath.Join(dir, "mapping.yaml")); err == nil {
			continue // not a shipped mapping
		}
		cases++
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			c := theCluster(t)
			for _, o := range golden(t, filepath.Base(dir)) {
				got, err := c.create(t, o, metav1.DryRunAll)
				if err != nil {
					t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
					continue
				}
				for _, field := range []string{"spec", "data"} {
					if diff := cmp.Diff(o.Object[field] != nil, got.Object[field] != nil); diff != "" {
						t.Errorf("%s %s: %s was dropped", o.GetKind(), o.GetName(), field)
					}
				}
				o.Object["nonsense"] = true
				if _, err := c.create(t, o, metav1.DryRunAll); err == nil || !strings.Contains(err.Error(), "nonsense") {
					t.Errorf("%s with a field too many: %v", o.GetKind(), err)
				}
			}
		})
	}
	if cases < 10 {
		t.Errorf("only %d cases", cases)
	}
}

// walk is one object's way through its states.
type walk struct {
	Case, Kind string
	// NoSubresource: the status is written with the object.
	NoSubresource bool
	States        []struct {
		Name   string
		Status map[string]any // "GENERATION" stands for the object's own
		Want   want
	}
}

type want struct {
	Phase           mapping.Phase
	Reason, Message string
	Silent          bool
	Properties      map[string]any
}

// TestStates walks objects through statuses that the server takes for legal, and reads each.
func TestStates(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/walks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var walks []walk
	if err := yaml.UnmarshalStrict(data, &walks); err != nil || len(walks) == 0 {
		t.Fatalf("%d walks, %v", len(walks), err)
	}
	sources, err := mapping.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	set, err := mapping.Load(sources...)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range walks {
		t.Run(w.Case+"/"+w.Kind+"/"+w.States[len(w.States)-1].Name, func(t *testing.T) {
			t.Parallel()
			w.run(t, set)
		})
	}
}

func (w *walk) run(t *testing.T, set *mapping.Set) {
	c := theCluster(t)
	var o *unstructured.Unstructured
	for _, candidate := range golden(t, w.Case) {
		if candidate.GetKind() == w.Kind {
			o = candidate
		}
	}
	live, err := c.create(t, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range w.States {
		if state.Status != nil {
			live = c.setStatus(t, live, state.Status, w.NoSubresource)
		}
		s := set.Observe(live)
		got := want{s.Phase, s.Reason, s.Message, s.Silent, set.Properties(live)}
		wanted := state.Want
		for name, value := range wanted.Properties {
			if n, isNumber := value.(float64); isNumber {
				wanted.Properties[name] = int64(n)
			}
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", state.Name, diff)
		}
	}
}

// setStatus replaces the status of a live object and gives what the server made of it, unless it dropped anything.
func (c *cluster) setStatus(t *testing.T, live *unstructured.Unstructured, status map[string]any, whole bool) *unstructured.Unstructured {
	t.Helper()
	text, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "kind": "Status", "status": status})
	if err != nil {
		t.Fatal(err)
	}
	generation := strconv.FormatInt(live.GetGeneration(), 10)
	wanted := object(t, strings.ReplaceAll(string(text), "GENERATION", generation)).Object["status"]
	changed := live.DeepCopy()
	changed.Object["status"] = wanted
	update := metav1.UpdateOptions{FieldValidation: "Strict"}
	if whole {
		live, err = c.resource(t, live).Update(t.Context(), changed, update)
	} else {
		live, err = c.resource(t, live).UpdateStatus(t.Context(), changed, update)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, live.Object["status"]); diff != "" {
		t.Errorf("the server changed the status (-sent +kept):\n%s", diff)
	}
	return live
}
