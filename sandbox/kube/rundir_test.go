package kube

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClaimRunDir(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "run")
	first, err := claimRunDir(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	second, err := claimRunDir(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if first.port == second.port {
		t.Errorf("port %d given twice", first.port)
	}
	if _, err := os.Stat(filepath.Join(first.path, "lock")); err != nil {
		t.Errorf("a folder in use was swept: %v", err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.path); !os.IsNotExist(err) {
		t.Errorf("released folder: %v, want it gone", err)
	}
	if err := second.release(); err != nil {
		t.Fatal(err)
	}
}

func TestClaimRunDirAvoidsATakenPort(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "run")
	free, err := claimRunDir(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", loopback(free.port))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := free.release(); err != nil {
		t.Fatal(err)
	}
	other, err := claimRunDir(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if other.port == free.port {
		t.Errorf("port %d is taken, and given", other.port)
	}
	if err := other.release(); err != nil {
		t.Fatal(err)
	}
}

// As of a server that is stopped for a while: nobody listens, and the port is its own nevertheless.
func TestClaimRunDirAvoidsAPortOfAnotherFolder(t *testing.T) {
	t.Parallel()
	first, err := claimRunDir(t.Context(), filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := claimRunDir(t.Context(), filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	if first.port == second.port {
		t.Errorf("port %d is claimed, and given", first.port)
	}
	for _, claimed := range []*runDir{first, second} {
		if err := claimed.release(); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.claim.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("close the claim of a released folder once more: %v, want that it is closed", err)
	}
}

func TestClaimRunDirSweepsWhatNobodyHolds(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "run")
	for _, name := range []string{"26443", "26999"} { // one with, one without a lock file
		if err := os.MkdirAll(filepath.Join(root, name, "etcd"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "26443", "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o700); err != nil {
		t.Fatal(err)
	}
	claimed, err := claimRunDir(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(root, "*", "etcd"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := claimed.release(); err != nil {
		t.Fatal(err)
	}
}

func TestClaimRunDirRefusesAFolderOfOthers(t *testing.T) {
	t.Parallel()
	cases := map[string]func(path string) error{
		"readable by others": func(path string) error { return os.Mkdir(path, 0o755) },
		"a file":             func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a link":             func(path string) error { return os.Symlink(filepath.Dir(path), path) },
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := filepath.Join(t.TempDir(), "run")
			if err := prepare(root); err != nil {
				t.Fatal(err)
			}
			_, err := claimRunDir(t.Context(), root)
			if err == nil || !strings.Contains(err.Error(), "is not a folder of this user alone") {
				t.Errorf("got %v", err)
			}
		})
	}
}
