package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// small is a recipe that needs nothing but the go command and builds within seconds.
func small() recipe {
	return recipe{
		name:     "small",
		mod:      []byte("module small\n\ngo 1.26.0\n"),
		programs: []program{{name: "printer", pkg: "cmd/gofmt", flags: []string{"-ldflags", "-s -w"}}},
	}
}

// lines counts the log lines with a text, for several goroutines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func TestEnsureBuildsOnce(t *testing.T) {
	t.Parallel()
	cache, said := t.TempDir(), &lines{}
	log := slog.New(slog.NewTextHandler(said, nil))
	held, err := tryLock(small().folder(cache) + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			folder, err := small().ensure(t.Context(), cache, log)
			if err != nil {
				t.Error(err)
				return
			}
			if err := exec.Command(filepath.Join(folder, "printer"), "-l").Run(); err != nil {
				t.Errorf("run what was built: %v", err)
			}
		})
	}
	eventually(t, "all ask at the same time", func() error {
		if n := said.count("waiting for another"); n != 4 {
			return fmt.Errorf("%d wait", n)
		}
		return nil
	})
	held.unlock()
	all.Wait()
	if n := said.count("building once"); n != 1 {
		t.Errorf("built %d times, want once:\n%s", n, said.text.String())
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*.partial")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestEnsureReplacesAKilledBuild(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	partial := small().folder(cache) + ".partial"
	if err := os.MkdirAll(filepath.Join(partial, "bin", "stale"), 0o700); err != nil {
		t.Fatal(err)
	}
	folder, err := small().ensure(t.Context(), cache, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "stale")); !os.IsNotExist(err) {
		t.Errorf("stale file: %v, want it gone", err)
	}
}

func TestEnsureFails(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	cases := map[string]struct {
		ctx    context.Context
		change func(*recipe)
		want   string
	}{
		"no such package": {t.Context(), func(r *recipe) { r.programs[0].pkg = "cmd/nonesuch" }, "package cmd/nonesuch is not in std"},
		"unpinned module": {t.Context(), func(r *recipe) { r.programs[0].pkg = "example.org/a/b" }, "no required module provides package"},
		"broken module":   {t.Context(), func(r *recipe) { r.mod = []byte("modulo") }, "errors parsing go.mod"},
		"interrupted":     {cancelled, func(*recipe) {}, "context canceled"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache, r := t.TempDir(), small()
			c.change(&r)
			_, err := r.ensure(c.ctx, cache, testLog(t))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if _, err := os.Stat(r.folder(cache)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("folder of a failed build: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(cache, "*.partial")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestFolderFollowsTheRecipe(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*recipe){
		"name":    func(r *recipe) { r.name = "other" },
		"module":  func(r *recipe) { r.mod = append(r.mod, '\n') },
		"sum":     func(r *recipe) { r.sum = []byte("\n") },
		"package": func(r *recipe) { r.programs[0].pkg = "cmd/go" },
		"flags":   func(r *recipe) { r.programs[0].flags = nil },
	}
	base := small()
	for name, change := range changes {
		r := small()
		change(&r)
		if r.folder("c") == base.folder("c") {
			t.Errorf("another %s, the same folder %s", name, r.folder("c"))
		}
	}
	again := small()
	if again.folder("c") != base.folder("c") {
		t.Errorf("the same recipe, another folder: %s, %s", again.folder("c"), base.folder("c"))
	}
}
