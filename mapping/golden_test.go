package mapping_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden runs every testdata/<case> that holds an entity.jsonld.
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
			c, err := mapping.RunTestCase(dir, allShipped(t))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, c.File, c.Got)
			files, err := filepath.Glob(filepath.Join(dir, "want*"))
			if err != nil || len(files) != 1 {
				t.Errorf("want one result, got %v, %v", files, err)
			}
		})
	}
}

// golden compares got with a file, or rewrites the file.
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

func TestCasesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, entity, mapping, named, want string
	}{
		{"no entities", "", "", "", "read the entities of a case: open DIR/entity.jsonld: no such file or directory"},
		{"no component", `[{"id":"urn:a","type":"T"}]`, "", "", "DIR/entity.jsonld holds no ServiceComponent"},
		{"bad mapping", `[]`, "kind: Mapping\n", "", "DIR/mapping.yaml:1:1: apiVersion: is missing\n" +
			"DIR/mapping.yaml:1:1: metadata: is missing\nDIR/mapping.yaml:1:1: spec: is missing"},
		{"names nothing", `[]`, "", "\n", "DIR/mappings.txt names no shipped mapping"},
		{"names what does not ship", `[]`, "", "kubernetes\nkubernets\n", `DIR/mappings.txt: no shipped mapping is called "kubernets", did you mean "kubernetes"?`},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"entity.jsonld": c.entity, "mapping.yaml": c.mapping, "mappings.txt": c.named} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := mapping.RunTestCase(dir, shared(t))
		if got := strings.ReplaceAll(errText(err), dir, "DIR"); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.name, got, c.want)
		}
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
