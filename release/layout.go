package main

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// The annotations by which programs that load the file call the image.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// write puts the image and its bills of materials into a tar file with an OCI layout, and gives the image's digest.
func (b *build) write(target string) (v1.Hash, error) {
	folder, err := os.MkdirTemp("", "release-")
	if err != nil {
		return v1.Hash{}, err
	}
	defer os.RemoveAll(folder)
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	index := b.index()
	err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: b.version, containerdName: b.name + ":" + b.version}))
	if err != nil {
		return v1.Hash{}, err
	}
	for _, bill := range b.sboms {
		if err := path.AppendImage(bill); err != nil {
			return v1.Hash{}, err
		}
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	return digest, b.pack(folder, target)
}

// pack writes a folder into a tar file, in the order of the names.
func (b *build) pack(folder, target string) (err error) {
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	err = fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		return b.writeFile(w, file{name, data, 0o644})
	})
	return errors.Join(err, w.Close())
}

// unpack is pack the other way round.
func unpack(file, folder string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	for r := tar.NewReader(in); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Localize(header.Name)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			return err
		}
	}
}
