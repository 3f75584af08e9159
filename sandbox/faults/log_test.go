package faults_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// logged are the lines of the agent's log that concern an entity.
func (r *rig) logged(id string) []object {
	var lines []object
	for text := range strings.Lines(r.agent.said.String()) {
		var line object
		if json.Unmarshal([]byte(text), &line) == nil && line["entity"] == id {
			lines = append(lines, line)
		}
	}
	return lines
}

// heard are those of what an entity was told or made to do: not of passes that found nothing
// to do, which come at any time.
func (r *rig) heard(id string) []object {
	return slices.DeleteFunc(r.logged(id), func(line object) bool { return line["msg"] == "placed" || line["msg"] == "rendered" })
}

// One change can be followed in the log from its notification to the report, by the
// entity's id and the number of the change.
func TestLogFollowsOneChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"LOG_FORMAT": "json"})
	r.ready(component("web", object{"isPrivate": prop(true), "repoUsername": prop("u"), "repoPassword": prop("hunter1")}), component("idle", nil))
	before := len(r.logged(componentID("web")))
	idle := len(r.heard(componentID("idle")))
	r.patch(componentID("web"), object{"infrastructureElement": rel(d1), "serviceComponentStatus": word("Starting")})
	r.await(onDock, "web", "moved", hasImage(1))
	r.gone(onK8s, "web")
	r.says(componentID("web"), "Running", "")
	want := []string{"notified", "placed", "rendered", "object created", "status written"}
	eventually(t, "the log", func() error {
		var steps []string
		var change any
		for _, line := range r.logged(componentID("web"))[before:] {
			step := line["msg"].(string)
			if len(steps) < len(want) && step == want[len(steps)] {
				steps = append(steps, step)
			}
			if step == "notified" && change == nil {
				change = line["change"]
			}
			if step == "read" && line["of"] == change {
				change = line["change"]
			}
			if step == "object created" && line["change"] != change {
				return fmt.Errorf("%w: the object was created for change %v, and notified was %v", errNever, line["change"], change)
			}
		}
		if !slices.Equal(steps, want) {
			return fmt.Errorf("only %q of %q", steps, want)
		}
		return nil
	})
	if n := len(r.heard(componentID("idle"))); n != idle {
		t.Errorf("%d lines of another component, %d before", n, idle)
	}
	said := r.agent.said.String()
	if strings.Contains(said, "hunter") {
		t.Error("a credential is in the log")
	}
	for text := range strings.Lines(said) { // whatever names the component has it under that key
		var line object
		if json.Unmarshal([]byte(text), &line) == nil && strings.Contains(text, componentID("web")) && line["entity"] != componentID("web") {
			t.Errorf("not found by the entity: %s", text)
		}
	}
}
