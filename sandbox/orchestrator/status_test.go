package orchestrator

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func at(now time.Time, image string, isJob bool, generation int64, status map[string]any) component {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGeneration(generation)
	return component{Unstructured: object, profile: profileOf(image), isJob: isJob, status: status, now: now}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	condition := func(kind, status, reason, message string) any {
		return map[string]any{"type": kind, "status": status, "reason": reason, "message": message,
			"lastTransitionTime": "2026-11-22T12:00:00Z", "observedGeneration": int64(3)}
	}
	cases := map[string]struct {
		image string
		isJob bool
		state state
		want  map[string]any
	}{
		"running": {"a:1", false, running(), map[string]any{
			"phase": "Running", "message": "running", "observedGeneration": int64(3),
			"startedAt": "2026-11-22T12:00:00Z", "replicas": int64(1), "readyReplicas": int64(1),
			"conditions": []any{
				condition("Ready", "True", "ContainerRunning", "running"),
				condition("Progressing", "False", "ContainerRunning", "running"),
				condition("Degraded", "False", "ContainerRunning", "running"),
			}}},
		"crashed job": {"a:1", true, exited(1), map[string]any{
			"phase": "Failed", "message": "exit code 1", "observedGeneration": int64(3), "exitCode": int64(1),
			"startedAt": "2026-11-22T12:00:00Z", "finishedAt": "2026-11-22T12:00:00Z",
			"conditions": []any{
				condition("Ready", "False", "ContainerExited", "exit code 1"),
				condition("Progressing", "False", "ContainerExited", "exit code 1"),
				condition("Degraded", "False", "ContainerExited", "exit code 1"),
			}}},
		"conditions only": {"a-sim-conditions:1", false, pullFailed(), map[string]any{
			"observedGeneration": int64(3),
			"conditions": []any{
				condition("Ready", "False", "ImagePullFailed", "the registry has no such image"),
				condition("Stalled", "True", "ImagePullFailed", "the registry has no such image"),
			}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := statusOf(c.state, at(noon(), c.image, c.isJob, 3, nil))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

// The same state at another time is the same status, or the orchestrators would never stop writing.
func TestStatusOfTheSameStateIsTheSame(t *testing.T) {
	t.Parallel()
	states := []state{pending(), starting(), running(), degraded(), pullFailed(), exited(0), exited(1), removing()}
	for _, word := range Words() {
		for _, s := range states {
			first := throughServer(t, statusOf(s, at(noon(), word.Word, false, 1, nil)))
			again := statusOf(s, at(noon().Add(time.Hour), word.Word, false, 1, first))
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("%s, %s (-first +again):\n%s", word.Word, s.reason, diff)
			}
		}
	}
}

// throughServer gives a status as a cache holds it.
func throughServer(t *testing.T, status map[string]any) map[string]any {
	t.Helper()
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "A", "status": status})
	if err != nil {
		t.Fatal(err)
	}
	var object unstructured.Unstructured
	if err := object.UnmarshalJSON(body); err != nil {
		t.Fatal(err)
	}
	return object.Object["status"].(map[string]any)
}

func TestStatusOfKeepsTheTimeOfWhatDidNotChange(t *testing.T) {
	t.Parallel()
	up := throughServer(t, statusOf(running(), at(noon(), "a:1", false, 1, nil)))
	down := statusOf(degraded(), at(noon().Add(time.Hour), "a:1", false, 1, up))
	if down["startedAt"] != "2026-11-22T12:00:00Z" {
		t.Errorf("startedAt %v, want noon: the component started once", down["startedAt"])
	}
	times := map[any]any{}
	for _, c := range down["conditions"].([]any) {
		c := c.(map[string]any)
		times[c["type"]] = c["lastTransitionTime"]
	}
	one := "2026-11-22T13:00:00Z"
	want := map[any]any{"Ready": one, "Progressing": one, "Degraded": one}
	if diff := cmp.Diff(want, times); diff != "" {
		t.Errorf("all three changed (-want +got):\n%s", diff)
	}
	failed := statusOf(pullFailed(), at(noon().Add(2*time.Hour), "a:1", false, 1, throughServer(t, down)))
	ready := failed["conditions"].([]any)[0].(map[string]any)
	if ready["lastTransitionTime"] != one {
		t.Errorf("Ready stayed False, its time became %v", ready["lastTransitionTime"])
	}
}
