package faults_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is one that nobody sits at, and the program that it is the terminal of.
type terminal struct {
	*process
	keys *os.File
}

// openTerminal gives both ends of a new terminal of 24 lines and 60 columns.
func openTerminal(t *testing.T) (keys, screen *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { _ = keys.Close() }) // what was shown was read
	fd := int(keys.Fd())
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	must(t, err)
	must(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}))
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	return keys, screen
}

// atTerminal starts a command for people as somebody does who sits at a terminal.
func (r *rig) atTerminal(env []string, args ...string) terminal {
	r.t.Helper()
	binary, _ := programs.binaries(r.t)
	keys, screen := openTerminal(r.t)
	p := terminal{&process{cmd: exec.Command(binary, args...), done: make(chan struct{})}, keys}
	for name, value := range r.env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = screen, screen, screen
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	must(r.t, p.cmd.Start())
	must(r.t, screen.Close())
	go func() {
		_, _ = io.Copy(&p.said, keys) // it ends with an error when nobody holds the other end any more
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	r.t.Cleanup(p.kill)
	return p
}

// shows waits until something is on the terminal.
func (p terminal) shows(t *testing.T, text string) {
	t.Helper()
	eventually(t, "on the terminal", func() error {
		if said := p.said.String(); !strings.Contains(said, text) {
			return fmt.Errorf("no %q in\n%s", text, said)
		}
		return nil
	})
}

// A terminal shows colours unless somebody does not want them, a pipe never; and
// --watch goes on through an outage of the broker until Ctrl-C.
func TestStatusAtTerminal(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	const green = "\x1b[32mRunning\x1b[0m"
	for want, env := range map[string][]string{"\x1b": {"TERM=xterm"}, "NO_COLOR": {"TERM=xterm", "NO_COLOR=1"}, "dumb": {"TERM=dumb"}} {
		p := r.atTerminal(env, "status")
		code, err := p.ended(patience)
		must(t, err)
		if said := p.said.String(); code != 0 || strings.Contains(said, "\x1b") != (want == "\x1b") || want == "\x1b" && !strings.Contains(said, green) {
			t.Errorf("%v: exit %d: %q", env, code, said)
		}
	}
	r.env["TERM"] = "xterm"
	if said, code := r.people("status"); code != 0 || strings.Contains(said, "\x1b") || !strings.Contains(said, "Running") {
		t.Errorf("in a pipe: exit %d: %q", code, said)
	}

	p := r.atTerminal(nil, "status", "-o", "wide", "--watch")
	p.shows(t, green)
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	p.shows(t, "Removed")
	r.process.kill()
	p.shows(t, "nothing new is seen until it answers")
	_, err := p.keys.Write([]byte{3}) // Ctrl-C
	must(t, err)
	code, err := p.ended(patience)
	must(t, err)
	if code != 0 {
		t.Errorf("Ctrl-C: exit %d: %s", code, p.said.String())
	}
}
