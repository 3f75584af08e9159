package faults_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// patience is how long a test waits for what must come. It is long because the
// machine may be busy; nothing is measured by it.
const patience = 60 * time.Second

// cluster is the API server of this test binary, and second another one, for those
// that need two.
var cluster, second kubetest.Shared

// programs are built once.
var programs built

func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		// The tests wait for other processes most of the time.
		if err := flag.Set("test.parallel", "14"); err != nil {
			panic(err)
		}
	}
	code := cluster.Main(mains(func() int { return second.Main(m) }))
	if programs.folder != "" {
		_ = os.RemoveAll(programs.folder) // a leftover in the temporary folder fails nothing
	}
	os.Exit(code)
}

type mains func() int

func (m mains) Run() int { return m() }

type built struct {
	once           sync.Once
	folder         string
	agent, sandbox string
	err            error
}

// binaries gives the programs as they ship.
func (b *built) binaries(t *testing.T) (agent, sandbox string) {
	t.Helper()
	b.once.Do(func() { b.err = b.build() })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.agent, b.sandbox
}

// build makes the agent with the race detector when the tests have it.
func (b *built) build() (err error) {
	if b.folder, err = os.MkdirTemp("", "hlo-faults-"); err != nil {
		return err
	}
	b.agent, b.sandbox = filepath.Join(b.folder, "hlo-agent"), filepath.Join(b.folder, "hlo-sandbox")
	for program, target := range map[string]string{b.agent: "./cmd/hlo-agent", b.sandbox: "./cmd/hlo-sandbox"} {
		args, cgo := []string{"build", "-o", program}, "CGO_ENABLED=0"
		if raceDetector && program == b.agent {
			args, cgo = append(args, "-race"), "CGO_ENABLED=1"
		}
		cmd := exec.Command("go", append(args, target)...)
		cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", target, err, out)
		}
	}
	return nil
}

// errNever in a condition's error ends the waiting.
var errNever = errors.New("it cannot come any more")

// eventually polls a condition until it is nil.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	if err := poll(t.Context(), patience, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func poll(ctx context.Context, most time.Duration, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil || errors.Is(err, errNever) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", most, err)
		}
	}
}

// always polls a condition for d and fails when it is not nil once.
func always(t *testing.T, d time.Duration, what string, condition func() error) {
	t.Helper()
	end := time.After(d)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := condition(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-tick.C:
		case <-end:
			return
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// pass lets d go by, where only time can show that nothing happens.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	always(t, d, "wait", func() error { return nil })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// differ is nil when got is want.
func differ(what string, got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("%s is %s, want %s", what, shorten(g), shorten(w))
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 600 {
		return s[:600] + "…"
	}
	return strings.TrimSpace(s)
}
