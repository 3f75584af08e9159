package faults_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// process is a running program of ours. It is killed when the test ends, and
// when this program does.
type process struct {
	cmd  *exec.Cmd
	said record
	done chan struct{} // closed when it has ended; err is set then
	err  error
}

// record is what a program printed.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// launch starts a program with nothing but env in its environment.
func launch(t *testing.T, env map[string]string, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.SysProcAttr = childAttributes()
	must(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if text := p.said.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic:") || strings.Contains(text, "fatal error:") {
			t.Errorf("%s %v:\n%s", program, args, text)
		} else if t.Failed() {
			t.Logf("%s %v printed:\n%s", program, args, text[max(0, len(text)-6000):])
		}
	})
	return p
}

// kill ends the process as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only when it has ended
	<-p.done
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // the same

// ended waits for the process and gives its exit code.
func (p *process) ended(within time.Duration) (int, error) {
	select {
	case <-p.done:
	case <-time.After(within):
		return -1, fmt.Errorf("it still runs after %v", within)
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		return -1, p.err
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// addresses counts the loopback addresses given out, so that tests which run at
// the same time never meet at one port.
var addresses atomic.Int32

// freeAddress is an address on loopback that nobody else in this program uses. Its
// port is below those that the kernel gives to others, so that it stays free until
// it is used, and while who listens there is stopped. It is only knocked at: what
// had listened there could live on in a process that is just being forked.
func freeAddress(t *testing.T) string {
	t.Helper()
	n := addresses.Add(1)
	for port := 10000 + os.Getpid()%10000; port < 30000; port++ {
		address := fmt.Sprintf("127.77.%d.%d:%d", n/250, 1+n%250, port)
		conn, err := net.Dial("tcp", address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return address
		}
		if err == nil {
			must(t, conn.Close())
		}
	}
	t.Fatal("no free port on loopback")
	return ""
}
