//go:build !linux

package node

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the child.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
