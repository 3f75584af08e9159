package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	cycloneDX = "application/vnd.cyclonedx+json"
	source    = "https://github.com/hlo-agent/hlo-agent"
)

// build is an image that grows by one platform at a time.
type build struct {
	name, version string
	created       time.Time
	platforms     []mutate.IndexAddendum
	sboms         []v1.Image // each about one of the platforms' images
}

// machines are the architectures that an image can be for, with what a program for them says of itself.
func machines() map[string]elf.Machine {
	return map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
}

// add puts a platform in: the roots that sign the world's certificates, and the program. As the Dockerfile has it.
func (b *build) add(arch, program string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := fits(arch, program); err != nil {
		return err
	}
	roots, err := b.layer(file{"etc/ssl/certs/ca-certificates.crt", rootsPEM(), 0o644})
	if err != nil {
		return err
	}
	agent, err := b.layer(file{"hlo-agent", data, 0o755})
	if err != nil {
		return err
	}
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		mutate.Addendum{Layer: roots, History: b.history("the certificates that Mozilla trusts")},
		mutate.Addendum{Layer: agent, History: b.history("hlo-agent " + b.version)})
	if err != nil {
		return err
	}
	if image, err = b.configure(image, arch); err != nil {
		return err
	}
	b.platforms = append(b.platforms, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	return b.describe(image, program)
}

// fits refuses a program that would not run: for another machine, or one that needs libraries.
func fits(arch, program string) error {
	f, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	if want, known := machines()[arch]; !known || f.Machine != want {
		return fmt.Errorf("%s is for %s", program, f.Machine)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("%s is not static", program)
	}
	return nil
}

func (b *build) history(what string) v1.History {
	return v1.History{Created: v1.Time{Time: b.created}, CreatedBy: what}
}

func (b *build) configure(image v1.Image, arch string) (v1.Image, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: b.created}
	config.Config = v1.Config{
		User: "65532:65532", Entrypoint: []string{"/hlo-agent"}, Cmd: []string{"run"},
		ExposedPorts: map[string]struct{}{"8082/tcp": {}, "9102/tcp": {}},
		Labels:       b.labels(),
	}
	return mutate.ConfigFile(image, config)
}

func (b *build) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title": "hlo-agent", "org.opencontainers.image.version": b.version,
		"org.opencontainers.image.source": source, "org.opencontainers.image.created": b.created.Format(time.RFC3339),
	}
}

// describe makes the bill of materials of a platform's image, which refers to it.
func (b *build) describe(image v1.Image, program string) error {
	text, err := b.sbom(program)
	if err != nil {
		return err
	}
	about, err := partial.Descriptor(image)
	if err != nil {
		return err
	}
	bill, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), cycloneDX),
		mutate.Addendum{Layer: static.NewLayer(text, cycloneDX)})
	if err != nil {
		return err
	}
	subject, ok := mutate.Subject(bill, v1.Descriptor{MediaType: about.MediaType, Digest: about.Digest, Size: about.Size}).(v1.Image)
	if !ok {
		return errors.New("a bill of materials that is no image")
	}
	b.sboms = append(b.sboms, subject)
	return nil
}

// index is the image for all platforms.
func (b *build) index() v1.ImageIndex {
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), b.platforms...)
	return mutate.Annotations(index, b.labels()).(v1.ImageIndex)
}
