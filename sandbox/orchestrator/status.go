package orchestrator

import "time"

// statusOf is the status that says s. Times of what did not change are those of the status that c has, so that
// the same state gives the same status.
func statusOf(s state, c component) map[string]any {
	stamp := c.now.UTC().Format(time.RFC3339)
	status := map[string]any{}
	if !c.profile.noGeneration {
		status["observedGeneration"] = c.GetGeneration()
	}
	if c.profile.conditionsOnly {
		status["conditions"] = conditionsOf(s, c, stamp, conditionType{"Ready", s.ready}, conditionType{"Stalled", s.stalled})
		return status
	}
	status["phase"], status["message"] = s.phase, s.message
	status["conditions"] = conditionsOf(s, c, stamp,
		conditionType{"Ready", s.ready},
		conditionType{"Progressing", !s.ready && !s.stalled},
		conditionType{"Degraded", s.degraded})
	if s.started {
		status["startedAt"] = kept(c.status, "startedAt", stamp)
	}
	if s.ended {
		status["finishedAt"] = kept(c.status, "finishedAt", stamp)
		status["exitCode"] = s.exitCode
	}
	if !c.isJob {
		status["replicas"], status["readyReplicas"] = int64(1), count(s.ready)
	}
	return status
}

type conditionType struct {
	name  string
	holds bool
}

func conditionsOf(s state, c component, stamp string, types ...conditionType) []any {
	var all []any
	for _, t := range types {
		condition := map[string]any{
			"type":               t.name,
			"status":             word(t.holds),
			"reason":             s.reason,
			"message":            s.message,
			"lastTransitionTime": transition(c.status, t.name, word(t.holds), stamp),
		}
		if !c.profile.noGeneration {
			condition["observedGeneration"] = c.GetGeneration()
		}
		all = append(all, condition)
	}
	return all
}

// transition is when the condition got its status: now, unless old has it so already.
func transition(old map[string]any, name, status, stamp string) any {
	conditions, _ := old["conditions"].([]any)
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == name && c["status"] == status {
			return kept(c, "lastTransitionTime", stamp)
		}
	}
	return stamp
}

func kept(old map[string]any, key, stamp string) any {
	if value, ok := old[key].(string); ok {
		return value
	}
	return stamp
}

func word(holds bool) string {
	if holds {
		return "True"
	}
	return "False"
}

func count(ready bool) int64 {
	if ready {
		return 1
	}
	return 0
}
