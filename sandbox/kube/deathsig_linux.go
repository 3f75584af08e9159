package kube

import "syscall"

// childAttributes has the kernel kill the child when we are gone, however that came about, and keeps the
// terminal's Ctrl-C from the child: what is running is stopped in order, by us. To the kernel "we" are the
// thread that started the child. Go ends a thread only with a goroutine that is locked to it, so nothing in a
// program that starts children like this may end such a goroutine.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
