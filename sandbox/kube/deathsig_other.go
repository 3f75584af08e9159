//go:build !linux

package kube

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the child. Without Linux a child outlives our SIGKILL.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
