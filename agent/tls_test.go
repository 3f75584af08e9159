package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	_, a.cert, a.key = a.sign(t, "roots")
	return a
}

// sign makes a certificate of that common name for 127.0.0.1; the first is the authority's own.
func (a *authority) sign(t *testing.T, name string) (der []byte, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := a.cert, a.key
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = template, key
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer); err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return der, cert, key
}

// write puts a new certificate of that name and its key into files.
func (a *authority) write(t *testing.T, name, certFile, keyFile string) {
	t.Helper()
	der, _, key := a.sign(t, name)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", private)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The public face speaks TLS, knows whose certificates count, and shows a renewed certificate without a restart.
func TestPublicFaceSpeaksTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	servers, clients, strangers := newAuthority(t), newAuthority(t), newAuthority(t)
	servers.write(t, "first", file("cert"), file("key"))
	writePEM(t, file("roots"), "CERTIFICATE", clients.cert.Raw)
	cfg := Config{TLSCertFile: file("cert"), TLSKeyFile: file("key"), TLSClientCAFile: file("roots"),
		APIAuth: authTLS, APIClients: []string{"mill01"}, APIRate: 1000, APIMaxBytes: 1024}
	shown := publicCertificates(&cfg)
	looked, err := shown.load()
	if err != nil {
		t.Fatal(err)
	}
	renewed := looked[0]
	gate, err := newGate(&cfg, time.Now, newMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := plain.(tcpFace).Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	mux := http.NewServeMux()
	mux.Handle("/hlo_al", gate.wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })))
	mux.HandleFunc("/notify", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	go func() { ended <- shown.secure(plain).Serve(ctx, mux) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	// ask sends one request with the certificate of a name, and says what was answered and by whom.
	ask := func(path string, of *authority, name string) (code int, server string, err error) {
		roots := x509.NewCertPool()
		roots.AddCert(servers.cert)
		c := &tls.Config{RootCAs: roots}
		if of != nil {
			der, _, key := of.sign(t, name)
			mine := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mine, nil }
		}
		transport := &http.Transport{TLSClientConfig: c}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + address + path)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.TLS.PeerCertificates[0].Subject.CommonName, err
	}
	for _, c := range []struct {
		path string
		of   *authority
		name string
		want int
	}{
		{"/notify", nil, "", http.StatusNoContent},
		{"/hlo_al", nil, "", http.StatusUnauthorized},
		{"/hlo_al", clients, "mill01", http.StatusTeapot},
		{"/hlo_al", clients, "other", http.StatusForbidden},
	} {
		if code, server, err := ask(c.path, c.of, c.name); err != nil || code != c.want || server != "first" {
			t.Errorf("%s as %q: %d by %q, %v, want %d by first", c.path, c.name, code, server, err, c.want)
		}
	}
	if code, _, err := ask("/hlo_al", strangers, "mill01"); err == nil {
		t.Errorf("a certificate that nobody here knows was answered %d", code)
	}

	look := func() (news bool, err error) {
		for range 2 { // what changed counts when it is the same at two looks
			news, err = renewed.again(t.Context())
		}
		return news, err
	}
	servers.write(t, "second", file("cert"), file("unused"))
	if news, err := look(); !news || err == nil || !strings.HasPrefix(err.Error(), "TLS_CERT_FILE, TLS_KEY_FILE: ") {
		t.Errorf("a certificate without its key: news %v, %v", news, err)
	}
	if _, server, err := ask("/notify", nil, ""); server != "first" || err != nil {
		t.Errorf("after a bad renewal %q is shown, %v", server, err)
	}
	servers.write(t, "third", file("cert"), file("key"))
	if news, err := look(); !news || err != nil {
		t.Fatalf("a renewed certificate: news %v, %v", news, err)
	}
	if _, server, err := ask("/notify", nil, ""); server != "third" || err != nil {
		t.Errorf("after the renewal %q is shown, %v", server, err)
	}
}

// The listener of operators speaks TLS; probes need no certificate, everything else a
// known one. A public face that requires certificates talks to nobody without. What is
// renewed, certificate or roots, counts on both from the next connection on.
func TestEveryListenerKnowsCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	servers, clients, strangers := newAuthority(t), newAuthority(t), newAuthority(t)
	servers.write(t, "agent", file("cert"), file("key"))
	writePEM(t, file("roots"), "CERTIFICATE", clients.cert.Raw)
	cfg := Config{ListenAddr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", ListenConnections: 100,
		TLSCertFile: file("cert"), TLSKeyFile: file("key"), TLSClientCAFile: file("roots"), TLSClientRequired: true,
		OpsCertFile: file("cert"), OpsKeyFile: file("key"), OpsClientCAFile: file("roots")}
	registry, said := prometheus.NewRegistry(), make(lines, 100)
	public, ops, _, renewed, err := Outside{}.orReal().faces(&cfg, newMetrics(registry), slog.New(slog.NewTextHandler(said, nil)))
	if err != nil || len(renewed) != 2 {
		t.Fatal(len(renewed), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	h := newHealth()
	h.update(func(h *health) { h.listening = true })
	go func() {
		ended <- public.Serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	}()
	go func() { ended <- ops.Serve(ctx, opsHandler(registry, h, &cfg)) }()
	defer func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	}()
	type call struct {
		at   Face
		path string
		of   *authority
		want int // 0: no answer
	}
	check := func(server string, calls ...call) {
		t.Helper()
		for _, c := range calls {
			roots := x509.NewCertPool()
			roots.AddCert(servers.cert)
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
			if c.of != nil {
				der, _, key := c.of.sign(t, "caller")
				// Shown even where the server says that it knows no such authority.
				mine := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
				transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mine, nil }
			}
			code := 0
			resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + c.at.(tcpFace).Addr().String() + c.path)
			if err == nil {
				code = resp.StatusCode
				_ = resp.Body.Close()
				if resp.ProtoMajor != 1 {
					t.Errorf("%s: spoken in %s, in which a client that does not read keeps its connection", c.path, resp.Proto)
				}
				if shown := resp.TLS.PeerCertificates[0].Subject.CommonName; shown != server {
					t.Errorf("%s: %q is shown, want %q", c.path, shown, server)
				}
			}
			transport.CloseIdleConnections()
			if code != c.want {
				t.Errorf("%s: %d (%v), want %d", c.path, code, err, c.want)
			}
		}
	}
	check("agent",
		call{public, "/notify", nil, 0},
		call{public, "/notify", strangers, 0},
		call{public, "/notify", clients, http.StatusTeapot},
		call{ops, "/healthz", nil, http.StatusOK},
		call{ops, "/readyz", nil, http.StatusOK},
		call{ops, "/metrics", nil, http.StatusUnauthorized},
		call{ops, "/metrics", strangers, 0},
		call{ops, "/metrics", clients, http.StatusOK})

	// Certificate and roots are renewed: those of before are strangers now.
	servers.write(t, "renewed", file("cert"), file("key"))
	writePEM(t, file("roots"), "CERTIFICATE", strangers.cert.Raw)
	for _, r := range renewed {
		for range 2 { // what changed counts when it is the same at two looks
			if _, err := r.again(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	check("renewed",
		call{public, "/notify", nil, 0},
		call{public, "/notify", clients, 0},
		call{public, "/notify", strangers, http.StatusTeapot},
		call{ops, "/metrics", nil, http.StatusUnauthorized},
		call{ops, "/metrics", clients, 0},
		call{ops, "/metrics", strangers, http.StatusOK})
	said.wait(t, `level=WARN msg="http: TLS handshake error .* listener=public`, `level=WARN msg="http: TLS handshake error .* listener=ops`)
}

// lines hears what is logged.
type lines chan string

// Write implements io.Writer.
func (l lines) Write(text []byte) (int, error) {
	l <- string(text)
	return len(text), nil
}

// wait reads until each pattern matched a line, in whatever order they come.
func (l lines) wait(t *testing.T, patterns ...string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for len(patterns) > 0 {
		select {
		case line := <-l:
			patterns = slices.DeleteFunc(patterns, func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(line) })
		case <-deadline:
			t.Fatalf("no line in the log is like %q", patterns)
		}
	}
}
