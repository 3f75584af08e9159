package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// oneCopy is one of the copies of an agent whose public face speaks TLS: it shows the
// certificate in two files, and lets in whoever has a client certificate.
type oneCopy struct {
	*service
	renewed *reload
	address string
}

func startCopy(t *testing.T, cfg Config) *oneCopy {
	t.Helper()
	shown := publicCertificates(&cfg)
	renewed, err := shown.load()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	gate, err := newGate(&cfg, time.Now, newMetrics(prometheus.NewRegistry()), log)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &oneCopy{renewed: renewed[0], address: "https://" + plain.(tcpFace).Addr().String(),
		service: &service{lead: newLead(true), hop: newHop(shown, nil), reconciler: &reconciler{cfg: cfg, log: log}}}
	c.lead.self = "a-copy@" + c.address
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	router := gate.wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.TLS.PeerCertificates[0].Subject.CommonName+" "+req.URL.EscapedPath())
	}))
	go func() { ended <- shown.secure(plain).Serve(ctx, c.front(ctx, router)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

// ask sends a request with the certificate of a name, or with none.
func (c *oneCopy) ask(t *testing.T, of *authority, name string, header http.Header) (code int, body string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // it is 127.0.0.1
	defer transport.CloseIdleConnections()
	if of != nil {
		der, _, key := of.sign(t, name)
		transport.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.address+"/hlo_al/urn%2Fone", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A caller's certificate counts at the leader as well when another copy took the
// request in, and cannot be claimed by anybody who is no copy. Copies know each other
// by the certificate that they show.
func TestCallersOfOtherCopies(t *testing.T) {
	t.Parallel()
	for name, required := range map[string]bool{"certificates that may be": false, "certificates that must be": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := func(name string) string { return filepath.Join(dir, name) }
			servers, clients := newAuthority(t), newAuthority(t)
			servers.write(t, "first", file("cert"), file("key"))
			writePEM(t, file("roots"), "CERTIFICATE", clients.cert.Raw)
			cfg := Config{TLSCertFile: file("cert"), TLSKeyFile: file("key"), TLSClientCAFile: file("roots"), TLSClientRequired: required,
				APIAuth: authTLS, APIClients: []string{"mill01"}, APIRate: 1000, APIMaxBytes: 1024}
			leader, follower := startCopy(t, cfg), startCopy(t, cfg)
			leader.lead.election = &ballot{until: time.Now().Add(time.Hour)}
			leader.lead.acting.Store(true)
			follower.lead.holder.Store(&leader.lead.self)
			want := func(c *oneCopy, as string, header http.Header, code int, body string) {
				t.Helper()
				if got, text := c.ask(t, clients, as, header); got != code || !strings.Contains(text, body) {
					t.Errorf("as %s: %d %s, want %d with %q", as, got, text, code, body)
				}
			}
			want(leader, "mill01", http.Header{}, http.StatusOK, "mill01 /hlo_al/urn%2Fone")
			want(follower, "mill01", http.Header{}, http.StatusOK, "mill01 /hlo_al/urn%2Fone")
			want(follower, "other", http.Header{}, http.StatusForbidden, "")
			if !required {
				if code, text := follower.ask(t, nil, "", http.Header{}); code != http.StatusUnauthorized {
					t.Errorf("without a certificate: %d %s", code, text)
				}
			}
			// Who has another certificate claims to speak for mill01.
			claim := &http.Request{Header: http.Header{}}
			_, mill01, _ := clients.sign(t, "mill01")
			leader.hop.pack(claim, &tls.ConnectionState{PeerCertificates: []*x509.Certificate{mill01}, VerifiedChains: [][]*x509.Certificate{{mill01}}})
			if len(leader.hop.vouchers()) != 1 || claim.Header.Get(callerHeader) == "" {
				t.Fatalf("nothing is packed: %v", claim.Header)
			}
			claim.Header.Set(vouchHeader, strings.Repeat("0", 64))
			want(leader, "other", claim.Header, http.StatusForbidden, "")
			want(follower, "other", claim.Header, http.StatusForbidden, "")
			claim.Header.Del(vouchHeader)
			want(leader, "other", claim.Header, http.StatusForbidden, "")

			// The leader's certificate is renewed first, then the follower's: it knows the one before.
			servers.write(t, "second", file("cert"), file("key"))
			look := func(c *oneCopy) {
				t.Helper()
				for range 2 {
					if _, err := c.renewed.again(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				c.hop.RoundTripper.(*http.Transport).CloseIdleConnections()
			}
			look(leader)
			follower.hop.RoundTripper.(*http.Transport).CloseIdleConnections()
			want(follower, "mill01", http.Header{}, http.StatusServiceUnavailable, "no-leader")
			look(follower)
			want(follower, "mill01", http.Header{}, http.StatusOK, "mill01")
		})
	}
}

// TestNothingIsHandedOnInClear: a copy that has a certificate sends neither notifications nor requests of others to a
// leader that says in the Lease that it speaks plain HTTP, nor where that one sends it.
func TestNothingIsHandedOnInClear(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		heard.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(plain.Close)
	dir := t.TempDir()
	cfg := Config{TLSCertFile: filepath.Join(dir, "cert"), TLSKeyFile: filepath.Join(dir, "key"), APIAuth: authOff, APIRate: 1000, APIMaxBytes: 1024}
	newAuthority(t).write(t, "first", cfg.TLSCertFile, cfg.TLSKeyFile)
	follower := startCopy(t, cfg)
	follower.lead.holder.Store(new("other@" + plain.URL))
	results := map[string]int{}
	relay := newRelay(follower.lead, follower.hop, func() []string { return []string{"hunter2"} }, func(result string) { results[result]++ })
	if !relay.take([]byte("{}")) || results["let_go"] != 1 || len(relay.learned) != 1 {
		t.Errorf("a notification: %v, want it let go, and that said", results)
	}
	code, text := follower.ask(t, nil, "", http.Header{"Authorization": {"Bearer hunter2"}})
	if code != http.StatusServiceUnavailable || !strings.Contains(text, "no-leader") {
		t.Errorf("a request: %d %s, want it answered as if no copy led", code, text)
	}
	if n := heard.Load(); n != 0 {
		t.Errorf("the leader heard %d requests in clear", n)
	}
	follower.hop.shown = nil
	if !relay.take([]byte("{}")) || relay.send(t.Context(), nil, true) != nil || heard.Load() != 1 {
		t.Errorf("a copy without a certificate sent %d requests, want the word that one is missing", heard.Load())
	}
}

// A copy that may lead no more lets nothing through, but for what the broker tells: any other
// answer than 204 brings a subscription nearer to its end.
func TestUnsureLeaderTakesNotifications(t *testing.T) {
	t.Parallel()
	s := &service{lead: newLead(true), hop: newHop(nil, nil), reconciler: &reconciler{log: slog.New(slog.DiscardHandler)}}
	s.lead.election = &ballot{until: time.Now().Add(-time.Second)}
	s.lead.acting.Store(true)
	front := s.front(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, c := range []struct {
		path, from string
		code       int
	}{{"/notify", "", 204}, {"/notify", "another", 503}, {"/hlo_al/one", "", 503}} {
		req := httptest.NewRequest(http.MethodPost, c.path, nil)
		if c.from != "" {
			req.Header.Set(hopHeader, c.from)
		}
		w := httptest.NewRecorder()
		if front.ServeHTTP(w, req); w.Code != c.code {
			t.Errorf("%s from %q: %d, want %d", c.path, c.from, w.Code, c.code)
		}
	}
}
