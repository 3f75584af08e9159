package agent

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ object, message, want string }{
		"fields and variables": {
			"{spec: {image: a/b, imageRegistry: {username: robot, password: hunter1}, envVars: [{key: DB_PASS, value: hunter2}, {key: MODE, value: quick}], networkOverlay: {privateKey: hunter3}}}",
			"a/b for robot with hunter1, hunter2, hunter3 and quick", "a/b for robot with […], […], […] and quick",
		},
		"a Secret, in clear and as it is kept": {
			"{kind: Secret, data: {.dockerconfigjson: eyJhdXRocyI6eyJoIjp7InBhc3N3b3JkIjoiaHVudGVyMSJ9fX0=}, stringData: {x: hunter2}}",
			"hunter1, hunter2, aHVudGVyMg==", "[…], […], […]",
		},
		"documents": {
			`{spec: {config: "{\"mode\": \"quick\", \"password\": \"hunter1\"}", file: "mode: quick\ntoken: hunter2\nAPI_KEY=hunter3\n"}}`,
			"quick hunter1 hunter2 hunter3", "quick […] […] […]",
		},
		"arguments and addresses": {
			"{spec: {args: [--token=hunter1, --password, hunter2, 'amqp://u:hunter3@h/p']}}", "hunter1 hunter2 hunter3", "[…] […] […]",
		},
		"numbers, flags and references": {
			"{spec: {password: 123456, token: true, secret: {secretName: web-tls}}}", "123456 is true in web-tls", "[…] is true in web-tls",
		},
		"in quotes": {`{spec: {password: 'a"b\c', token: x}}`, `"a\"b\\c" and "x" of box`, `"[…]" and "[…]" of box`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := credentials(parsedObject(t, c.object).Object).CutFrom(c.message); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestObjectsHideTheirCredentials: an orchestrator may repeat in the status of a resource what its spec holds.
func TestObjectsHideTheirCredentials(t *testing.T) {
	t.Parallel()
	rules, err := loadRules(&Config{Namespace: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	o := parsedObject(t, `{apiVersion: llo.aeros-project.eu/v1alpha1, kind: ServiceComponentK8s, metadata: {name: a, namespace: edge},
		spec: {imageRegistry: {password: hunter1}, envVars: [{key: API_KEY, value: hunter2}]},
		status: {conditions: [{type: Ready, status: "False", reason: PullFailed, message: "no pull with hunter1, started with hunter2"}]}}`)
	state := rules.Observe(o)
	if want := "no pull with […], started with […]"; state.Message != want {
		t.Errorf("it says %q, want %q", state.Message, want)
	}
	for _, c := range conditionsOf(o) {
		if strings.Contains(c.Message, "hunter") {
			t.Errorf("a condition says %q", c.Message)
		}
	}
}

// TestPassesHideCredentials: what is said of a component is without the credentials of its entity.
func TestPassesHideCredentials(t *testing.T) {
	t.Parallel()
	p := &pass{status: &status{Reason: "Rejected", Message: "not hunter1, nor hunter2"}}
	p.entity.Attrs = map[string]ngsild.Attribute{
		"repoPassword": {Kind: ngsild.Property, Value: "hunter1"},
		"envVars":      {Kind: ngsild.Property, Value: []any{map[string]any{"key": "DSN", "value": "hunter2"}}},
	}
	p.hide()
	if want := "not […], nor […]"; p.status.Message != want {
		t.Errorf("it says %q, want %q", p.status.Message, want)
	}
}

// TestShownPairs: who asks for a component does not read credentials back, and does no harm by sending back what was shown.
func TestShownPairs(t *testing.T) {
	t.Parallel()
	now := []allocation.Pair{{Key: "DB_PASS", Value: "hunter1"}, {Key: "MODE", Value: "quick"}, {Key: "--url", Value: "https://u:hunter2@h"}, {Key: "TOKEN"}}
	shown := hidePairs(now)
	want := []allocation.Pair{{Key: "DB_PASS", Value: masked}, {Key: "MODE", Value: "quick"}, {Key: "--url", Value: masked}, {Key: "TOKEN"}}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	next := append(slices.Clone(shown[:1]), allocation.Pair{Key: "TOKEN", Value: "hunter3"}, allocation.Pair{Key: "--url", Value: masked})
	want = []allocation.Pair{now[0], {Key: "TOKEN", Value: "hunter3"}, now[2]}
	if diff := cmp.Diff(want, keepPairs(now, next)); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}
