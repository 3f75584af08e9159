package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
)

// leases is an API server that knows one Lease, as transports of its clients.
type leases struct {
	mu      sync.Mutex
	held    *coordinationv1.Lease
	version int
}

// leaseWire is the way of one client, which can be cut.
type leaseWire struct {
	*leases
	mu      sync.Mutex
	cut     bool
	trouble []trouble // of the next requests; then the way is cut
}

// trouble is what befalls one request.
type trouble struct {
	takes  time.Duration // before it takes effect
	answer bool
}

func (w *leaseWire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
}

// RoundTrip implements http.RoundTripper.
func (w *leaseWire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	cut, with := w.cut, trouble{answer: true}
	if len(w.trouble) > 0 {
		with, w.trouble = w.trouble[0], w.trouble[1:]
		w.cut = len(w.trouble) == 0
	}
	w.mu.Unlock()
	if time.Sleep(with.takes); !with.answer {
		if resp, err := w.serve(req); err == nil {
			resp.Body.Close()
		}
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	if cut {
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(time.Second):
			return nil, errors.New("connection reset")
		}
	}
	return w.serve(req)
}

func (l *leases) serve(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	code, body := http.StatusOK, any(l.held)
	switch {
	case req.Method == http.MethodGet && l.held == nil, req.Method == http.MethodPut && l.held == nil:
		code, body = http.StatusNotFound, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
	case req.Method != http.MethodGet:
		sent := &coordinationv1.Lease{}
		if err := json.NewDecoder(req.Body).Decode(sent); err != nil {
			return nil, err
		}
		if l.held != nil && sent.ResourceVersion != l.held.ResourceVersion {
			code, body = http.StatusConflict, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409}
			break
		}
		l.version++
		sent.ResourceVersion = strconv.Itoa(l.version)
		l.held, body = sent, sent
	}
	text, err := json.Marshal(body)
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(text)), Request: req}, err
}

// candidate is one copy that takes part.
type candidate struct {
	*lease
	wire    *leaseWire
	elected chan time.Time
}

func (l *leases) join(t *testing.T, name string) *candidate {
	t.Helper()
	c := &candidate{wire: &leaseWire{leases: l}, elected: make(chan time.Time, 1)}
	var err error
	c.lease, err = newLease(&Config{AgentID: "a", Namespace: "n"}, name+"@http://"+name, &rest.Config{Host: "http://kube", Transport: c.wire, QPS: -1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c.Campaign(t.Context(), func(string) {}) == nil {
			c.elected <- time.Now()
		}
	}()
	return c
}

// two are a copy that leads and one that follows.
func two(t *testing.T) (l *leases, leader, follower *candidate) {
	t.Helper()
	l = &leases{}
	leader = l.join(t, "first")
	<-leader.elected
	follower = l.join(t, "second")
	time.Sleep(5 * time.Second)
	return l, leader, follower
}

// The next is elected in time, and not before the last cannot be sure of its lead any
// more for as long as what it sent may be under way.
func TestLeaseRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, first, second := two(t)
		first.wire.set(true)
		began := time.Now()
		at := <-second.elected
		if took := at.Sub(began); took > 12*time.Second {
			t.Errorf("elected after %v", took)
		}
		if sure := at.Sub(first.Until()); sure < arriveTime {
			t.Errorf("the first was sure until %v before", sure)
		}
		first.Leave(false)
		second.Leave(true)
	})
}

// A lead that was given up is taken at once; one that is not to be given up runs out.
func TestLeaseReleased(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clean       bool
		least, most time.Duration
	}{"clean": {true, 0, 1200 * time.Millisecond}, "not clean": {false, 9 * time.Second, 12 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, first, second := two(t)
				began := time.Now()
				first.Leave(c.clean)
				if took := (<-second.elected).Sub(began); took < c.least || took > c.most {
					t.Errorf("elected after %v", took)
				}
				second.Leave(true)
			})
		})
	}
}

// A lead that was lost is not taken up again in the same life, though nobody has it.
func TestLeaseIsLostForGood(t *testing.T) {
	t.Parallel()
	for name, free := range map[string]func(l *leases, first, second *candidate){
		"another led meanwhile": func(_ *leases, first, second *candidate) {
			first.wire.set(true)
			<-second.elected
			second.Leave(true)
			first.wire.set(false)
		},
		"it could not renew": func(_ *leases, first, second *candidate) {
			second.Leave(true)
			first.wire.set(true)
			time.Sleep(leaseTrust)
			first.wire.set(false)
		},
		"the Lease was deleted": func(l *leases, first, second *candidate) {
			second.Leave(true)
			l.mu.Lock()
			l.held = nil
			l.mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, first, second := two(t)
				free(l, first, second)
				time.Sleep(2 * leaseRetry)
				if notYet(first.Until()) {
					t.Errorf("it leads until %v", first.Until())
				}
				before := l.version
				time.Sleep(time.Minute)
				if notYet(first.Until()) || l.version != before {
					t.Errorf("it leads until %v, and wrote %d times", first.Until(), l.version-before)
				}
				first.Leave(false)
			})
		})
	}
}

func TestLeaseNames(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, id := range []string{"mill01.default", "Mill01.default", "mill_01", "mill-01", "a-.b", "a.-.b", "a..b", "a.b", "A", strings.Repeat("a", 63)} {
		name := leaseName(id)
		if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
			t.Errorf("%s: %s is no name: %v", id, name, wrong)
		}
		if other, there := seen[name]; there {
			t.Errorf("%s and %s have one name, %s", id, other, name)
		}
		seen[name] = id
	}
	if got := leaseName("mill01.default"); got != "hlo-agent-mill01.default" {
		t.Error(got)
	}
}

// ballot is an election that is decided by its fields.
type ballot struct {
	until time.Time
	left  chan bool
}

func (e *ballot) Campaign(context.Context, func(string)) error { return nil }
func (e *ballot) Until() time.Time                             { return e.until }
func (e *ballot) Leave(clean bool)                             { e.left <- clean }

// The fence lets writes through while the lead is sure, and reads always. A lead is
// given up when the last write was answered, and runs out when one was not.
func TestFence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers bool
		after   time.Duration // the answer
		wait    time.Duration
		clean   bool
	}{
		"answered": {true, 0, 0, true}, "answered soon": {true, arriveTime / 2, 0, true},
		"cut": {false, 0, 0, false}, "cut a while ago": {false, 0, 2 * arriveTime, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &ballot{left: make(chan bool, 1)}
				l := newLead(true)
				l.election = e
				way := l.fence(transportFunc(func(req *http.Request) (*http.Response, error) {
					if !c.answers && req.Method == http.MethodPatch {
						<-req.Context().Done()
						return nil, req.Context().Err()
					}
					if req.Method == http.MethodPatch {
						select {
						case <-time.After(c.after):
						case <-req.Context().Done():
							return nil, req.Context().Err()
						}
					}
					return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
				}))
				send := func(ctx context.Context, method string) error {
					req, err := http.NewRequestWithContext(ctx, method, "http://broker/", nil)
					if err != nil {
						t.Fatal(err)
					}
					resp, err := way.RoundTrip(req)
					if err == nil {
						resp.Body.Close()
					}
					return err
				}
				if err := errors.Join(send(t.Context(), http.MethodGet), send(t.Context(), http.MethodHead)); err != nil {
					t.Errorf("a read of a copy that follows: %v", err)
				}
				if err := send(t.Context(), http.MethodPatch); !errors.Is(err, errNotLeading) {
					t.Errorf("a write of a copy that follows: %v", err)
				}
				if !l.campaign(t.Context()) {
					t.Fatal("not elected")
				}
				if err := send(t.Context(), http.MethodPatch); !errors.Is(err, errNotLeading) {
					t.Errorf("a write after the lead has run out: %v", err)
				}
				e.until = time.Now().Add(time.Minute)
				working, cut := context.WithCancel(t.Context())
				wrote := make(chan error, 1)
				go func() { wrote <- send(working, http.MethodPatch) }()
				synctest.Wait()
				if c.wait > 0 {
					cut()
					time.Sleep(c.wait)
				}
				said := l.leave(t.Context(), cut)
				if clean := <-e.left; clean != c.clean || said != c.clean {
					t.Errorf("clean: %v, and said %v", clean, said)
				}
				if err := <-wrote; (err == nil) != c.answers {
					t.Errorf("the write: %v", err)
				}
				if err := send(t.Context(), http.MethodPatch); !errors.Is(err, errNotLeading) {
					t.Errorf("a write after leaving: %v", err)
				}
			})
		})
	}
}

// A copy that stood still while another one was elected does not give up what is not its
// own any more, though it leaves before its elector has looked.
func TestLeaseOfAnotherIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leases{}
		first := l.join(t, "first")
		<-first.elected
		const another = "second@http://second"
		l.mu.Lock()
		taken := l.held.DeepCopy()
		holder := another
		taken.Spec.HolderIdentity = &holder
		l.version++
		taken.ResourceVersion = strconv.Itoa(l.version)
		l.held = taken
		l.mu.Unlock()
		first.Leave(true)
		if is := *l.held.Spec.HolderIdentity; is != another {
			t.Errorf("held by %q, want %q", is, another)
		}
		if notYet(first.Until()) {
			t.Error("the first is sure of its lead")
		}
	})
}

// How long a copy trusts its lead is counted from what the Lease says, since the others look
// at that: not from a later try whose text is from before the first.
func TestSlowRenewal(t *testing.T) {
	t.Parallel()
	for _, phase := range []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond} {
		t.Run(phase.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(phase)
				_, first, second := two(t)
				first.wire.mu.Lock()
				first.wire.trouble = []trouble{{answer: false}, {2300 * time.Millisecond, true}, {answer: true}}
				first.wire.mu.Unlock()
				at := <-second.elected
				if sure := at.Sub(first.Until()); sure < arriveTime {
					t.Errorf("the first was sure until %v before the second was elected, want %v", sure, arriveTime)
				}
				first.Leave(false)
				second.Leave(true)
			})
		})
	}
}

// That a lead is lost is noticed when that is known, and not when it would have run out.
func TestLossIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leases{}
		first := l.join(t, "first")
		<-first.elected
		lead := newLead(true)
		lead.election = first
		lost := make(chan time.Time, 1)
		go func() {
			lead.hold(t.Context())
			lost <- time.Now()
		}()
		time.Sleep(time.Second)
		l.mu.Lock()
		l.held = nil // deleted by hand
		l.mu.Unlock()
		began := time.Now()
		if took := (<-lost).Sub(began); took > 2*leaseRetry {
			t.Errorf("noticed after %v", took)
		}
		first.Leave(false)
	})
}

// A gateway that says that it does not know does not say that nothing was done.
func TestGatewaysAnswerForNobody(t *testing.T) {
	t.Parallel()
	for code, clean := range map[int]bool{http.StatusServiceUnavailable: true, http.StatusBadGateway: false, http.StatusGatewayTimeout: false} {
		l, e := newLead(true), &ballot{until: time.Now().Add(time.Minute), left: make(chan bool, 1)}
		l.election = e
		if !l.campaign(t.Context()) || !l.sure() {
			t.Fatal("not elected")
		}
		way := l.fence(transportFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: code, Body: http.NoBody}, nil
		}))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://broker/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := way.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		e.until = time.Now()
		if l.sure() {
			t.Error("sure of a lead that has run out")
		}
		if got := l.leave(t.Context(), func() {}); got != clean {
			t.Errorf("after %d the lead is given up: %v, want %v", code, got, clean)
		}
	}
}
