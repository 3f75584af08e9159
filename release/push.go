package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push sends what write wrote to a registry, with the credentials of `docker login` or `podman login`. Nothing of it
// changes on the way: the digest is the file's.
func push(ctx context.Context, file, target string, plain bool, stdout io.Writer) error {
	folder, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := unpack(file, folder); err != nil {
		return fmt.Errorf("unpack %s: %w", file, err)
	}
	options := []name.Option{name.StrictValidation}
	if plain {
		options = append(options, name.Insecure)
	}
	tag, err := name.NewTag(target, options...)
	if err != nil {
		return err
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	access := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	for _, one := range manifest.Manifests {
		if err := send(index, one, tag, access); err != nil {
			return fmt.Errorf("push %s: %w", one.Digest, err)
		}
		if one.MediaType.IsIndex() {
			fmt.Fprintf(stdout, "%s@%s\n", tag, one.Digest)
		}
	}
	return nil
}

// send sends the image under its tag, and a bill of materials under its digest.
func send(index v1.ImageIndex, one v1.Descriptor, tag name.Tag, access []remote.Option) error {
	if one.MediaType.IsIndex() {
		all, err := index.ImageIndex(one.Digest)
		if err != nil {
			return err
		}
		return remote.WriteIndex(tag, all, access...)
	}
	bill, err := index.Image(one.Digest)
	if err != nil {
		return err
	}
	return remote.Write(tag.Context().Digest(one.Digest.String()), bill, access...)
}
