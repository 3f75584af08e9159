package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// agentProcess is a running hlo-agent, the program that ships.
type agentProcess struct {
	cmd    *exec.Cmd
	url    string // of /notify
	ops    string // base of /metrics and /readyz
	exited chan error
}

// agentBinary is the hlo-agent beside this program or, failing that, in PATH.
func agentBinary() (string, error) {
	self, err := os.Executable()
	if err == nil {
		beside := filepath.Join(filepath.Dir(self), "hlo-agent")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("hlo-agent")
	if err != nil {
		return "", errors.New("hlo-agent is neither beside this program nor in PATH: run make build")
	}
	return path, nil
}

// startAgent starts the program with the given settings; its addresses on
// loopback are chosen here unless settings name them. It ends with us, however we end.
func startAgent(binary string, settings map[string]string, log io.Writer) (*agentProcess, error) {
	env := map[string]string{"PATH": os.Getenv("PATH"), "HOME": os.Getenv("HOME")}
	for _, name := range []string{"LISTEN_ADDR", "OPS_ADDR"} {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		env[name] = address
	}
	for name, value := range settings {
		env[name] = value
	}
	a := &agentProcess{
		url: "http://" + env["LISTEN_ADDR"] + "/notify", ops: "http://" + env["OPS_ADDR"],
		cmd: exec.Command(binary, "run"), exited: make(chan error, 1),
	}
	if env["NOTIFICATION_URL"] == "" {
		env["NOTIFICATION_URL"] = a.url
	}
	for name, value := range env {
		a.cmd.Env = append(a.cmd.Env, name+"="+value)
	}
	slices.Sort(a.cmd.Env)
	a.cmd.Stdout, a.cmd.Stderr = log, log
	a.cmd.SysProcAttr = childAttributes()
	if err := a.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	go func() { a.exited <- a.cmd.Wait() }()
	return a, nil
}

// waitReady waits until the agent listens.
func (a *agentProcess) waitReady(ctx context.Context) error {
	return poll(ctx, 30*time.Second, func() error {
		select {
		case err := <-a.exited:
			a.exited <- err
			return errors.Join(errStop, fmt.Errorf("the agent ended: %w", err))
		default:
		}
		resp, err := http.Get(a.ops + "/readyz")
		if err != nil {
			return err
		}
		_ = resp.Body.Close() // only the code matters
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz answers %s", resp.Status)
		}
		return nil
	})
}

// stop asks the agent to end, and kills it when it does not within 25 s.
func (a *agentProcess) stop() error {
	_ = a.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	select {
	case err := <-a.exited:
		a.exited <- err
		return err
	case <-time.After(25 * time.Second):
		a.kill()
		return errors.New("the agent did not end within 25 s of SIGTERM")
	}
}

// kill ends the agent at once, as a crash would, and waits until it is gone.
func (a *agentProcess) kill() {
	_ = a.cmd.Process.Kill() // fails only when it has ended
	a.exited <- <-a.exited
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// errStop in a condition's error ends poll at once.
var errStop = errors.New("no use in waiting")

// poll calls the condition until it is nil, at most for the given time.
func poll(ctx context.Context, most time.Duration, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil || errors.Is(err, errStop) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", most, err)
		}
	}
}
