package manual

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hlo-agent/hlo-agent/sandbox/broker"
)

// Options are what a Stage is made of.
type Options struct {
	Root       string // the project's folder; it is copied
	Kubeconfig []byte // of the cluster that commands meet, its administrator's
	Kubectl    string // path of the program
	Helm       string // path of the program; empty: pages that need it cannot be played
}

// Stage is where pages are played: a copy of the checkout with the built programs, a home of its own, a broker, and a
// running agent. Not for concurrent use.
type Stage struct {
	Dir string // the copy

	folder, home, path, goEnv string
	broker                    *broker.Broker
	stopBroker                context.CancelFunc
	brokerEnded               chan error
	agent                     *exec.Cmd
	agentLog                  *os.File
	words                     []string // what is on the pages, and what takes its place here, in turns
}

// NewStage makes a stage in a folder of its own, which Close removes. The programs are built with the caches of the user.
func NewStage(ctx context.Context, o Options) (s *Stage, err error) {
	s = &Stage{}
	if s.folder, err = os.MkdirTemp("", "hlo-manual-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	s.Dir, s.home = filepath.Join(s.folder, "hlo-agent"), filepath.Join(s.folder, "home")
	s.path = filepath.Join(s.folder, "programs") + ":" + filepath.Join(s.Dir, "bin") + ":" + os.Getenv("PATH")
	for _, folder := range []string{s.Dir, filepath.Join(s.home, ".kube"), filepath.Join(s.folder, "programs")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(s.home, ".kube/config"), o.Kubeconfig, 0o600); err != nil {
		return nil, err
	}
	for name, program := range map[string]string{"kubectl": o.Kubectl, "helm": o.Helm} {
		if program == "" {
			continue
		}
		if err := os.Symlink(program, filepath.Join(s.folder, "programs", name)); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GONOSUMDB", "GOSUMDB"} {
		value, err := exec.CommandContext(ctx, "go", "env", name).Output()
		if err != nil {
			return nil, fmt.Errorf("go env %s: %w", name, err)
		}
		s.goEnv += name + "=" + strings.TrimSpace(string(value)) + "\n"
	}
	err = s.sh(ctx, o.Root, `git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do [ -e "$f" ] && printf '%s\0' "$f"; done |
		tar --null -T - -cf - | tar -xf - -C "$0"
		cd "$0" && git init -q && git add -A && git -c user.name=reader -c user.email=reader@example.org commit -qm "As it is"
		make binaries`, s.Dir)
	if err != nil {
		return nil, fmt.Errorf("copy and build the project: %w", err)
	}
	return s, s.start(ctx)
}

// sh runs a script in a folder, with an argument.
func (s *Stage) sh(ctx context.Context, dir, script, argument string) error {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script, argument)
	cmd.Dir, cmd.Env = dir, s.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func (s *Stage) environment() []string {
	env := append(strings.Fields(s.goEnv), "PATH="+s.path, "HOME="+s.home, "USER=reader", "LANG=C.UTF-8", "TERM=dumb", "GOWORK=off", "CGO_ENABLED=0", "TMPDIR="+s.folder,
		s.here("CB_URL=http://orion-ld:1026"), "DOMAIN_ID=Mill01", "KUBECONFIG="+filepath.Join(s.home, ".kube/config")) // as an operator has them who asks the agent's commands
	for _, name := range []string{"XDG_CACHE_HOME", "KUBEBUILDER_ASSETS"} { // where the API server was built
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	if cache, err := os.UserCacheDir(); err == nil && os.Getenv("XDG_CACHE_HOME") == "" {
		env = append(env, "XDG_CACHE_HOME="+cache)
	}
	return env
}

// start starts the broker and an agent, and notes by which addresses the pages know them.
func (s *Stage) start(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.broker, s.stopBroker, s.brokerEnded = broker.New(broker.Options{Log: slog.New(slog.DiscardHandler)}), cancel, make(chan error, 1)
	go func() { s.brokerEnded <- s.broker.Serve(running, l) }()

	addresses := map[string]string{}
	for _, name := range []string{"this-host:8082", "localhost:9102", "127.0.0.1:1026", "127.0.0.1:8082", "127.0.0.1:9102"} {
		if addresses[name], err = freeAddress(); err != nil {
			return err
		}
		s.words = append(s.words, name, addresses[name])
	}
	s.words = append(s.words, "orion-ld:1026", l.Addr().String())
	if s.agentLog, err = os.Create(filepath.Join(s.folder, "agent.log")); err != nil {
		return err
	}
	s.agent = exec.CommandContext(running, filepath.Join(s.Dir, "bin/hlo-agent"), "run")
	s.agent.Env = append(s.environment(), "NOTIFICATION_URL=http://"+addresses["this-host:8082"]+"/notify", "LOG_FORMAT=json", "LISTEN_ADDR="+addresses["this-host:8082"], "OPS_ADDR="+addresses["localhost:9102"])
	s.agent.Stdout, s.agent.Stderr = s.agentLog, s.agentLog
	group(s.agent)
	if err := s.agent.Start(); err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	err = s.sh(ctx, s.Dir, `curl -sf --json @sandbox/manual/testdata/mill.json "$0/ngsi-ld/v1/entityOperations/create"`, l.Addr().String())
	if err != nil {
		return fmt.Errorf("fill the broker: %w", err)
	}
	return s.sh(ctx, s.Dir, `for i in $(seq 300); do curl -sf "$0/readyz" >/dev/null && exit; sleep 0.1; done; exit 1`, addresses["localhost:9102"])
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Close stops what the stage started and removes its folder.
func (s *Stage) Close() {
	if s.stopBroker != nil {
		s.stopBroker() // the agent goes with it
		<-s.brokerEnded
		s.broker.Close()
	}
	if s.agent != nil {
		_ = s.agent.Wait() // it was killed
	}
	if s.agentLog != nil {
		_ = s.agentLog.Close() // nobody reads it any more
	}
	_ = os.RemoveAll(s.folder) // a leftover in the temporary folder does no harm
}

// here is a text of a page with what takes the place of its addresses here; back is what was printed here as the page would say it.
func (s *Stage) here(text string) string { return strings.NewReplacer(s.words...).Replace(text) }

func (s *Stage) back(text string) string {
	var turned []string
	for i := 0; i < len(s.words); i += 2 {
		turned = append(turned, s.words[i+1], s.words[i])
	}
	return strings.NewReplacer(append(turned, s.home, "/home/reader", s.folder, "/home/reader")...).Replace(text)
}

// script runs a text in bash, in the copy, and gives what it printed. Nothing that it started lives on.
func (s *Stage) script(ctx context.Context, text string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "-c", text)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Dir, s.environment(), &out, &out
	group(cmd)
	err := cmd.Run()
	return out.String(), err
}
