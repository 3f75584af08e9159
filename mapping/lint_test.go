package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// TestLint compares what is wrong with every testdata/lint/<case>.yaml with <case>.txt.
func TestLint(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/lint/*.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			problems := mapping.Lint(mapping.Source{Name: name + ".yaml", Data: data})
			text := problems.Error()
			if text != "" {
				text += "\n"
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", text)
		})
	}
}

func TestShippedMappingsAreRight(t *testing.T) {
	t.Parallel()
	sources, err := mapping.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	if problems := mapping.Lint(sources...); len(problems) > 0 {
		t.Error(problems)
	}
	want := []string{"argocd", "knative", "kubernetes", "ocm-manifestwork", "aeros-containerd", "aeros-docker", "aeros-k8s"}
	if diff := cmp.Diff(want, allShipped(t).Names()); diff != "" {
		t.Error(diff)
	}
	_, err = mapping.Shipped("aeros-k8")
	if got, want := errText(err), `no shipped mapping is called "aeros-k8", did you mean "aeros-k8s"?`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAerosMappingsAreAlike: they differ in the technology and the kind alone.
func TestAerosMappingsAreAlike(t *testing.T) {
	t.Parallel()
	plain := func(name string, replace ...string) string {
		sources, err := mapping.Shipped(name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(append(replace, name, "NAME")...).Replace(string(sources[0].Data))
	}
	want := plain("aeros-k8s", "ServiceComponentK8s", "KIND", "Kubernetes", "TECH", `in ["kubernetes", "k8s"]`, "CHOICE")
	for _, other := range []struct{ name, kind, tech, choice string }{
		{"aeros-docker", "ServiceComponentDocker", "Docker", `== "docker"`},
		{"aeros-containerd", "ServiceComponentContainerd", "containerd", `== "containerd"`},
	} {
		got := plain(other.name, other.kind, "KIND", other.choice, "CHOICE", other.name, "NAME", other.tech, "TECH")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-aeros-k8s +it):\n%s", other.name, diff)
		}
	}
}

func TestReadPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	right, err := os.ReadFile("testdata/lint/right.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// As the kubelet mounts a ConfigMap: files are links through a hidden folder.
	if err := os.Mkdir(filepath.Join(dir, "..data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"..data/m.yaml": string(right), "README.md": "no", ".hidden.yaml": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..data/m.yaml", filepath.Join(dir, "m.yaml")); err != nil {
		t.Fatal(err)
	}
	sources, err := mapping.ReadPaths(dir)
	if err != nil || len(sources) != 1 || sources[0].Name != filepath.Join(dir, "m.yaml") {
		t.Errorf("got %+v, %v", sources, err)
	}
	if _, err := mapping.ReadPaths(filepath.Join(dir, "absent")); err == nil {
		t.Error("an absent path is no error")
	}
}

func TestOverride(t *testing.T) {
	t.Parallel()
	sources, err := mapping.Shipped("aeros-k8s", "aeros-docker")
	if err != nil {
		t.Fatal(err)
	}
	own := mapping.Source{Name: "own.yaml", Data: []byte(strings.Replace(string(sources[1].Data),
		"ServiceComponentK8s", "ServiceComponentOurs", 2))}
	for _, order := range [][]mapping.Source{{sources[0], sources[1], own}, {own, sources[0], sources[1]}} {
		r, err := load(t, order...).Render(world(nil), "default")
		if err != nil || r.Objects[0].GetKind() != "ServiceComponentOurs" {
			t.Errorf("got %v, %v", r.Objects, err)
		}
	}
	problems := mapping.Lint(own, mapping.Source{Name: "other.yaml", Data: own.Data})
	if got, want := problems.Error(), `other.yaml:6:9: metadata.name: the mapping "aeros-k8s" is in own.yaml too`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
