//go:build !linux

package sandbox

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the child.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
