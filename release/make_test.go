package main

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"os/exec"
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
