package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/peer"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/overlay"
)

// listener is a server that everything can be sent to, and that remembers it.
func listener(t *testing.T) (url string, heard func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"t","token_type":"Bearer","expires_in":300,"assigned_subnet":"10.13.7.0/24","answers":[{"candidates":["c1"]}]}`)) // the caller went away
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		was := all
		all = nil
		return was
	}
}

// elected is the lead of a copy until e.until.
func elected(t *testing.T) (*lead, *ballot) {
	t.Helper()
	l, e := newLead(true), &ballot{until: time.Now().Add(time.Hour)}
	l.election = e
	if !l.campaign(t.Context()) {
		t.Fatal("not elected")
	}
	return l, e
}

// Nothing that may change something leaves a copy whose lead has run out, to whomever it
// is, and what does not leave is to be tried again. What only asks goes its way.
func TestFenceTowardsOthers(t *testing.T) {
	t.Parallel()
	url, heard := listener(t)
	lead, e := elected(t)
	file := filepath.Join(t.TempDir(), "systems.yaml")
	if err := os.WriteFile(file, []byte("systems: [{name: SDN-C, kind: service, url: "+url+"/ask, reserveUrl: "+url+"/reserve}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, cfg, m := Outside{lead: lead}.orReal(), Config{BrokerURL: url, HomingSystems: file}, newMetrics(prometheus.NewRegistry())
	broker, _, err := o.client(&cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	way, _, err := o.peerTransport(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	set, err := o.systems(t.Context(), &cfg, broker, m)
	if err != nil {
		t.Fatal(err)
	}
	domain, shim, subnet := peer.NewClient(way), overlay.NewShim(url, way), netip.MustParsePrefix("10.13.7.0/24")
	reservation := homing.Reservation{Name: "hold_a", Controller: "SDN-C"}
	for name, c := range map[string]struct {
		changes bool
		send    func(ctx context.Context) error
	}{
		"broker, change": {true, func(ctx context.Context) error { return broker.Merge(ctx, "urn:c", map[string]any{"x": 1}) }},
		"broker, read":   {false, func(ctx context.Context) error { _, err := broker.Entity(ctx, "urn:c"); return dropDecoding(err) }},
		"domain, have it run": {true, func(ctx context.Context) error {
			return domain.Allocate(ctx, url, &allocation.Allocation{Component: "urn:c", Service: "urn:s", Image: "i"})
		}},
		"domain, end it":  {true, func(ctx context.Context) error { return domain.Deallocate(ctx, url, "urn:s", "urn:c", false) }},
		"shim, subnet":    {true, func(ctx context.Context) error { _, err := shim.Subnet(ctx, "urn:s"); return err }},
		"shim, set up":    {true, func(ctx context.Context) error { return shim.Configure(ctx, "urn:s", subnet, nil) }},
		"shim, take down": {true, func(ctx context.Context) error { return shim.Remove(ctx, "urn:s") }},
		"system, reserve": {true, func(ctx context.Context) error { return set.Reserver("p").Reserve(ctx, reservation, "c1") }},
		"system, release": {true, func(ctx context.Context) error { return set.Reserver("p").Release(ctx, reservation, "c1") }},
		"system, ask": {false, func(ctx context.Context) error {
			return set.Answer(ctx, []homing.Question{{Type: homing.AskInstance, Controller: "SDN-C", Candidates: []string{"c1"}}})[0].Err
		}},
	} {
		e.until = time.Now().Add(time.Hour)
		if err := c.send(t.Context()); err != nil || len(heard()) != 1 {
			t.Errorf("%s: while the copy leads: %v", name, err)
		}
		e.until = time.Now()
		err := c.send(t.Context())
		got := heard()
		if c.changes && (len(got) > 0 || !errors.Is(err, errNotLeading) || !errors.Is(err, ngsild.ErrRetry)) {
			t.Errorf("%s: after the lead has run out %v arrived, and it ended with %v", name, got, err)
		}
		if !c.changes && (len(got) != 1 || err != nil) {
			t.Errorf("%s: a question: %v arrived, %v", name, got, err)
		}
	}
	var failures dto.Metric
	if err := m.systemRequests.WithLabelValues("SDN-C", "error").Write(&failures); err != nil || failures.Counter.GetValue() != 0 {
		t.Errorf("%v requests count as failures of a system that was not asked (%v)", failures.Counter.GetValue(), err)
	}
}

// dropDecoding leaves out that the listener answers with no entity.
func dropDecoding(err error) error {
	var unreadable ngsild.EntityError
	if errors.As(err, &unreadable) || errors.Is(err, ngsild.ErrRetry) && !errors.Is(err, errNotLeading) {
		return nil
	}
	return err
}

// The fence is looked at after the token was fetched, which may take long.
func TestFenceComesAfterTheToken(t *testing.T) {
	t.Parallel()
	url, heard := listener(t)
	lead, e := elected(t)
	slow := transportFunc(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/token") {
			e.until = time.Now() // it took as long
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	o := Outside{lead: lead, Broker: slow, Peers: slow}.orReal()
	for name, send := range map[string]func() error{
		"broker": func() error {
			client, _, err := o.client(&Config{BrokerURL: url, OAuthTokenURL: url + "/token", OAuthClientID: "agent", OAuthSecret: "hush"}, nil)
			if err != nil {
				return err
			}
			return client.Merge(t.Context(), "urn:c", map[string]any{"x": 1})
		},
		"domain": func() error {
			way, _, err := o.peerTransport(&Config{PeerTokenURL: url + "/token", PeerClientID: "agent", PeerSecret: "hush"})
			if err != nil {
				return err
			}
			return peer.NewClient(way).Deallocate(t.Context(), url, "urn:s", "urn:c", false)
		},
		"domain, by a token of the shim": func() error {
			way, _, err := o.peerTransport(&Config{ShimURL: url})
			if err != nil {
				return err
			}
			return peer.NewClient(way).Deallocate(t.Context(), url, "urn:s", "urn:c", false)
		},
	} {
		e.until = time.Now().Add(time.Hour)
		err := send()
		if got := heard(); !errors.Is(err, errNotLeading) || len(got) != 1 || !strings.Contains(got[0], "/token") {
			t.Errorf("%s: %v arrived, %v", name, got, err)
		}
	}
}

// That this copy does not lead is no failure of whom it did not ask.
func TestFenceIsNoVerdict(t *testing.T) {
	t.Parallel()
	url, heard := listener(t)
	lead, e := elected(t)
	e.until = time.Now()
	way := lead.fence(http.DefaultTransport)
	var log strings.Builder
	var told []string
	n := &neighbours{client: peer.NewClient(way), now: time.Now, log: slog.New(slog.NewTextHandler(&log, nil)),
		again: func(ngsild.EntityID) { told = append(told, "again") }, count: func(result string) { told = append(told, result) },
		lanes: map[ngsild.EntityID]*lane{}, copies: map[ngsild.EntityID]map[ngsild.EntityID]*copied{}, left: map[ngsild.EntityID]string{}}
	if err := n.recall(t.Context(), &recordBroker{held: map[ngsild.EntityID]map[string]any{}}, "me"); err != nil {
		t.Fatal(err)
	}
	n.ask("urn:b", url, allocation.Allocation{Component: "urn:c", Service: "urn:s", Element: "urn:e"}, "", "", "")

	r := &reconciler{now: time.Now, log: n.log, links: newLinks(nil, nil, time.Now), tracker: newTracker(time.Now)}
	over := &overlays{reconciler: r, shim: overlay.NewShim(url, way), log: n.log, errs: map[ngsild.EntityID]string{},
		given: map[ngsild.EntityID]netip.Addr{}, down: map[ngsild.EntityID]*removal{}, stale: map[ngsild.EntityID]bool{"urn:s": true}}
	over.lane = newLane(time.Now, over.tend, func(ngsild.EntityID) {})

	for id, l := range map[ngsild.EntityID]*lane{"urn:c": n.lane("urn:b"), "urn:s": over.lane} {
		l.failures = breakerAfter - 1
		l.one(t.Context(), id)
		l.one(t.Context(), id)
		if l.open() > 0 || l.failures != breakerAfter-1 || l.queue.NumRequeues(id) != 2 {
			t.Errorf("%s: the circuit is open for %v after %d failures, tried %d times", id, l.open(), l.failures, l.queue.NumRequeues(id))
		}
	}
	if c, _ := n.asked("urn:c", "urn:b"); c.err != nil || c.done != "" || len(told) > 0 {
		t.Errorf("the domain is said to be %v; %v", c.err, told)
	}
	if over.errs["urn:s"] != "" || !over.stale["urn:s"] {
		t.Errorf("the network: %q, to be seen to: %v", over.errs["urn:s"], over.stale["urn:s"])
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
	if got := heard(); len(got) > 0 {
		t.Errorf("%v arrived", got)
	}
}

// A release goes on after the order that it belongs to has ended, but not after the term.
func TestTermCutsReservations(t *testing.T) {
	t.Parallel()
	came, left := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is it seen that the caller went away
		close(came)
		<-r.Context().Done()
		close(left)
	}))
	t.Cleanup(server.Close)
	life, end := context.WithCancel(t.Context())
	set, err := systems.New([]byte("systems: [{name: SDN-C, kind: service, timeout: 1m, reserveUrl: "+server.URL+"}]"), systems.Config{Life: life})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- set.Reserver("p").Release(context.WithoutCancel(t.Context()), homing.Reservation{Name: "hold_a", Controller: "SDN-C"}, "c1")
	}()
	<-came
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	<-left
}
