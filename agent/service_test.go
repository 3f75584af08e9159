package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

func TestActionReport(t *testing.T) {
	t.Parallel()
	running, finished, starting := component("Running"), component("Finished"), component("Starting")
	job := component("Finished", "isJob", true)
	for name, c := range map[string]struct {
		action     string
		components []ngsild.Entity
		want       string
	}{
		"all run":                     {"DEPLOYING", []ngsild.Entity{running, job}, "DEPLOYED"},
		"one does not":                {"DEPLOYING", []ngsild.Entity{running, starting}, ""},
		"finished, and no job":        {"DEPLOYING", []ngsild.Entity{running, finished}, ""},
		"no components":               {"DEPLOYING", nil, ""},
		"the other dialect":           {"Deploying", []ngsild.Entity{running}, "DEPLOYED"},
		"all are gone":                {"DESTROYING", []ngsild.Entity{finished, job}, "FINISHED"},
		"one is still there":          {"DESTROYING", []ngsild.Entity{finished, running}, ""},
		"nothing to destroy is known": {"DESTROYING", nil, ""},
		"done already":                {"DEPLOYED", []ngsild.Entity{running}, ""},
		"something else":              {"FINISHED", []ngsild.Entity{finished}, ""},
	} {
		if got := actionReport(c.action, c.components); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestChangesAreWrittenInTheDialectThatWasRead(t *testing.T) {
	t.Parallel()
	bare := component("")
	bare.Attrs[attrStatus] = ngsild.Attribute{Kind: ngsild.Property, Value: "Starting"}
	relationship := map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:ServiceComponentStatus:Running"}
	simplified := component("")
	simplified.Attrs[attrStatus] = ngsild.Attribute{Value: "urn:ngsi-ld:ServiceComponentStatus:Starting"}
	for name, c := range map[string]struct {
		entity ngsild.Entity
		want   any
	}{
		"relationship":    {component("Starting"), relationship},
		"bare word":       {bare, map[string]any{"type": "Property", "value": "Running"}},
		"simplified":      {simplified, relationship},
		"absent":          {component(""), relationship},
		"says so already": {component("running"), nil},
	} {
		s := &status{Phase: mapping.Running, componentStatus: statusRunning}
		if diff := cmp.Diff(c.want, changes(&c.entity, s, epoch)[attrStatus]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, c := range []struct{ was, word, want string }{
		{"DEPLOYING", "DEPLOYED", "DEPLOYED"}, {"Deploying", "DEPLOYED", "Deployed"}, {"Destroying", "FINISHED", "Finished"},
	} {
		service := ngsild.Entity{Attrs: map[string]ngsild.Attribute{attrAction: {Kind: ngsild.Property, Value: c.was}}}
		if got := actionAttribute(&service, c.word)["value"]; got != c.want {
			t.Errorf("actionType after %s: got %v, want %s", c.was, got, c.want)
		}
	}
}

// TestStatusSurvivesTheBroker: what was written is read back as the same, so
// that nothing is written twice.
func TestStatusSurvivesTheBroker(t *testing.T) {
	t.Parallel()
	s := &status{Phase: mapping.Failed, Reason: "R", Message: "m", APIVersion: "g/v1", Kind: "K", Namespace: "n", Name: "x",
		UID: "u", Cluster: "default", InputHash: "h", ObservedGeneration: 3, componentStatus: statusFailed}
	e := component("Starting")
	attrs := changes(&e, s, epoch)
	if len(attrs) != 2 {
		t.Fatalf("want both attributes in one PATCH, got %v", attrs)
	}
	after := applied(e, attrs)
	if again := changes(&after, s, epoch.Add(time.Hour)); len(again) != 0 {
		t.Errorf("written once, and still different: %v", again)
	}
	got := reported(&after)
	s.componentStatus = ""
	if diff := cmp.Diff(*s, got, cmp.AllowUnexported(status{})); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if e.Has(attrDeployment) {
		t.Error("the entity that was worked from was changed")
	}
	value := attrs[attrDeployment].(map[string]any)["value"].(map[string]any)
	for _, key := range statusKeys {
		if _, ok := value[key]; !ok {
			t.Errorf("key %s is left out: a merge would keep its old value", key)
		}
	}
}
