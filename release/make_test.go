package main

import (
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
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
	if got := string(manifest.Config.MediaType); got != "application/vnd.cncf.helm.config.v1+json" {
		t.Errorf("what is there is a %s", got)
	}
}
