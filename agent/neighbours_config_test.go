package agent

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Another domain gets a token of the shim or of the token endpoint, over TLS
// that is checked against the configured roots.
func TestPeerTokens(t *testing.T) {
	t.Parallel()
	var heard []string
	domain := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard = append(heard, r.Header.Get("Authorization")) }))
	t.Cleanup(domain.Close)
	asked, answer := 0, ""
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"credentials","token_type":"Bearer","expires_in":300}`)
			return
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(issuer.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: domain.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	get := func(cfg Config, url string, times int) (header string, err error) {
		transport, _, err := Outside{}.orReal().peerTransport(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range times {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			resp, err := transport.RoundTrip(req)
			if err != nil {
				return "", err
			}
			_ = resp.Body.Close() // only the request matters
		}
		return heard[len(heard)-1], nil
	}
	jwt := "x." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(time.Hour).Unix())) + ".y"
	for name, c := range map[string]struct {
		cfg    Config
		answer string
		want   string
		asked  int
	}{
		"none":               {Config{PeerCAFile: roots}, "", "", 0},
		"client credentials": {Config{PeerCAFile: roots, PeerTokenURL: issuer.URL + "/token", PeerClientID: "HLO", PeerSecret: "s"}, "", "Bearer credentials", 1},
		"shim":               {Config{PeerCAFile: roots, ShimURL: issuer.URL}, `{"token":"` + jwt + `"}`, "Bearer " + jwt, 1},
		"shim, nested":       {Config{PeerCAFile: roots, ShimURL: issuer.URL + "/"}, `{"token":{"access_token":"inner"}}`, "Bearer inner", 1},
	} {
		asked, answer = 0, c.answer
		got, err := get(c.cfg, domain.URL, 3)
		if err != nil || got != c.want || asked != c.asked {
			t.Errorf("%s: sent %q after asking %d times (%v), want %q after %d", name, got, asked, err, c.want, c.asked)
		}
	}
	if _, err := get(Config{}, domain.URL, 1); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without its root the domain is trusted: %v", err)
	}
	answer = `{"token":{}}`
	if _, err := get(Config{PeerCAFile: roots, ShimURL: issuer.URL}, domain.URL, 1); err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("a shim without a token gives %v", err)
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The token goes nowhere that others can listen to.
func TestPeerTokenIsNotSentInClear(t *testing.T) {
	t.Parallel()
	say := func(word string) http.RoundTripper {
		return transportFunc(func(*http.Request) (*http.Response, error) { return &http.Response{Status: word}, nil })
	}
	g := &guarded{with: say("with"), without: say("without")}
	for url, want := range map[string]string{
		"https://mill01.example.org": "with", "http://127.0.0.1:8082": "with", "http://localhost": "with", "http://[::1]:1": "with",
		"http://mill01.example.org": "without", "http://10.0.0.1": "without", "http://localhost.example.org": "without",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := g.RoundTrip(req)
		if err != nil || resp.Status != want {
			t.Errorf("%s is asked %s the token (%v), want %s", url, resp.Status, err, want)
		}
	}
}
