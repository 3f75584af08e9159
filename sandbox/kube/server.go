package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// startTimeout bounds one start of etcd or of the API server: over a second on an idle machine, many times that
// on one that is busy with tests.
const startTimeout = 90 * time.Second

// The port is tested long before the API server takes it, and another user's server may be starting as well.
const portTries = 3

var errPortTaken = errors.New("the port is taken")

// Options say how to start. The zero value of each but Log is good.
type Options struct {
	Log         *slog.Logger
	Assets      string // folder with the programs; see FindAssets
	WithoutCRDs bool   // leave the custom resource definitions out

	root string // folder for the run folders; empty: one of this user in the temporary folder
}

// Server is a running API server with its etcd. Its methods may be called from several goroutines.
type Server struct {
	log       *slog.Logger
	assets    Assets
	dir       *runDir
	authority *authority
	admin     *rest.Config
	etcd      *process
	died      chan error // one place per process that may die

	mu        sync.Mutex
	apiServer *process // nil while it is stopped
	stopped   bool
}

// Start returns when the API server is ready and the custom resources are served. It may build the programs
// first; see FindAssets. ctx bounds the start only: afterwards the server runs until Stop, or until this process
// ends in any way.
func Start(ctx context.Context, o Options) (*Server, error) {
	assets, err := FindAssets(ctx, o.Assets, o.Log)
	if err != nil {
		return nil, err
	}
	if o.root == "" {
		o.root = filepath.Join(os.TempDir(), fmt.Sprintf("hlo-agent-kube-%d", os.Getuid()))
	}
	for try := 1; ; try++ {
		s, err := startOnce(ctx, assets, o)
		if !errors.Is(err, errPortTaken) || try == portTries {
			return s, err
		}
		o.Log.Info("somebody else took the port, trying another", "err", err)
	}
}

func startOnce(ctx context.Context, assets Assets, o Options) (*Server, error) {
	dir, err := claimRunDir(ctx, o.root)
	if err != nil {
		return nil, err
	}
	s := &Server{log: o.Log, assets: assets, dir: dir, died: make(chan error, 2)}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o Options) (err error) {
	began := time.Now()
	if s.authority, err = newAuthority(); err != nil {
		return err
	}
	if err := s.authority.writeServing(s.dir.path); err != nil {
		return err
	}
	if s.admin, err = s.User("admin", "system:masters"); err != nil {
		return err
	}
	if err := s.startEtcd(ctx); err != nil {
		return err
	}
	if err := s.StartAPIServer(ctx); err != nil {
		return err
	}
	if !o.WithoutCRDs {
		install := func(ctx context.Context) error { return InstallCRDs(ctx, s.REST()) }
		if err := s.ready(ctx, s.apiServer, install); err != nil {
			return err
		}
	}
	s.log.Info("API server ready", "url", s.admin.Host, "duration", time.Since(began).Round(time.Millisecond))
	return nil
}

func (s *Server) startEtcd(ctx context.Context) error {
	etcd, err := startProcess(s.dir.path, s.assets.Etcd, etcdArgs(), s.processDied)
	if err != nil {
		return err
	}
	s.etcd = etcd
	return s.ready(ctx, etcd, func(ctx context.Context) error { return etcdReady(ctx, s.dir.path) })
}

// StartAPIServer starts the API server again after StopAPIServer, with the same address, certificates and data,
// and returns when it is ready or ctx ends. It does nothing when the API server runs.
func (s *Server) StartAPIServer(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("start API server: the server was stopped for good")
	}
	if s.apiServer != nil {
		return nil
	}
	p, err := startProcess(s.dir.path, s.assets.APIServer, apiServerArgs(s.dir.port), s.processDied)
	if err != nil {
		return err
	}
	err = s.ready(ctx, p, func(ctx context.Context) error { return apiServerReady(ctx, s.admin) })
	if err != nil {
		p.kill()
		return err
	}
	s.apiServer = p
	return nil
}

// StopAPIServer ends the API server alone, at once, as a crash would: requests under way are cut. etcd keeps
// the data and nobody listens on the port.
func (s *Server) StopAPIServer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiServer.kill()
	s.apiServer = nil
}

// StopEtcd ends etcd alone, at once, as a crash would. The API server stays and
// cannot answer.
func (s *Server) StopEtcd() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.etcd.kill()
}

// StartEtcd starts etcd again after StopEtcd, with the same data, and returns when
// the API server has it back, or ctx ends.
func (s *Server) StartEtcd(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("start etcd: the server was stopped for good")
	}
	if err := s.startEtcd(ctx); err != nil || s.apiServer == nil {
		return err
	}
	return s.ready(ctx, s.apiServer, func(ctx context.Context) error { return apiServerReady(ctx, s.admin) })
}

// ready waits for a program that was just started; one that ends instead is an error at once.
func (s *Server) ready(ctx context.Context, p *process, wait func(context.Context) error) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, timeout := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %s", startTimeout))
	defer timeout()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watching.Go(func() {
		select {
		case <-p.ended:
			cancel(p.failure())
		case <-ctx.Done():
		}
	})
	if err := wait(ctx); err != nil {
		return fmt.Errorf("start %s: %w; its last words:\n%s", p.name, err, p.lastWords())
	}
	return nil
}

// processDied hears of a process that ended although nobody wanted it to.
func (s *Server) processDied(err error) {
	select {
	case s.died <- err:
	default: // Wait has enough to say
	}
}

// Wait blocks until ctx ends, which is nil, or until etcd or the API server ends by itself, which is an error
// with what it said last.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.died:
		return err
	}
}

// Stop ends both programs and removes their data. It returns when they are gone; a second call does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	s.apiServer.kill()
	s.apiServer = nil
	s.etcd.kill()
	return s.dir.release()
}
