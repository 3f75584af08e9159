package manual

import (
	"os/exec"
	"syscall"
	"time"
)

// group gives a command a process group of its own, which goes as a whole when its time is over. It is asked to end when we
// are gone, however that came about.
func group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
}
