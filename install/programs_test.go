package install_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// server is the API server that only dry runs use.
var server kubetest.Shared

func TestMain(m *testing.M) {
	code := server.Main(m)
	if programs.folder != "" {
		_ = os.RemoveAll(programs.folder) // a leftover in the temporary folder fails nothing
	}
	os.Exit(code)
}

const chart = "../deploy/hlo-agent"

// programs are built once.
var programs struct {
	once                sync.Once
	folder, agent, helm string
	err                 error
}

func build() (err error) {
	p := &programs
	if p.folder, err = os.MkdirTemp("", "hlo-install-"); err != nil {
		return err
	}
	p.agent, p.helm = filepath.Join(p.folder, "hlo-agent"), filepath.Join(p.folder, "helm")
	for _, args := range [][]string{
		{"build", "-o", p.agent, "./cmd/hlo-agent"},
		{"build", "-modfile=install/helm.mod", "-o", p.helm, "helm.sh/helm/v4/cmd/helm"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

func built(t *testing.T) {
	t.Helper()
	programs.once.Do(func() { programs.err = build() })
	if programs.err != nil {
		t.Fatal(programs.err)
	}
}

// helm runs Helm with a text as its input and nothing of this user's own settings.
func helm(t *testing.T, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	built(t)
	home := programs.folder
	cmd := exec.CommandContext(t.Context(), programs.helm, args...)
	cmd.Env = []string{"HOME=" + home, "HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home}
	var said strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out), err
}

// agentSays runs hlo-agent with the given settings and gives what it prints.
func agentSays(t *testing.T, settings []string, args ...string) string {
	t.Helper()
	built(t)
	cmd := exec.CommandContext(t.Context(), programs.agent, args...)
	cmd.Env = settings
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("hlo-agent %v: %v", args, err)
	}
	return string(out)
}
