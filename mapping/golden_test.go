package mapping_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden renders the first component of every testdata/<case>/entity.jsonld and compares the
// result with want.yaml (objects, warnings as leading comments) or want-error.txt.
func TestGolden(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*/entity.jsonld")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			entities := decode(t, path)
			rendered, err := setFor(t, dir).Render(inputOf(entities), "default")
			if err != nil {
				golden(t, filepath.Join(dir, "want-error.txt"), describe(t, err))
				return
			}
			golden(t, filepath.Join(dir, "want.yaml"), asYAML(t, rendered))
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; got:\n%s", err, got)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func decode(t testing.TB, path string) []ngsild.Entity {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entities, problems := ngsild.DecodeEntities(data)
	if len(problems) > 0 {
		t.Fatalf("decode %s: %v", path, errors.Join(problems...))
	}
	return entities
}

// inputOf gathers the first ServiceComponent and what it links to.
func inputOf(entities []ngsild.Entity) mapping.Input {
	find := func(id ngsild.EntityID) *ngsild.Entity {
		for i := range entities {
			if entities[i].ID == id {
				return &entities[i]
			}
		}
		return nil
	}
	for _, e := range entities {
		if e.Type == "ServiceComponent" {
			return mapping.Gather(e, find)
		}
	}
	return mapping.Input{}
}

func asYAML(t testing.TB, r mapping.Rendered) string {
	t.Helper()
	var b bytes.Buffer
	for _, warning := range r.Warnings {
		fmt.Fprintf(&b, "# warning: %s\n", warning)
	}
	for i, o := range r.Objects {
		if i > 0 {
			b.WriteString("---\n")
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String()
}

func describe(t testing.TB, err error) string {
	t.Helper()
	var e *mapping.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is no *mapping.Error: %v", err)
	}
	return fmt.Sprintf("%v: %s\nentity: %s\nfield: %s\n%s\n", e.Err, e.Reason, e.Entity, e.Field, strings.TrimSpace(e.Message))
}
