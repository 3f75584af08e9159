package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// An allowance that names clusters counts there and nowhere else; one that names
// none counts everywhere.
func TestPolicyNamesClusters(t *testing.T) {
	t.Parallel()
	p := policy(t, policyText("mine", "allow:\n- {group: a.example.org, kinds: [Plan], clusters: [edge, core]}\n- {group: a.example.org, kinds: [Vent]}"))
	object := func(kind string) []*unstructured.Unstructured {
		return []*unstructured.Unstructured{parsed(t, "apiVersion: a.example.org/v1\nkind: "+kind+"\nmetadata: {name: w, namespace: default}\n")}
	}
	for _, c := range []struct{ cluster, kind, want string }{
		{"edge", "Plan", ""}, {"core", "Plan", ""}, {"edge", "Vent", ""}, {"default", "Vent", ""},
		{"default", "Plan", "Plan w: the policy does not allow the kind Plan.a.example.org in the cluster default"},
		{"edge2", "Plan", "Plan w: the policy does not allow the kind Plan.a.example.org in the cluster edge2"},
	} {
		err := p.In(c.cluster).Check(object(c.kind))
		var denied *mapping.Error
		if errors.As(err, &denied) != (c.want != "") || denied != nil && denied.Message != c.want {
			t.Errorf("%s in %s: %v, want %q", c.kind, c.cluster, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"allow: [{kinds: [A], clusters: []}]":     "spec.allow[0].clusters: names no cluster: leave it out for any",
		"allow: [{kinds: [A], clusters: ['*']}]":  `spec.allow[0].clusters[0]: "*" is no name of a cluster`,
		"allow: [{kinds: [A], clusters: [A_b]}]":  `spec.allow[0].clusters[0]: "A_b" is no name of a cluster`,
		"allow: [{kinds: [A], clusters: [a, 3]}]": "spec.allow[0].clusters[1]",
	} {
		_, err := mapping.LoadPolicy(mapping.Source{Name: "a.yaml", Data: []byte(policyText("mine", text))})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
