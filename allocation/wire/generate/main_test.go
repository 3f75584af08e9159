package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGeneratedCodeIsWhatTheProtoFilesGive(t *testing.T) {
	t.Parallel()
	files, err := generate(t.Context(), "..")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Errorf("%d files generated, want 2", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what its .proto file gives: run go generate ./allocation/wire (-want +got):\n%s", name, diff)
		}
	}
}
