package agent

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestReadmeExample: the resource on the README's first screen is what the agent makes of the entity there, and what comes
// back is what docs/a-day.md has, which a test has typed.
func TestReadmeExample(t *testing.T) {
	t.Parallel()
	page := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	readme := page("../README.md")
	block := func(name string) []byte {
		m := regexp.MustCompile("(?s)```\\w+ " + regexp.QuoteMeta(name) + "\n(.*?)```").FindSubmatch(readme)
		if m == nil {
			t.Fatalf("the README has no block %s", name)
		}
		return m[1]
	}
	file := filepath.Join(t.TempDir(), "shop.json")
	if err := os.WriteFile(file, block("shop.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	nothing := func(string) string { return "" }
	if code := Main(t.Context(), "hlo-agent", []string{"render", "-f", file, "-f", "../sandbox/world/world.json"}, nothing, nil, &out, &said); code != 0 {
		t.Fatalf("render ends with %d: %s", code, said.String())
	}
	var want, got map[string]any
	if err := yaml.Unmarshal(block("resource"), &want); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	metadata, _ := got["metadata"].(map[string]any)
	delete(metadata, "labels")
	delete(metadata, "annotations")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the README's resource (-README +rendered): %s", diff)
	}

	var back, seen struct {
		ServiceComponentStatus string
		DeploymentStatus       map[string]any
	}
	if err := json.Unmarshal(block("back"), &back); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\{"id":"urn:ngsi-ld:Service:shop:Component:web".*$`).Find(page("../docs/a-day.md"))
	if err := json.Unmarshal(line, &seen); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	for key := range seen.DeploymentStatus {
		if back.DeploymentStatus[key] == nil {
			delete(seen.DeploymentStatus, key) // the README shows a few of them
		}
	}
	if diff := cmp.Diff(back, seen); diff != "" {
		t.Errorf("what comes back (-README +a day): %s", diff)
	}
}
