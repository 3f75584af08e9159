package install_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	manifestsFile = "../deploy/manifests/hlo-agent.yaml"
	manifestsHead = "# The chart in deploy/hlo-agent with the values in values.yaml, for who does not use Helm. Written by `make manifests`.\n"
)

// manifests is what the chart gives for deploy/manifests/values.yaml, as one file with its namespace and without the
// labels that are about Helm.
func manifests(t *testing.T) string {
	t.Helper()
	const name = "hlo-agent"
	text, err := helm(t, "", "template", name, chart, "--namespace", name, "--values", "../deploy/manifests/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := manifestsHead
	for _, o := range append(namespaceObjects(name), objects(t, text)...) {
		withoutHelm(o.Object)
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		out += "---\n" + string(text)
	}
	return out
}

// withoutHelm takes the labels about Helm away, wherever they are.
func withoutHelm(node any) {
	switch node := node.(type) {
	case map[string]any:
		if labels, ok := node["labels"].(map[string]any); ok {
			delete(labels, "helm.sh/chart")
			delete(labels, "app.kubernetes.io/managed-by")
		}
		for _, inner := range node {
			withoutHelm(inner)
		}
	case []any:
		for _, inner := range node {
			withoutHelm(inner)
		}
	}
}

// TestManifests compares deploy/manifests with the chart, and has the server look at it.
func TestManifests(t *testing.T) {
	t.Parallel()
	want := manifests(t)
	if *update {
		if err := os.WriteFile(manifestsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(manifestsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what the chart gives (make manifests): %s", manifestsFile, diff)
	}
	if strings.Contains(string(got), "helm.sh") {
		t.Error("it speaks of Helm")
	}
	all := objects(t, string(got))
	serverTakes(t, slices.DeleteFunc(all, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Namespace" }))
}
