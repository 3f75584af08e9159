package mapping

import (
	"errors"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readGeneric reads an object by the conventions of Kubernetes. They call an object without conditions
// current; that alone is never Running.
func readGeneric(state *State, object *unstructured.Unstructured) {
	content, _ := object.Object["status"].(map[string]any)
	if len(content) == 0 {
		state.Phase, state.Reason, state.Silent = Progressing, "NoStatus", true
		return
	}
	// Compute may write into what it reads.
	result, err := status.Compute(object.DeepCopy())
	if err != nil {
		state.Phase, state.Reason = Unknown, "StatusUnreadable"
		state.Message = "the status is not in the form that Kubernetes objects have"
		return
	}
	state.Message = result.Message
	switch result.Status {
	case status.CurrentStatus:
		if len(conditionsOf(content)) == 0 && status.GetLegacyConditionsFn(object) == nil {
			state.Phase, state.Reason, state.Silent = Progressing, "NoConditions", true
			state.Message = ""
			return
		}
		state.Phase, state.Reason = Running, "Current"
	case status.FailedStatus:
		state.Phase, state.Reason = Failed, "Failed"
	case status.TerminatingStatus:
		state.Phase, state.Reason = Removing, "Terminating"
	default:
		state.Phase, state.Reason = Progressing, string(result.Status)
	}
	for _, c := range result.Conditions {
		if c.Reason != "" {
			state.Reason = c.Reason
		}
	}
}

// messageOf is what a status says about an error.
func messageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return safeCause(err)
}

func joinWords(words []string) string { return strings.Join(words, ", ") }
