package kube

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
)

// process is one running program of ours.
type process struct {
	name    string
	cmd     *exec.Cmd
	logPath string
	wanted  atomic.Bool   // false from the moment we end it ourselves
	ended   chan struct{} // closed when it is gone and reaped
}

// startProcess runs the program at path with dir as its working folder and its output in dir/<name>.log. died is
// called from a goroutine of the process when it ends without having been killed by us.
func startProcess(dir, path string, args []string, died func(error)) (*process, error) {
	p := &process{name: filepath.Base(path), ended: make(chan struct{})}
	p.logPath = filepath.Join(dir, p.name+".log")
	output, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", p.name, err)
	}
	defer output.Close() // the child has its own copy
	p.cmd = exec.Command(path, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, output, output
	p.cmd.SysProcAttr = childAttributes()
	p.wanted.Store(true)

	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		defer close(p.ended)
		err := p.cmd.Wait()
		if p.wanted.Load() {
			died(fmt.Errorf("%s ended by itself (%w); its last words:\n%s", p.name, asError(err), p.lastWords()))
		}
	}()
	return p, nil
}

// kill ends the process at once and returns when it is gone. The data is thrown away in any case, so there is
// nothing to wait for; a nil process is gone already.
func (p *process) kill() {
	if p == nil {
		return
	}
	p.wanted.Store(false)
	_ = p.cmd.Process.Kill() // fails only when it has ended
	<-p.ended
}

func (p *process) lastWords() []byte {
	const most = 2000
	text, err := os.ReadFile(p.logPath)
	if err != nil {
		return []byte(err.Error())
	}
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return bytes.TrimSpace(text)
}

// failure says why a process that ended while it was started did so.
func (p *process) failure() error {
	if bytes.Contains(p.lastWords(), []byte("address already in use")) {
		return errPortTaken
	}
	return errors.New("it ended instead")
}

func asError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
