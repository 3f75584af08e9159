package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is who the image says that its program runs as.
const nobody = 65532

// inRoot prepares a program of a folder that is its whole world, as nobody. Who is not root gets a user namespace.
func inRoot(root string, args ...string) *exec.Cmd {
	cmd := exec.Command("/hlo-agent", args...)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// TestRunsInAFreshRoot unpacks the image into an empty folder and runs it there as nobody: its version, and the agent
// itself against a broker, until it is ready and is told to stop.
func TestRunsInAFreshRoot(t *testing.T) {
	t.Parallel()
	agent := program(t, runtime.GOARCH, "-ldflags", "-X github.com/hlo-agent/hlo-agent/agent.version="+testVersion, "./cmd/hlo-agent")
	file, _ := makeImage(t, runtime.GOARCH+"="+agent)
	root, err := os.MkdirTemp("", "root-") // t.TempDir's own folders are closed to nobody
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) }) // a leftover in the temporary folder fails nothing
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	unpackLayers(t, file, runtime.GOARCH, root)

	out, err := inRoot(root, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "hlo-agent "+testVersion+" ") {
		t.Fatalf("hlo-agent version: %v\n%s", err, out)
	}
	broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("[]")) // the agent went away
	}))
	defer broker.Close()
	if err := os.WriteFile(filepath.Join(root, "kubeconfig"), []byte(kubeconfig), 0o644); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	ops := address(t)
	cmd := inRoot(root, "run")
	cmd.Env = []string{"CB_URL=" + broker.URL, "DRY_RUN=true", "DOMAIN_ID=Mill01", "KUBECONFIG=/kubeconfig", "LISTEN_ADDR=" + address(t), "OPS_ADDR=" + ops}
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := ready(ops); err != nil {
		_ = cmd.Process.Kill() // it is of no use any more
		_ = cmd.Wait()
		t.Fatalf("%v\n%s", err, said.String())
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 && !strings.Contains(string(status), fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d", nobody)) {
		t.Errorf("it runs as somebody else:\n%s", status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after the stop: %v\n%s", err, said.String())
	}
}

// kubeconfig leads to a cluster that is away.
const kubeconfig = `apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c}}]
`

func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ready(ops string) error {
	end := time.Now().Add(60 * time.Second)
	for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C {
		resp, err := http.Get("http://" + ops + "/readyz")
		if err == nil {
			_ = resp.Body.Close() // only the code matters
			if resp.StatusCode == http.StatusOK {
				tick.Stop()
				return nil
			}
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		if time.Now().After(end) {
			tick.Stop()
			return err
		}
	}
}
