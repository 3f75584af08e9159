package hloagent_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows says which of our packages a package may import, tests left out. A
// sub-package counts as its top-level package.
var arrows = map[string][]string{
	"ngsild":     {},
	"llo":        {},
	"mapping":    {"ngsild"},
	"homing":     {"ngsild"},
	"allocation": {"ngsild"},
	"overlay":    {"ngsild"},
	"agent":      {"allocation", "homing", "llo", "mapping", "ngsild", "overlay"},
	"sandbox":    {"agent", "llo", "ngsild"},
	"cmd":        {"agent", "sandbox"},
}

const module = "github.com/hlo-agent/hlo-agent"

type pkg struct {
	ImportPath, Name string
	Imports          []string
	Deps             []string
}

func packages(t *testing.T, args ...string) []pkg {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Name,Imports,Deps"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func top(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, module+"/"), "/")
	return name
}

func TestArrows(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, "./...") {
		from := top(p.ImportPath)
		if p.ImportPath == module {
			continue
		}
		may, known := arrows[from]
		if !known {
			t.Errorf("package %s has no place in the table of arrows", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module+"/") || top(imported) == from {
				continue
			}
			if !slices.Contains(may, top(imported)) {
				t.Errorf("%s imports %s; %s may import %v of ours", p.ImportPath, imported, from, may)
			}
		}
	}
}

func TestDeployHoldsNoGo(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("git", "ls-files", "deploy").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasSuffix(name, ".go") {
			t.Errorf("%s: deploy holds no Go", name)
		}
	}
}

// TestAgentStaysSmall keeps what only the sandbox needs out of the program that
// ships.
func TestAgentStaysSmall(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, "./cmd/hlo-agent") {
		for _, dep := range p.Deps {
			for _, bad := range []string{"k8s.io/kubernetes", "go.etcd.io/", "sigs.k8s.io/controller-runtime", module + "/sandbox", "testing", "github.com/bufbuild/protocompile", "github.com/twmb/franz-go/pkg/kfake"} {
				if dep == bad || strings.HasPrefix(dep, bad+"/") || (strings.HasSuffix(bad, "/") && strings.HasPrefix(dep, bad)) {
					t.Errorf("hlo-agent links %s", dep)
				}
			}
		}
	}
}
