package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// TestStates walks every shipped mapping's object through its states: testdata/status.
func TestStates(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/status/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var walk struct {
			Object map[string]any
			Cases  []struct {
				Name   string
				Status any
				Want   struct {
					Phase           mapping.Phase
					Reason, Message string
					Observed        int64
					Silent          bool
					Properties      map[string]any
				}
			}
		}
		if err := yaml.UnmarshalStrict(data, &walk); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range walk.Cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				o := (&unstructured.Unstructured{Object: decoded(t, walk.Object)})
				if c.Status != nil {
					o.Object["status"] = decoded(t, map[string]any{"x": c.Status})["x"]
				}
				want := mapping.State{Phase: c.Want.Phase, Reason: c.Want.Reason, Message: c.Want.Message,
					ObservedGeneration: c.Want.Observed, Silent: c.Want.Silent}
				if diff := cmp.Diff(want, allShipped(t).Observe(o)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				properties := map[string]any(nil)
				if c.Want.Properties != nil {
					properties = decoded(t, c.Want.Properties)
				}
				if diff := cmp.Diff(properties, allShipped(t).Properties(o)); diff != "" {
					t.Errorf("properties -want +got:\n%s", diff)
				}
			})
		}
	}
}

// decoded is content as a cluster's objects are: with int64 for whole numbers.
func decoded(t testing.TB, content map[string]any) map[string]any {
	t.Helper()
	data, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "kind": "X", "content": content})
	if err != nil {
		t.Fatal(err)
	}
	var o unstructured.Unstructured
	if data, err = yaml.YAMLToJSON(data); err != nil {
		t.Fatal(err)
	}
	if err := o.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	plain, _ := o.Object["content"].(map[string]any)
	return plain
}

// TestRulesByKind: an object that names no mapping of the set is read by the rules for its kind.
func TestRulesByKind(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "gone", "aeros-docker"} {
		o := aerosObject(t, "phase: Starting")
		o.SetAnnotations(map[string]string{"hlo-agent.github.io/mapping": name})
		if got := allShipped(t).Observe(o); got.Phase != mapping.Progressing || got.Reason != "Progressing" {
			t.Errorf("%q: got %+v", name, got)
		}
	}
}

func TestStatusRulesThatFail(t *testing.T) {
	t.Parallel()
	set := load(t, mapping.Source{Name: "m", Data: []byte(string(like("m", "", "data: {a: b}").Data) + `
    status:
      rules:
      - when: object.status.count > 5
        phase: Running
        reason: ${object.status.word}
      - when: object.status.count == 4
        phase: ${object.status.word}
`)})
	for _, c := range []struct {
		status string
		want   mapping.State
	}{
		{"count: 6", mapping.State{Phase: mapping.Running, Reason: "Running"}},
		{"count: 4\nword: Nonsense", mapping.State{Phase: mapping.Progressing, Reason: "NoRule", Message: "no status rule of the mapping is for this status"}},
		{"count: 4\nword: Failed", mapping.State{Phase: mapping.Failed, Reason: "Failed"}},
		{"count: s3cret", mapping.State{Phase: mapping.Unknown, Reason: "ExpressionFailed",
			Message: `mapping "m" status.rules[0].when: no such overload: ${object.status.count > 5}`}},
	} {
		o := aerosObject(t, c.status)
		o.SetKind("ConfigMap")
		o.SetAPIVersion("v1")
		if diff := cmp.Diff(c.want, set.Observe(o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.status, diff)
		}
	}
}
