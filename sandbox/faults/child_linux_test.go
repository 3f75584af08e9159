package faults_test

import "syscall"

// childAttributes has the kernel end the child when this program is gone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
