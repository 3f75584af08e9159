package kube

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// sayEvery is how often a build that goes on says so.
const sayEvery = 30 * time.Second

// recipe is a set of programs and the module that pins every version they are built from.
type recipe struct {
	name     string
	mod, sum []byte
	programs []program
}

type program struct {
	name, pkg string
	flags     []string
}

// folder is the recipe's place below cache; another recipe or machine type never meets it.
func (r recipe) folder(cache string) string {
	hash := sha256.New()
	for _, part := range [][]byte{r.mod, r.sum, []byte(runtime.GOOS + "/" + runtime.GOARCH)} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	for _, p := range r.programs {
		fmt.Fprintf(hash, "%q", append([]string{p.name, p.pkg}, p.flags...))
	}
	return filepath.Join(cache, r.name+"-"+hex.EncodeToString(hash.Sum(nil))[:12])
}

// ensure gives the folder with the built programs. Processes that ask at the same time wait for the one that
// builds. The folder appears by a rename, so it is there whole or not at all.
func (r recipe) ensure(ctx context.Context, cache string, log *slog.Logger) (string, error) {
	folder := r.folder(cache)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	held, err := lock(ctx, folder+".lock", func() {
		log.Info("waiting for another process that builds the API server", "folder", folder)
	})
	if err != nil {
		return "", err
	}
	defer held.unlock()
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	partial := folder + ".partial"
	if err := os.RemoveAll(partial); err != nil { // of a build that was killed
		return "", fmt.Errorf("remove an unfinished build: %w", err)
	}
	defer os.RemoveAll(partial)
	if err := r.build(ctx, partial, log); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(partial, "bin"), folder); err != nil {
		return "", fmt.Errorf("move the built programs into place: %w", err)
	}
	return folder, nil
}

// build makes the programs in dir/bin, with the module in dir/module.
func (r recipe) build(ctx context.Context, dir string, log *slog.Logger) error {
	module, bin := filepath.Join(dir, "module"), filepath.Join(dir, "bin")
	for _, path := range []string{module, bin} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("make build folder: %w", err)
		}
	}
	for name, data := range map[string][]byte{"go.mod": r.mod, "go.sum": r.sum} {
		if err := os.WriteFile(filepath.Join(module, name), data, 0o600); err != nil {
			return fmt.Errorf("write module: %w", err)
		}
	}
	began := time.Now()
	for i, p := range r.programs {
		log.Info("building once from source, which takes minutes", "program", p.name,
			"step", fmt.Sprintf("%d of %d", i+1, len(r.programs)), "folder", r.folder(filepath.Dir(dir)))
		if err := p.build(ctx, module, filepath.Join(bin, p.name), log); err != nil {
			return err
		}
	}
	log.Info("built", "duration", time.Since(began).Round(time.Second))
	return nil
}

func (p program) build(ctx context.Context, module, output string, log *slog.Logger) error {
	args := append([]string{"build", "-trimpath"}, p.flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", output, p.pkg)...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GO111MODULE=on")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // lets go end its compilers
	cmd.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", p.name, err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	say := time.NewTicker(sayEvery)
	defer say.Stop()
	began := time.Now()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("build %s: %w\n%s", p.name, err, bytes.TrimSpace(said.Bytes()))
			}
			return nil
		case <-say.C:
			log.Info("still building", "program", p.name, "duration", time.Since(began).Round(time.Second))
		}
	}
}
