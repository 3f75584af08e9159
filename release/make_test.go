package main

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestMakeHelmUpload sends the chart to a registry as the Makefile does, and finds it there under its version.
func TestMakeHelmUpload(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	cmd := exec.CommandContext(t.Context(), "make", "helm-upload", "VERSION="+testVersion, "DIST="+t.TempDir(),
		"CHART_REGISTRY=oci://"+host+"/hlo/charts", "PLAIN_HTTP=--plain-http")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make helm-upload: %v\n%s", err, out)
	}
	ref, err := name.ParseReference(host+"/hlo/charts/hlo-agent:"+strings.TrimPrefix(testVersion, "v"), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	chart, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := chart.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer0(chart)
	if err != nil {
		t.Fatal(err)
	}
	if want := "repository: registry.example.org/hlo/hlo-agent\n"; !strings.Contains(content, want) {
		t.Errorf("its values do not say %q", want)
	}
	if got := string(manifest.Config.MediaType); got != "application/vnd.cncf.helm.config.v1+json" {
		t.Errorf("what is there is a %s", got)
	}
}

// TestMakeRelease fills a folder as the Makefile does, for one platform, and looks whether all is in it that a version
// consists of, and runs. A version that CHANGELOG.md does not know is refused before anything is built.
func TestMakeRelease(t *testing.T) {
	t.Parallel()
	release := func(version string) (string, string, error) {
		dist := filepath.Join(t.TempDir(), "dist")
		cmd := exec.CommandContext(t.Context(), "make", "release", "VERSION="+version, "DIST="+dist, "RELEASED=linux-amd64", "CREATED="+testTime)
		cmd.Dir = ".."
		out, err := cmd.CombinedOutput()
		return dist, string(out), err
	}
	const unknown = "v987.6.5"
	want := "CHANGELOG.md has nothing about " + unknown
	if dist, said, err := release(unknown); err == nil || !strings.Contains(said, want) {
		t.Errorf("a version that nobody wrote about: %v, want %q in\n%s", err, want, said)
	} else if _, err := os.Stat(filepath.Join(dist, "linux-amd64")); err == nil {
		t.Error("it built before it looked")
	}

	const version = "v0.1.0"
	dist, said, err := release(version)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	files := []string{"SHA256SUMS", "hlo-agent-0.1.0.tgz"}
	for _, rest := range []string{"-crds.yaml", "-image.tar", "-linux-amd64", "-linux-amd64.cdx.json", "-notes.md", ".yaml"} {
		files = append(files, "hlo-agent-"+version+rest)
	}
	files = append(files, "kubectl-hlo-"+version+"-linux-amd64")
	entries, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if !slices.Equal(found, files) {
		t.Errorf("in the folder are\n%q, want\n%q", found, files)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = dist
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK\n") != len(files)-1 {
		t.Errorf("sha256sum: %v, want %d files\n%s", err, len(files)-1, out)
	}
	text, err := os.ReadFile(filepath.Join(dist, "hlo-agent-"+version+"-notes.md"))
	if err != nil || !strings.HasPrefix(string(text), "# hlo-agent "+version+"\n\n") {
		t.Errorf("%v, the notes are %q", err, text)
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return // what was made runs elsewhere
	}
	for name, argument := range map[string]string{"hlo-agent": "version", "kubectl-hlo": "help"} {
		installed := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(filepath.Join(dist, name+"-"+version+"-linux-amd64"), installed); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"version": version, "help": "kubectl hlo [command]"}[argument]
		if out, err := exec.CommandContext(t.Context(), installed, argument).CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s %s: %v, want %q in\n%s", name, argument, err, want, out)
		}
	}
}

// layer0 is the text of the files in the only layer of a chart.
func layer0(chart v1.Image) (string, error) {
	layers, err := chart.Layers()
	if err != nil {
		return "", err
	}
	packed, err := layers[0].Compressed()
	if err != nil {
		return "", err
	}
	content, err := gzip.NewReader(packed)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(content)
	return string(text), err
}
