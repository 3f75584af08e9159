package kube

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Go embeds nothing from a sibling folder, and deploy is where people look for manifests: the files are in both.
func TestCRDsAreThoseOfDeploy(t *testing.T) {
	t.Parallel()
	deployed := read(t, filepath.Join("..", "..", "deploy", "hlo-agent", "crds"))
	embedded := read(t, "crds")
	if diff := cmp.Diff(deployed, embedded); diff != "" {
		t.Errorf("deploy/hlo-agent/crds and sandbox/kube/crds differ (-deploy +sandbox):\n%s", diff)
	}
	crds, err := CRDs()
	if err != nil {
		t.Fatal(err)
	}
	if len(crds) != 3 || len(crds) != len(embedded) {
		t.Errorf("%d definitions in %d files, want 3", len(crds), len(embedded))
	}
	for _, crd := range crds {
		if _, err := served(crd); err != nil {
			t.Error(err)
		}
	}
}

func read(t *testing.T, folder string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = string(text)
	}
	return files
}
