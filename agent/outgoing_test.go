package agent

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// knowing is a server that lets in who shows a certificate of an authority, and
// remembers whose it was.
func knowing(t *testing.T, servers, clients *authority) (url string, last func() string) {
	t.Helper()
	who := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who <- r.TLS.PeerCertificates[0].Subject.CommonName
		_, _ = w.Write([]byte(`{"id":"urn:x:1","type":"ServiceComponent"}`))
	}))
	der, _, key := servers.sign(t, "server")
	pool := x509.NewCertPool()
	pool.AddCert(clients.cert)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, func() string { return <-who }
}

// The broker and other domains are shown a certificate, and the renewed one without a
// restart; roots are renewed likewise. What is wrong never replaces what is right.
func TestCertificatesTowardsOthers(t *testing.T) {
	t.Parallel()
	servers, clients := newAuthority(t), newAuthority(t)
	url, last := knowing(t, servers, clients)
	file := func(dir, name string) string { return filepath.Join(dir, name) }
	for name, make := range map[string]func(dir string) (send func() error, renewed []*reload){
		"broker": func(dir string) (func() error, []*reload) {
			cfg := Config{BrokerURL: url, BrokerCAFile: file(dir, "roots"), BrokerCertFile: file(dir, "cert"), BrokerKeyFile: file(dir, "key")}
			client, renewed, err := Outside{}.orReal().client(&cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			return func() error { _, err := client.Entity(t.Context(), ngsild.EntityID("urn:x:1")); return err }, renewed
		},
		"peer": func(dir string) (func() error, []*reload) {
			cfg := Config{PeerCAFile: file(dir, "roots"), PeerCertFile: file(dir, "cert"), PeerKeyFile: file(dir, "key")}
			transport, renewed, err := Outside{}.orReal().peerTransport(&cfg)
			if err != nil {
				t.Fatal(err)
			}
			return func() error {
				resp, err := (&http.Client{Transport: transport}).Get(url)
				if err == nil {
					_ = resp.Body.Close()
				}
				return err
			}, renewed
		},
	} {
		dir := t.TempDir()
		clients.write(t, "first", file(dir, "cert"), file(dir, "key"))
		writePEM(t, file(dir, "roots"), "CERTIFICATE", servers.cert.Raw)
		send, renewed := make(dir)
		expect := func(when, want string) {
			t.Helper()
			if err := send(); err != nil {
				t.Fatalf("%s, %s: %v", name, when, err)
			}
			if got := last(); got != want {
				t.Errorf("%s, %s: %q was shown, want %q", name, when, got, want)
			}
		}
		look := func() (news bool, err error) {
			for range 2 { // what changed counts when it is the same at two looks
				news, err = renewed[0].again(t.Context())
			}
			return news, err
		}
		expect("at first", "first")
		clients.write(t, "second", file(dir, "cert"), file(dir, "unused"))
		if news, err := look(); !news || err == nil || !strings.Contains(err.Error(), "_CERT_FILE, ") {
			t.Errorf("%s: a certificate without its key: news %v, %v", name, news, err)
		}
		expect("after a bad renewal", "first")
		clients.write(t, "third", file(dir, "cert"), file(dir, "key"))
		if news, err := look(); !news || err != nil {
			t.Errorf("%s: a renewed certificate: news %v, %v", name, news, err)
		}
		expect("after the renewal", "third")
		writePEM(t, file(dir, "roots"), "CERTIFICATE", clients.cert.Raw)
		if news, err := look(); !news || err != nil {
			t.Errorf("%s: other roots: news %v, %v", name, news, err)
		}
		if err := send(); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: a server of another authority: %v", name, err)
		}
	}
}

func TestOutgoingSettings(t *testing.T) {
	t.Parallel()
	_, err := load(t, map[string]string{"CB_URL": "b", "NOTIFICATION_URL": "http://a/notify", "CB_CERT_FILE": "x", "HLO_KEY_FILE": "y",
		"CB_TOKEN": "t", "CB_TOKEN_FILE": "f", "OPS_TLS_CERT_FILE": "z", "TLS_CLIENT_REQUIRED": "true", "LISTEN_FROM": "10.0.0.0/8,here", "LISTEN_MAX_CONNECTIONS": "1"})
	for _, want := range []string{"CB_CERT_FILE: needs CB_KEY_FILE", "HLO_CERT_FILE: needs HLO_KEY_FILE", "CB_TOKEN: set one of",
		"OPS_TLS_CERT_FILE: needs OPS_TLS_KEY_FILE", "TLS_CLIENT_REQUIRED: needs TLS_CLIENT_CA_FILE", `LISTEN_FROM: ["10.0.0.0/8" "here"] must be`, "LISTEN_MAX_CONNECTIONS: 1 must be"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want in it %q", err, want)
		}
	}
}
