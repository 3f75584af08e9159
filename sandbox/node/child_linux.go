package node

import "syscall"

// childAttributes has the kernel end the child when we are gone, however that
// came about, and keeps the terminal's Ctrl-C from it: we stop it in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
