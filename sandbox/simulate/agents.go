package simulate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/agent"
)

// agentSpec is one agent of a world, over all its lives.
type agentSpec struct {
	name      string // its AGENT_ID and the host of its webhook, or the Service before it
	domains   string // its DOMAIN_ID
	namespace string
	copies    int // that elect who acts; 0: there is one, and no election
}

// settings are those of every agent. Times are short, so that little virtual time
// shows much; the guard is small, as the worlds are.
func (s agentSpec) settings(host string, homed bool) map[string]string {
	settings := map[string]string{
		"CB_URL": "http://broker:1026", "NOTIFICATION_URL": "http://" + s.name + ":8082/notify",
		"AGENT_ID": s.name, "DOMAIN_ID": s.domains, "NAMESPACE": s.namespace, "WORKERS": "1",
		"RESYNC_INTERVAL": resyncInterval.String(), "DEGRADED_RESYNC_INTERVAL": "20s", "SUBSCRIPTION_CHECK_INTERVAL": "15s",
		"PROGRESS_DEADLINE": "4m", "MOVE_TIMEOUT": moveTimeout.String(), "STATUS_GRACE": "30s",
		"PRUNE_MIN": fmt.Sprint(pruneMin), "LOG_LEVEL": "debug",
	}
	if homed {
		maps.Copy(settings, map[string]string{"HOMING": "auto", "HOMING_GRACE": homingGrace.String(), "HOMING_STALE": homingStale.String()})
	}
	if s.copies > 0 {
		settings["LEADER_ELECTION"], settings["LISTEN_ADDR"] = "true", host+":8082"
	}
	return settings
}

// agentRun is one life of an agent.
type agentRun struct {
	agentSpec
	host  string // where it runs: its name, or one for each copy
	life  int
	clock *clock
	dead  chan struct{} // closed: killed, nothing that it does reaches the world
	ended chan struct{} // closed: its last goroutine has ended
	stop  context.CancelFunc

	unread atomic.Int64 // notifications that it did not take

	mu      sync.Mutex
	handler http.Handler
	ops     http.Handler
	still   time.Time            // until when it stands still
	cutOff  map[string]time.Time // until when it is cut off from what
}

// start begins a life of an agent, or of a copy of one, unless one is under way there.
func (w *world) start(s agentSpec, host string) {
	w.mu.Lock()
	if w.closed || w.agents[host] != nil {
		w.mu.Unlock()
		return
	}
	w.lives++
	a := &agentRun{agentSpec: s, host: host, life: w.lives, clock: newClock(), dead: make(chan struct{}), ended: make(chan struct{}), cutOff: map[string]time.Time{}}
	w.agents[host] = a
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	settings := s.settings(host, w.homed != nil)
	cfg, err := agent.LoadConfig(ctx, func(name string) string { return settings[name] })
	if err != nil {
		panic(err)
	}
	outside := agent.Outside{
		Now: a.clock.now, Rand: &steady{w.dice.about("secret", host)},
		Broker: &wire{world: w, agent: a, to: "broker", now: func() weather { return w.faults().broker }, serve: func(req *http.Request) *http.Response { return w.serveBroker(a, req) }},
		Copies: &wire{world: w, agent: a, to: "copies", now: func() weather { return w.faults().broker }, serve: w.serveCopies},
		Kubernetes: func(string) (*rest.Config, error) {
			return &rest.Config{Host: "http://kube", QPS: -1, Transport: &wire{world: w, agent: a, to: "kube", now: func() weather { return w.faults().kube },
				serve: func(req *http.Request) *http.Response { return w.serveKube(a, req) }}}, nil
		},
		Face: func(address string) (agent.Face, error) {
			// The mappings were compiled, which takes the processor long enough to be
			// interrupted soon. After a pause nothing interrupts what begins now.
			time.Sleep(time.Microsecond)
			return &face{agent: a, public: address == cfg.ListenAddr}, nil
		},
	}
	w.note(host, "starts, life %d", a.life)
	go func() {
		defer close(a.ended)
		w.over(a, outside.Run(ctx, cfg, slog.New(&logged{world: w, agent: a})))
	}()
}

// kill ends a life at once, as SIGKILL does: of what it is about to do nothing
// reaches the world.
func (w *world) kill(a *agentRun) {
	w.note(a.host, "is killed")
	a.mu.Lock()
	a.handler = nil
	a.mu.Unlock()
	close(a.dead)
	a.stop()
	w.kube.cut(func(s *watcher) bool { return s.agent == a })
	w.forgetAgent(a)
}

// terminate ends a life as SIGTERM does, and waits for its end.
func (w *world) terminate(a *agentRun) {
	w.note(a.host, "is stopped")
	a.stop()
	<-a.ended
	w.note(a.host, "has stopped")
	w.forgetAgent(a)
}

func (w *world) forgetAgent(a *agentRun) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.agents[a.host] == a {
		delete(w.agents, a.host)
	}
	w.past = append(w.past, a)
}

// agentOf is the present life of an agent or a copy, nil if it is down.
func (w *world) agentOf(host string) *agentRun {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.agents[host]
}

// up are the agents and copies that run, by host.
func (w *world) up() []*agentRun {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Values(w.agents), func(a, b *agentRun) int { return strings.Compare(a.host, b.host) })
}

func (a *agentRun) public() http.Handler {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.handler
}

// face is a listener without a socket: it hands the handler to the world.
type face struct {
	agent  *agentRun
	public bool
}

// Serve implements agent.Face.
func (f *face) Serve(ctx context.Context, h http.Handler) error {
	f.agent.mu.Lock()
	switch {
	case !f.public:
		f.agent.ops = h
	case !f.agent.killed():
		f.agent.handler = h
	}
	f.agent.mu.Unlock()
	<-ctx.Done()
	f.agent.mu.Lock()
	defer f.agent.mu.Unlock()
	if f.public {
		f.agent.handler = nil
	}
	return nil
}

// Close implements agent.Face.
func (f *face) Close() error { return nil }

// steady is randomness that is the same in every replay.
type steady struct{ r interface{ Uint32() uint32 } }

// Read implements io.Reader.
func (s *steady) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s.r.Uint32())
	}
	return len(p), nil
}

// logged writes what an agent logs into the journal, texts that hold the time of
// day left out.
type logged struct {
	world *world
	agent *agentRun
	attrs []slog.Attr // that the logger was made with
}

// Enabled implements slog.Handler.
func (l *logged) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (l *logged) Handle(_ context.Context, r slog.Record) error {
	if l.agent.killed() {
		return nil
	}
	if r.Message == "a notification could not be read, listing instead" {
		l.agent.unread.Add(1)
	}
	var b strings.Builder
	for _, a := range l.attrs {
		if a.Key == "entity" {
			fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		}
	}
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	l.world.note(l.agent.host, "| %s%s", r.Message, varying.Replace(b.String()))
	return nil
}

// varying takes out what net/http says in one of two ways, by chance.
var varying = strings.NewReplacer("urn:ngsi-ld:", "", " (Client.Timeout exceeded while awaiting headers)", "", "net/http: request canceled", "context deadline exceeded")

// WithAttrs implements slog.Handler; of what a logger was made with the entity is kept.
func (l *logged) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logged{world: l.world, agent: l.agent, attrs: slices.Concat(l.attrs, attrs)}
}

// WithGroup implements slog.Handler.
func (l *logged) WithGroup(string) slog.Handler { return l }

// serveKube is the effect of a request of an agent to the API server.
func (w *world) serveKube(a *agentRun, req *http.Request) *http.Response {
	if w.faults().kubeDown {
		return nil
	}
	if req.URL.Query().Get("watch") == "true" {
		return w.kube.watch(a, req, w.dice.about("watch", a.host, req.URL.Path))
	}
	path := splitPath(req.URL.Path)
	if isLease(path) {
		req.Header.Set(agentHeader, fmt.Sprintf("%s in life %d", a.host, a.life))
		return w.kube.serve(req)
	}
	if req.Method != http.MethodGet {
		w.acts(a, req.Method+" "+brief(req.URL.Path))
		w.book.mu.Lock()
		w.book.kubeWrites++ // also what changes nothing
		w.book.mu.Unlock()
	}
	if path[0] == "api" && slices.Contains(path, "events") && req.Method != http.MethodGet {
		return answer(http.StatusCreated, map[string]any{"apiVersion": "v1", "kind": "Event"}) // told, and nobody's business here
	}
	req.Header.Set(agentHeader, "hlo-agent/"+a.name)
	return w.kube.serve(req)
}

// serveBroker is the effect of a request of an agent to the broker.
func (w *world) serveBroker(a *agentRun, req *http.Request) *http.Response {
	f := w.faults()
	if f.brokerDown {
		return nil
	}
	if lie := w.lie(f, req); lie != nil {
		return lie
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	if req.Method != http.MethodGet {
		w.acts(a, req.Method+" "+brief(req.URL.Path))
	}
	w.watchWrite(a, req, body)
	w.crossWrite(req)
	return handle(w.broker, req)
}
