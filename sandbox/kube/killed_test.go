package kube

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// victimVariable tells a test binary to be the process that is killed.
const victimVariable = "HLO_KUBE_TEST_VICTIM"

// victim starts a server, says which processes it consists of, and waits for its end.
func victim() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	server, err := Start(context.Background(), Options{Log: log, WithoutCRDs: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(server.etcd.cmd.Process.Pid, server.apiServer.cmd.Process.Pid, server.dir.path)
	if err := server.Wait(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

func TestKilledOwnerLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), victimVariable+"=yes")
	owner.Stderr = t.Output()
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	defer owner.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var etcd, apiServer int
	var folder string
	if _, err := fmt.Sscan(line, &etcd, &apiServer, &folder); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	for _, pid := range []int{etcd, apiServer} {
		if gone(pid) == nil {
			t.Fatalf("process %d does not run", pid)
		}
	}

	key, err := os.ReadFile(filepath.Join(folder, servingKeyFile))
	if err != nil {
		t.Fatal(err)
	}

	if err := owner.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = owner.Wait() // killed, as wanted
	for _, pid := range []int{etcd, apiServer} {
		eventually(t, "end of a process of a killed owner", func() error { return gone(pid) })
	}

	claimed, err := claimRunDir(t.Context(), filepath.Dir(folder))
	if err != nil {
		t.Fatal(err)
	}
	defer claimed.release()
	now, err := os.ReadFile(filepath.Join(folder, servingKeyFile)) // may be there again, of another server
	if err == nil && bytes.Equal(now, key) {
		t.Error("the key of the killed server was not swept")
	}
}
