package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Outside is what a running agent meets of the world, files apart. Its zero
// value is the real one; each field that is set takes the place of a part of it,
// so that the agent can run in a world that is made up. Timers are not in it:
// they are the standard library's, which testing/synctest makes virtual.
type Outside struct {
	// Now is the wall clock. Unlike timers it may jump, in both directions.
	Now func() time.Time
	// Rand is read for secrets that the agent makes itself; crypto/rand if nil.
	Rand io.Reader
	// Broker carries what is sent to the broker, below the layer that adds tokens.
	// If nil, a transport with the configured roots is made.
	Broker http.RoundTripper
	// Systems carries what is sent to the systems that homing asks. If nil, each
	// has a transport with its own roots.
	Systems http.RoundTripper
	// Peers carries what is sent to other domains and to the shim, below the layer
	// that adds tokens. If nil, a transport with the configured roots is made.
	Peers http.RoundTripper
	// Copies carries what copies of one agent send to each other. If nil, a transport is made.
	Copies http.RoundTripper
	// Elect makes the election that a copy of an agent takes part in, which calls itself
	// self: a name, an @, and the URL of its public face. If nil, it is one by a Lease.
	// It is asked only with LEADER_ELECTION.
	Elect func(agent, self string) Election
	// Kubernetes says how to reach the cluster of a kubeconfig file; an empty name
	// is the cluster that the agent runs in. The answer belongs to the caller.
	Kubernetes func(kubeconfig string) (*rest.Config, error)
	// Face opens a listener on an address. An error of it ends the agent's start.
	Face func(address string) (Face, error)

	lead *lead // the fence before everything that is sent; nil: there is none
	room *room // of a tenant's loop; nil: this is the only one
}

// Face is an opened listener on which nothing is answered yet.
type Face interface {
	// Serve answers requests with h until ctx ends, and then those under way. It is
	// called at most once, and returns nil unless something but ctx ended it.
	Serve(ctx context.Context, h http.Handler) error
	// Close gives the address free. It may follow Serve, and come without it.
	Close() error
}

// Run is the agent in the real world; see Outside.Run.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	return Outside{}.Run(ctx, cfg, log)
}

// orReal fills in what is not set.
func (o Outside) orReal() Outside {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Kubernetes == nil {
		o.Kubernetes = restConfig
	}
	if o.Face == nil {
		o.Face = listen
	}
	return o
}

// open opens the listener that a setting names.
func (o Outside) open(setting, address string) (Face, error) {
	f, err := o.Face(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return f, nil
}

// systems loads the systems outside that homing asks; nil is none. life ends what is
// being reserved there.
func (o Outside) systems(life context.Context, cfg *Config, client *ngsild.Client, m *metrics) (*systems.Set, error) {
	if cfg.HomingSystems == "" {
		return nil, nil
	}
	set, err := systems.Load(cfg.HomingSystems, systems.Config{Broker: client, Transport: o.Systems, Fence: o.lead.fence, Life: life, Observe: func(system string, err error) {
		if !errors.Is(err, errNotLeading) { // it was not asked
			m.systemRequests.WithLabelValues(system, outcome(err)).Inc()
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("HOMING_SYSTEMS: %w", err)
	}
	return set, nil
}

// tcpFace is a Face on a socket.
type tcpFace struct {
	net.Listener
	log *log.Logger // see withLog; nil is the standard one
}

func listen(address string) (Face, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return tcpFace{Listener: l}, nil
}

// Serve implements Face.
func (f tcpFace) Serve(ctx context.Context, h http.Handler) error {
	return serve(ctx, f.Listener, h, f.log)
}
