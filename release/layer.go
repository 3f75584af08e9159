package main

import (
	"archive/tar"
	"bytes"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// file is one of a layer's; the folders above it come with it.
type file struct {
	name string
	data []byte
	mode int64
}

// layer is made of files that belong to root and bear the time of the build.
func (b *build) layer(files ...file) (v1.Layer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	made := []string{"."}
	for _, f := range files {
		for _, folder := range above(f.name) {
			if slices.Contains(made, folder) {
				continue
			}
			made = append(made, folder)
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: b.created, Format: tar.FormatPAX}); err != nil {
				return nil, err
			}
		}
		if err := b.writeFile(w, f); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

func (b *build) writeFile(w *tar.Writer, f file) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: b.created, Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(f.data)
	return err
}

// above are the folders over a file, the outermost first.
func above(name string) []string {
	var folders []string
	for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
		folders = append(folders, strings.TrimSuffix(folder, "/"))
	}
	slices.Reverse(folders)
	return folders
}
