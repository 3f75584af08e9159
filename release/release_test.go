package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const (
	testVersion = "v1.2.3"
	testTime    = "2026-01-02T03:04:05Z"
)

// program builds a package of the project, or a program that does nothing, for linux.
func program(t *testing.T, arch string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program-"+arch)
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", out}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOWORK=off")
	cmd.Dir = ".."
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
	return out
}

// nothing is a small static program.
func nothing(t *testing.T, arch string) string {
	t.Helper()
	source := filepath.Join(t.TempDir(), "nothing.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return program(t, arch, source)
}

func makeImage(t *testing.T, platforms ...string) (file, digest string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "image.tar")
	var said bytes.Buffer
	args := append([]string{"image", "-name", "registry.example.org/hlo/hlo-agent", "-version", testVersion, "-created", testTime, "-out", file}, platforms...)
	if err := run(t.Context(), args, &said); err != nil {
		t.Fatal(err)
	}
	return file, strings.TrimSpace(said.String())
}

func open(t *testing.T, file string) v1.ImageIndex {
	t.Helper()
	folder := t.TempDir()
	if err := unpack(file, folder); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func sum(t *testing.T, file string) [32]byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// TestSameBytes builds the image of two platforms twice, from copies that are newer, and then with another program.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	amd64, arm64 := nothing(t, "amd64"), nothing(t, "arm64")
	first, digest := makeImage(t, "amd64="+amd64, "arm64="+arm64)
	data, err := os.ReadFile(amd64)
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "moved")
	if err := os.WriteFile(again, data, 0o700); err != nil {
		t.Fatal(err)
	}
	second, digest2 := makeImage(t, "amd64="+again, "arm64="+arm64)
	if sum(t, first) != sum(t, second) || digest != digest2 {
		t.Error("two builds differ")
	}
	if err := os.WriteFile(again, append(data, 0), 0o700); err != nil {
		t.Fatal(err)
	}
	if third, digest3 := makeImage(t, "amd64="+again, "arm64="+arm64); sum(t, first) == sum(t, third) || digest == digest3 {
		t.Error("another program makes the same image")
	}
}

// TestImageSaysWhatItIs looks into the image as an engine does.
func TestImageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	file, digest := makeImage(t, "amd64="+nothing(t, "amd64"), "arm64="+nothing(t, "arm64"))
	all, err := open(t, file).IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := all.Manifests[0]; got.Digest.String() != digest || got.Annotations[containerdName] != "registry.example.org/hlo/hlo-agent:"+testVersion {
		t.Errorf("the file's image is %s %v, want %s", got.Digest, got.Annotations, digest)
	}
	index, err := open(t, file).ImageIndex(all.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	platforms, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var archs, subjects []string
	for _, one := range platforms.Manifests {
		archs = append(archs, one.Platform.String())
		image, err := index.Image(one.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if c := config.Config; c.User != "65532:65532" || c.Entrypoint[0] != "/hlo-agent" || c.Cmd[0] != "run" || config.Architecture != one.Platform.Architecture {
			t.Errorf("config of %s: %+v", one.Platform, config)
		}
	}
	if got := strings.Join(archs, " "); got != "linux/amd64 linux/arm64" {
		t.Errorf("platforms: %s", got)
	}
	for _, bill := range all.Manifests[1:] {
		image, err := open(t, file).Image(bill.Digest)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, manifest.Subject.Digest.String())
		if manifest.Config.MediaType != cycloneDX {
			t.Errorf("a bill of materials is of type %s", manifest.Config.MediaType)
		}
	}
	if len(subjects) != 2 || subjects[0] != platforms.Manifests[0].Digest.String() || subjects[1] != platforms.Manifests[1].Digest.String() {
		t.Errorf("the bills of materials are about %v", subjects)
	}
}

// TestWrongPrograms: what would not run in the image is refused.
func TestWrongPrograms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ arch, program, want string }{
		{"arm64", nothing(t, "amd64"), "is for EM_X86_64"},
		{"riscv64", nothing(t, "amd64"), "is for EM_X86_64"},
		{"amd64", "release_test.go", "bad magic number"},
		{"amd64", "/bin/sh", "is not static"},
	} {
		b := build{version: testVersion}
		if err := b.add(c.arch, c.program); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: %v, want %q", c.program, c.arch, err, c.want)
		}
	}
}

func TestRootsAreCertificates(t *testing.T) {
	t.Parallel()
	pool := x509.NewCertPool()
	if text := rootsPEM(); !pool.AppendCertsFromPEM(text) || bytes.Count(text, []byte("BEGIN CERTIFICATE")) < 100 {
		t.Errorf("%d bytes of certificates", len(text))
	}
}

// TestPush sends an image to a registry and finds it there unchanged, bills of materials included.
func TestPush(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true)))
	defer server.Close()
	target := strings.TrimPrefix(server.URL, "http://") + "/hlo/hlo-agent:" + testVersion
	file, digest := makeImage(t, "amd64="+nothing(t, "amd64"), "arm64="+nothing(t, "arm64"))
	var said bytes.Buffer
	if err := run(t.Context(), []string{"push", "-plain-http", file, target}, &said); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), target+"@"+digest) {
		t.Errorf("it said %q", said.String())
	}
	ref, err := name.ParseReference(target, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := got.Digest(); err != nil || d.String() != digest {
		t.Errorf("pulled %s (%v), pushed %s", d, err, digest)
	}
	manifest, err := got.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, platform := range manifest.Manifests {
		bills, err := remote.Referrers(ref.Context().Digest(platform.Digest.String()))
		if err != nil {
			t.Fatal(err)
		}
		if list, err := bills.IndexManifest(); err != nil || len(list.Manifests) != 1 {
			t.Errorf("%s has %v bills of materials (%v)", platform.Platform, list, err)
		}
	}
}

// TestBillOfMaterials: it lists the modules that are in the program, at their versions, and is the same each time.
func TestBillOfMaterials(t *testing.T) {
	t.Parallel()
	agent := program(t, "amd64", "./cmd/hlo-agent")
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := run(t.Context(), []string{"sbom", "-version", testVersion, "-created", testTime, agent}, out); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("two bills of one program differ")
	}
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(first.Bytes()), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	if main := bom.Metadata.Component; main.Name != "github.com/hlo-agent/hlo-agent" || main.Version != testVersion {
		t.Errorf("it is about %s %s", main.Name, main.Version)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-C", "..", "-m", "-json", "k8s.io/client-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	var module struct{ Version string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range *bom.Components {
		found[c.PackageURL] = true
	}
	if want := "pkg:golang/k8s.io/client-go@" + module.Version; !found[want] || len(found) < 20 {
		t.Errorf("%d components, and %s is there: %v", len(found), want, found[want])
	}
}

// unpackLayers makes the file system of a platform's image in a folder, as an engine does.
func unpackLayers(t *testing.T, file, arch, folder string) {
	t.Helper()
	all, err := open(t, file).IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := open(t, file).ImageIndex(all.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range manifest.Manifests {
		if one.Platform.Architecture != arch {
			continue
		}
		image, err := index.Image(one.Digest)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range layers {
			content, err := layer.Uncompressed()
			if err != nil {
				t.Fatal(err)
			}
			extract(t, content, folder)
		}
	}
}

func extract(t *testing.T, content io.Reader, folder string) {
	t.Helper()
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path, mode := filepath.Join(folder, header.Name), header.FileInfo().Mode().Perm()
		if header.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, mode); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
	}
}
