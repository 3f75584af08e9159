package broker

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Options set up a Broker. The zero value is a plain broker as `orionLd
// -mongocOnly` is; aerOS runs it with Distributed.
type Options struct {
	// DefaultLimit is the page size where a request names none; 0 is 100.
	DefaultLimit int
	// ArrayReduction stores a list of one as its item, as Orion-LD does unless
	// it is started with -noArrayReduction.
	ArrayReduction bool
	// Distributed answers as with -brokerId and -forwarding: no count without
	// local=true, other answers for entities that are not there, and a
	// POST …/attrs to one of those brings the broker down.
	Distributed bool
	// MultiTenant is -multiservice; without it every tenant header is refused.
	MultiTenant bool
	// Peers are base URLs of brokers that are asked for what this one does not hold,
	// as with registrations of other domains' brokers.
	Peers []string
	// Contexts are the JSON-LD contexts that the broker holds beside the core
	// context: URL → term → URI. Any other is LdContextNotAvailable.
	Contexts map[string]map[string]string
	// StateFile, if set, is what Serve reads at its start and writes when
	// something has changed and at its end.
	StateFile string
	// Log gets a line for each notification that fails. Nil discards.
	Log *slog.Logger
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Dial opens the connections on which notifications go, TCP if nil. Each carries
	// one request and its answer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Broker is an NGSI-LD context broker and the http.Handler of its API. Its
// methods may be called from several goroutines.
type Broker struct {
	options Options
	stats   counts
	started time.Time
	routes  *routes
	notify  timing
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	sending pending

	mu      sync.RWMutex
	tenants map[string]*tenant
}

// New makes an empty broker. It starts nothing: serve it with Serve or an
// http.Server, and Close it in the end.
func New(o Options) *Broker {
	if o.DefaultLimit == 0 {
		o.DefaultLimit = 100
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Broker{options: o, started: o.Now(), routes: newRoutes(), notify: realTiming(), tenants: map[string]*tenant{"": newTenant("")}}
	if b.dial = o.Dial; b.dial == nil {
		b.dial = (&net.Dialer{Timeout: b.notify.giveUp}).DialContext
	}
	return b
}

// Close waits for the notifications under way, each of which ends within some
// ten seconds. Requests that are answered meanwhile may start more.
func (b *Broker) Close() { b.sending.wait() }

// Restart does what a restart of the process does to what clients see: the
// entities are there, the counters of the subscriptions are what was last
// saved, and the subscriptions are gone unless they are kept.
func (b *Broker) Restart(keepSubscriptions bool) {
	for _, t := range b.all() {
		t.mu.Lock()
		subs := t.subs
		t.subs = nil
		for _, s := range subs {
			s.deleted = true
			if keepSubscriptions {
				t.subs = append(t.subs, s.restarted())
			}
		}
		t.version++
		t.mu.Unlock()
	}
}

// Wipe forgets every entity, subscription and tenant.
func (b *Broker) Wipe() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.tenants {
		t.mu.Lock()
		for _, s := range t.subs {
			s.deleted = true
		}
		t.mu.Unlock()
	}
	b.tenants = map[string]*tenant{"": newTenant("")}
}

// all is the tenants at this time.
func (b *Broker) all() []*tenant {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]*tenant, 0, len(b.tenants))
	for _, t := range b.tenants {
		out = append(out, t)
	}
	return out
}

// tenant is the tenant of the name; nil if there is none and it is not to be
// made.
func (b *Broker) tenant(name string, create bool) *tenant {
	b.mu.RLock()
	t := b.tenants[name]
	b.mu.RUnlock()
	if t != nil || !create {
		return t
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tenants[name] == nil {
		b.tenants[name] = newTenant(name)
	}
	return b.tenants[name]
}

func (b *Broker) now() instant { return instantOf(b.options.Now()) }

// uuid makes a random UUID.
func uuid() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	const hex = "0123456789abcdef"
	out := make([]byte, 0, 36)
	for i, c := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out = append(out, '-')
		}
		out = append(out, hex[c>>4], hex[c&15])
	}
	return string(out)
}
