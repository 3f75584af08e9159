package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// ErrLeadLost ends a copy that acted and may act no longer: somebody else may have
// been elected since. It is to be started anew, as a copy that follows.
var ErrLeadLost = errors.New("this copy may not act any more: it could not renew its lead in time")

// Election decides which copy of an agent acts. It is made for one life of one
// copy; its methods may be called from several goroutines.
type Election interface {
	// Campaign takes part, and returns nil when this copy is elected, or an error when
	// ctx has ended before. heard is told who leads whenever that changes, by what
	// that copy calls itself; it may be called until Leave has returned.
	Campaign(ctx context.Context, heard func(holder string)) error
	// Until is the time before which nobody else can be elected, less a margin in which
	// what was sent before it can arrive. It moves on while the lead is renewed, and
	// back to the past when it is known to be lost.
	Until() time.Time
	// Leave ends it, and waits for that. clean gives the lead up, so that others can
	// be elected at once; else they wait as long as after a crash.
	Leave(clean bool)
}

// arriveTime is how long a write that was not answered may still take effect.
const arriveTime = 3 * time.Second

// lead is what a copy knows of the election, and the fence before everything that
// it sends: no request that may change something passes unless nobody else can
// have been elected. Without an election it is open. Safe for concurrent use.
type lead struct {
	elects   bool     // false: there are no other copies
	election Election // set before anything is sent that may change something
	self     string   // what this copy calls itself

	acting atomic.Bool            // this copy was elected, and has not left
	holder atomic.Pointer[string] // who leads, as far as is known

	mu         sync.Mutex
	idle       sync.Cond // writing has become 0
	closed     bool      // nothing passes any more
	writing    int       // requests under way that may change something
	unanswered time.Time // when the last of them ended without an answer
}

func newLead(elects bool) *lead {
	l := &lead{elects: elects}
	l.idle.L = &l.mu
	l.holder.Store(new(string))
	l.acting.Store(!elects)
	return l
}

// acts says whether this copy is the one that acts.
func (l *lead) acts() bool { return l.acting.Load() }

// sure says whether this copy acts, and nobody else can have been elected.
func (l *lead) sure() bool { return l.acts() && (!l.elects || notYet(l.election.Until())) }

// leader is what the copy that leads calls itself, "" if none is known.
func (l *lead) leader() string { return *l.holder.Load() }

// campaign waits until this copy acts, and says whether that came before ctx ended.
func (l *lead) campaign(ctx context.Context) bool {
	if !l.elects {
		return true
	}
	if l.election.Campaign(ctx, func(holder string) { l.holder.Store(&holder) }) != nil {
		return false
	}
	l.acting.Store(true)
	return true
}

// hold waits until the lead is lost, and says so, or until ctx ends.
func (l *lead) hold(ctx context.Context) (lost bool) {
	for {
		until := l.election.Until()
		if !notYet(until) {
			return true
		}
		timer := time.NewTimer(min(time.Until(until), leaseRetry)) // it may move back, and one of the clocks may stand still
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// leave gives the lead up, and says whether others are let in at once: only if every
// write of the last moments was answered. Nothing passes the fence any more; what is
// under way may be answered within arriveTime, since a write that is cut off costs the
// others the whole Lease. Then cut ends it, and ctx the waiting.
func (l *lead) leave(ctx context.Context, cut func()) (clean bool) {
	if !l.elects {
		return true
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.acting.Store(false)
	answering, cancel := context.WithTimeout(ctx, arriveTime)
	defer cancel()
	l.settled(answering)
	cut()
	l.settled(ctx)
	l.mu.Lock()
	clean = l.writing == 0 && (l.unanswered.IsZero() || time.Since(l.unanswered) > arriveTime)
	l.mu.Unlock()
	l.election.Leave(clean)
	return clean
}

// settled waits until no write is under way, or ctx ends.
func (l *lead) settled(ctx context.Context) {
	defer context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.idle.Broadcast()
	})()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing > 0 && ctx.Err() == nil {
		l.idle.Wait()
	}
}

// errNotLeading: somebody else may act, so nothing was sent. It says nothing of whom it
// was for: what there was to do is tried again, by this copy or by the one that leads.
var errNotLeading = fmt.Errorf("not sent, %w: this copy does not lead", ngsild.ErrRetry)

// begin lets a write pass the fence, or not.
func (l *lead) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.sure() {
		return errNotLeading
	}
	l.writing++
	return nil
}

// notYet says whether a time has not come. Both clocks count: the monotonic one stands
// still while some machines sleep, and the wall clock may be set back.
func notYet(t time.Time) bool {
	now := time.Now()
	return now.Before(t) && now.Round(0).Before(t.Round(0))
}

func (l *lead) end(answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing--; l.writing == 0 {
		l.idle.Broadcast()
	}
	if !answered {
		l.unanswered = time.Now()
	}
}

// fence puts the fence before a way out.
func (l *lead) fence(next http.RoundTripper) http.RoundTripper {
	if l == nil || !l.elects {
		return next
	}
	return &fenced{l, next}
}

// fenceCluster puts it before the way to a cluster. The configuration is copied.
func (l *lead) fenceCluster(to *rest.Config) *rest.Config {
	if l == nil || !l.elects {
		return to
	}
	to = rest.CopyConfig(to)
	to.Wrap(l.fence)
	return to
}

// fenced is a way out with the fence before it.
type fenced struct {
	lead *lead
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (f *fenced) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return f.next.RoundTrip(req)
	}
	if err := f.lead.begin(); err != nil {
		if req.Body != nil {
			req.Body.Close() // a RoundTripper has to
		}
		return nil, err
	}
	resp, err := f.next.RoundTrip(req)
	f.lead.end(err == nil && !unknown(resp.StatusCode))
	return resp, err
}

// unknown says whether a gateway answers that does not know what became of the request.
func unknown(code int) bool {
	return code == http.StatusBadGateway || code == http.StatusGatewayTimeout
}

// WrappedRoundTripper is for client-go, which closes connections that are not in use.
func (f *fenced) WrappedRoundTripper() http.RoundTripper { return f.next }

// nameAndAddress takes apart what a copy calls itself: a name, and the URL at which
// others reach its public face.
func nameAndAddress(self string) (name, address string) {
	name, address, _ = strings.Cut(self, "@")
	return name, address
}

// text says for /readyz who leads.
func (l *lead) text() string {
	name, address := nameAndAddress(l.leader())
	switch {
	case l.acts():
		return "this copy"
	case name == "":
		return "nobody that is known of"
	}
	return name + " at " + address
}
