package mapping_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// aerosObject is an object of an aerOS kind at generation 3 with a status in YAML, if any.
func aerosObject(t testing.TB, status string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "llo.aeros-project.eu/v1alpha1", "kind": "ServiceComponentK8s",
		"metadata": map[string]any{"name": "x", "generation": int64(3)},
	}}
	if status == "" {
		return o
	}
	var parsed any
	if err := yaml.Unmarshal([]byte(status), &parsed); err != nil {
		t.Fatal(err)
	}
	o.Object["status"] = parsed
	return o
}

func TestObserve(t *testing.T) {
	t.Parallel()
	silent := mapping.State{Phase: mapping.Progressing, Reason: "NoStatus", Silent: true}
	for _, c := range []struct {
		name, status string
		want         mapping.State
	}{
		{"no status", "", silent},
		{"empty status", "{}", silent},
		{"status of the wrong type", "hello", silent},
		{"nothing that tells", "replicas: 1\nconditions: []\nphase: ''", silent},
		{"conditions of the wrong type", "conditions: [1, {type: Ready}, {status: 'True'}]", silent},
		{"pending", "phase: Pending", mapping.State{Phase: mapping.Pending, Reason: "Pending"}},
		{"starting", "phase: Starting", mapping.State{Phase: mapping.Progressing, Reason: "Progressing"}},
		{"running", "phase: Running\nobservedGeneration: 3", mapping.State{Phase: mapping.Running, Reason: "Running", ObservedGeneration: 3}},
		{"succeeded", "phase: Succeeded\nmessage: exit 0", mapping.State{Phase: mapping.Succeeded, Reason: "Succeeded", Message: "exit 0"}},
		{"failed", "phase: Failed\nreason: CrashLoop\nmessage: exit 1", mapping.State{Phase: mapping.Failed, Reason: "CrashLoop", Message: "exit 1"}},
		{"removing", "phase: Removing", mapping.State{Phase: mapping.Removing, Reason: "Removing"}},
		{"unknown", "phase: Unknown", mapping.State{Phase: mapping.Unknown, Reason: "Unknown"}},
		{"phase with the condition's words", "phase: Failed\nconditions: [{type: Ready, status: 'False', reason: PullFailed, message: no such image}]",
			mapping.State{Phase: mapping.Failed, Reason: "PullFailed", Message: "no such image"}},
		{"phase before conditions", "phase: Pending\nconditions: [{type: Ready, status: 'True'}]", mapping.State{Phase: mapping.Pending, Reason: "Pending"}},
		{"behind", "phase: Running\nobservedGeneration: 2", mapping.State{Phase: mapping.Progressing, Reason: "GenerationNotObserved",
			Message: "the orchestrator has not seen the newest change yet", ObservedGeneration: 2}},
		{"failed and behind", "observedGeneration: 2\nconditions: [{type: Failed, status: 'True'}]",
			mapping.State{Phase: mapping.Progressing, Reason: "GenerationNotObserved",
				Message: "the orchestrator has not seen the newest change yet", ObservedGeneration: 2}},
		{"ready", "conditions: [{type: Ready, status: 'True', reason: AllUp, message: one of one}]",
			mapping.State{Phase: mapping.Running, Reason: "AllUp", Message: "one of one"}},
		{"ready without words", "conditions: [{type: Ready, status: 'True'}]", mapping.State{Phase: mapping.Running, Reason: "Ready"}},
		{"not ready", "conditions: [{type: Ready, status: 'False', reason: Pulling, message: 40 %}]",
			mapping.State{Phase: mapping.Progressing, Reason: "Pulling", Message: "40 %"}},
		{"ready unknown", "conditions: [{type: Ready, status: Unknown}]", mapping.State{Phase: mapping.Progressing, Reason: "NotReady"}},
		{"condition failed", "conditions: [{type: Ready, status: 'False'}, {type: Failed, status: 'True', reason: OOM}]",
			mapping.State{Phase: mapping.Failed, Reason: "OOM"}},
		{"stalled", "conditions: [{type: Stalled, status: 'True', message: no node}]",
			mapping.State{Phase: mapping.Failed, Reason: "Stalled", Message: "no node"}},
		{"another condition", "conditions: [{type: Degraded, status: 'True', reason: Slow}]\nmessage: slow",
			mapping.State{Phase: mapping.Progressing, Reason: "NotReady", Message: "slow"}},
		{"condition behind", "conditions: [{type: Ready, status: 'True', observedGeneration: 2}]",
			mapping.State{Phase: mapping.Progressing, Reason: "GenerationNotObserved"}},
		{"a phase of its own", "phase: Reticulating\nconditions: [{type: Ready, status: 'True'}]", mapping.State{Phase: mapping.Running, Reason: "Ready"}},
		{"a phase of its own alone", "phase: Reticulating", mapping.State{Phase: mapping.Progressing, Reason: "NotReady"}},
		{"several lines", "phase: Failed\nmessage: \"a\\n\\tb\\u0000c  d\"", mapping.State{Phase: mapping.Failed, Reason: "Failed", Message: "a b c d"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := aerosObject(t, c.status)
			before := o.DeepCopy()
			if diff := cmp.Diff(c.want, shared(t).Observe(o)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(before, o); diff != "" {
				t.Errorf("the object was changed:\n%s", diff)
			}
		})
	}
}

func TestObserveDeleting(t *testing.T) {
	t.Parallel()
	o := aerosObject(t, "phase: Running")
	o.Object["metadata"].(map[string]any)["deletionTimestamp"] = "2026-01-02T03:04:05Z"
	if diff := cmp.Diff(mapping.State{Phase: mapping.Removing, Reason: "Deleting"}, shared(t).Observe(o)); diff != "" {
		t.Error(diff)
	}
}

func TestObserveBoundsItsWords(t *testing.T) {
	t.Parallel()
	o := aerosObject(t, "phase: Failed")
	status := o.Object["status"].(map[string]any)
	status["message"], status["reason"] = strings.Repeat("é\n", 5000), strings.Repeat("R", 500)
	got := shared(t).Observe(o)
	if len(got.Message) > 1024 || len(got.Message) < 1000 || !utf8.ValidString(got.Message) || strings.Contains(got.Message, "\n") {
		t.Errorf("message of %d bytes: %q", len(got.Message), got.Message)
	}
	if len(got.Reason) > 128 {
		t.Errorf("reason of %d bytes", len(got.Reason))
	}
}
