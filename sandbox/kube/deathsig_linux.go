package kube

import "syscall"

// childAttributes has the kernel kill the child when we are gone, however that came about, and keeps the
// terminal's Ctrl-C from the child: what is running is stopped in order, by us.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
