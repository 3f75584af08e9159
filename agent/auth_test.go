package agent

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hlo-agent/hlo-agent/sandbox/issuer"
)

// doorstep is a gate with what stands around it in a test.
type doorstep struct {
	*gate
	t      *testing.T
	issuer *issuer.Issuer
	down   atomic.Bool // the issuer answers 503
	clock  atomic.Int64
	inside atomic.Int64
}

func newDoorstep(t *testing.T, change func(*Config)) *doorstep {
	t.Helper()
	d := &doorstep{t: t}
	d.clock.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		d.issuer.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	if d.issuer, err = issuer.New(server.URL, d.now); err != nil {
		t.Fatal(err)
	}
	cfg := Config{APIAuth: authOIDC, OIDCIssuer: server.URL, OIDCAudience: issuer.Audience, OIDCRoles: []string{"HLO"}, APIRate: 1000, APIMaxBytes: 1024}
	if change != nil {
		change(&cfg)
	}
	if d.gate, err = newGate(&cfg, d.now, newMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *doorstep) now() time.Time { return time.Unix(0, d.clock.Load()) }

// knock sends a request and gives the answer.
func (d *doorstep) knock(change func(*http.Request)) *http.Response {
	d.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/hlo_al/services/urn:s", strings.NewReader("{}"))
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	d.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := readBody(w, r); ok {
			d.inside.Add(1)
		}
	})).ServeHTTP(w, r)
	return w.Result()
}

func (d *doorstep) token(role string, claims map[string]any) string {
	d.t.Helper()
	token, err := d.issuer.Token(role, claims)
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

func with(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// TestTokens: what counts, and everything that does not.
func TestTokens(t *testing.T) {
	t.Parallel()
	d := newDoorstep(t, nil)
	now := d.now()
	payload := func(claims map[string]any) []byte {
		parts := strings.Split(d.token("HLO", claims), ".")
		text, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload(nil)) + "."
	other, err := issuer.New(d.issuer.URL(), d.now) // says it is the same, and has another key
	if err != nil {
		t.Fatal(err)
	}
	forged, err := other.Token("HLO", nil)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(d.issuer.Public())
	if err != nil {
		t.Fatal(err)
	}
	shared := func(key []byte) string {
		text, err := issuer.Sign(jose.HS256, jose.JSONWebKey{Key: key, KeyID: "key-1"}, payload(nil))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := d.token("HLO", nil)
	altered := strings.Split(good, ".")
	altered[1] = base64.RawURLEncoding.EncodeToString(payload(map[string]any{"sub": "someone else"}))
	for _, c := range []struct {
		name, token string
		want        int
	}{
		{"good", good, 200},
		{"one of several audiences", d.token("HLO", map[string]any{"aud": []string{"account", issuer.Audience}}), 200},
		{"without the role", d.token("offline", nil), 403},
		{"role of another kind", d.token("x", map[string]any{"roles": []string{"HLO"}, "resource_access": map[string]any{"hlo": map[string]any{"roles": []string{"HLO"}}}}), 403},
		{"no roles at all", d.token("x", map[string]any{"realm_access": nil}), 403},
		{"expired", d.token("HLO", map[string]any{"exp": now.Add(-time.Second).Unix()}), 401},
		{"no expiry", d.token("HLO", map[string]any{"exp": nil}), 401},
		{"not yet", d.token("HLO", map[string]any{"nbf": now.Add(time.Hour).Unix()}), 401},
		{"another audience", d.token("HLO", map[string]any{"aud": "another"}), 401},
		{"no audience", d.token("HLO", map[string]any{"aud": nil}), 401},
		{"another issuer", d.token("HLO", map[string]any{"iss": "https://evil.example.org"}), 401},
		{"no issuer", d.token("HLO", map[string]any{"iss": nil}), 401},
		{"unsigned", unsigned, 401},
		{"signature of another key", forged, 401},
		{"public key as a shared one, PEM", shared(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})), 401},
		{"public key as a shared one, DER", shared(public), 401},
		{"altered", strings.Join(altered, "."), 401},
		{"cut", good[:len(good)-8], 401},
		{"no token", "x.y.z", 401},
		{"roles of a wrong type", d.token("HLO", map[string]any{"realm_access": "HLO"}), 401},
	} {
		resp := d.knock(with(c.token))
		if resp.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", c.name, resp.StatusCode, c.want)
		}
		if c.want != 200 {
			checkProblem(t, c.name, resp, c.token)
		}
		if c.want == 401 && !strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s: WWW-Authenticate %q", c.name, resp.Header.Get("WWW-Authenticate"))
		}
	}
	if n := d.inside.Load(); n != 2 {
		t.Errorf("%d requests were let in, want 2", n)
	}
	for name, change := range map[string]func(*http.Request){
		"nothing": nil,
		"basic":   func(r *http.Request) { r.SetBasicAuth("a", "b") },
		"empty":   func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
		"a certificate that nobody verified": func(r *http.Request) {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		},
	} {
		if resp := d.knock(change); resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != `Bearer realm="hlo-agent"` {
			t.Errorf("%s: %d %q", name, resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
	}
}

// checkProblem wants a problem document that quotes nothing of a secret.
func checkProblem(t *testing.T, name string, resp *http.Response, secrets ...string) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p problemDocument
	if err := json.Unmarshal(body, &p); err != nil || p.Status != resp.StatusCode || p.Title == "" || !strings.HasPrefix(p.Type, problemBase) {
		t.Errorf("%s: no problem document: %v %s", name, err, body)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s: Content-Type %q", name, got)
	}
	for _, secret := range secrets {
		if len(secret) > 5 && strings.Contains(string(body), secret) {
			t.Errorf("%s: the answer quotes what was sent: %s", name, body)
		}
	}
}

// TestKeysRotate: a token of the new key counts at once, one of the old no more,
// and strangers cannot have the issuer asked without end. "At once" leaves the
// library a moment: it tells those who wait for the keys before it keeps them.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	d := newDoorstep(t, nil)
	old := d.token("HLO", nil)
	if got := d.knock(with(old)).StatusCode; got != 200 {
		t.Fatal(got)
	}
	if err := d.issuer.Rotate(); err != nil {
		t.Fatal(err)
	}
	soon := func(what, token string, want int) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			got := d.knock(with(token)).StatusCode
			if got == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d, want %d", what, got, want)
			}
		}
	}
	soon("a token of the new key", d.token("HLO", nil), 200)
	soon("a token of the key before", old, 401)
	for range 200 {
		if got := d.knock(with(old)).StatusCode; got == 200 {
			t.Fatal("let in")
		}
	}
	if n := d.issuer.KeyFetches(); n > 20 {
		t.Errorf("the keys were fetched %d times for 200 forged tokens", n)
	}
	if got := d.knock(with(d.token("HLO", nil))).StatusCode; got != 200 {
		t.Errorf("a good token after the flood: %d", got)
	}
}

// TestIssuerDown: nobody is let in, and it is not the callers' fault.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	d := newDoorstep(t, nil)
	d.down.Store(true)
	good := d.token("HLO", nil)
	for range 2 {
		resp := d.knock(with(good))
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "5" {
			t.Errorf("%d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		checkProblem(t, "down", resp, good)
	}
	d.down.Store(false)
	if got := d.knock(with(good)).StatusCode; got != 503 {
		t.Errorf("asked again at once: %d", got)
	}
	d.clock.Add(int64(tokenRetry))
	if got := d.knock(with(good)).StatusCode; got != 200 {
		t.Errorf("back: %d", got)
	}
	d.down.Store(true)
	if got := d.knock(with(good)).StatusCode; got != 200 {
		t.Errorf("down again, with a key that is known: %d", got)
	}
	if err := d.issuer.Rotate(); err != nil {
		t.Fatal(err)
	}
	if got := d.knock(with(d.token("HLO", nil))).StatusCode; got != 503 {
		t.Errorf("down, with a key that is not known: %d", got)
	}
}

// TestCertificates goes through every mode.
func TestCertificates(t *testing.T) {
	t.Parallel()
	certificate := func(name string, verified bool) func(*http.Request) {
		return func(r *http.Request) {
			c := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
			if verified {
				r.TLS.VerifiedChains = [][]*x509.Certificate{{c}}
			}
		}
	}
	both := func(changes ...func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) {
			for _, change := range changes {
				change(r)
			}
		}
	}
	for _, mode := range []string{authTLS, authAny, authBoth, authOIDC, authOff, ""} {
		d := newDoorstep(t, func(c *Config) { c.APIAuth, c.APIClients = mode, []string{"mill01"} })
		token := func(*http.Request) {}
		if mode != authTLS && mode != authOff && mode != "" {
			token = with(d.token("HLO", nil))
		}
		want := map[string][]int{ // nothing, unverified, wrong name, right name, token, right name and token, wrong name and token
			authTLS: {401, 401, 403, 200}, authAny: {401, 401, 403, 200, 200, 200, 200}, authBoth: {401, 401, 403, 401, 401, 200, 403},
			authOIDC: {401, 401, 401, 401, 200, 200, 200}, authOff: {200, 200, 200, 200}, "": {403, 403, 403, 403},
		}[mode]
		for i, change := range []func(*http.Request){nil, certificate("mill01", false), certificate("other", true), certificate("mill01", true),
			token, both(certificate("mill01", true), token), both(certificate("other", true), token)} {
			if i >= len(want) {
				break
			}
			if got := d.knock(change).StatusCode; got != want[i] {
				t.Errorf("API_AUTH=%s, case %d: %d, want %d", mode, i, got, want[i])
			}
		}
	}
}

func TestRateAndSize(t *testing.T) {
	t.Parallel()
	d := newDoorstep(t, func(c *Config) { c.APIAuth, c.APIRate = authOff, 5 })
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr = address + ":1234" }
	}
	for i := range 12 {
		resp := d.knock(from("192.0.2.1"))
		want := 200
		if i >= 10 {
			want = 429
		}
		if resp.StatusCode != want || (want == 429 && resp.Header.Get("Retry-After") != "1") {
			t.Errorf("request %d: %d, want %d, Retry-After %q", i, resp.StatusCode, want, resp.Header.Get("Retry-After"))
		}
	}
	if got := d.knock(from("192.0.2.2")).StatusCode; got != 200 {
		t.Errorf("another caller: %d", got)
	}
	d.clock.Add(int64(time.Second))
	if got := d.knock(from("192.0.2.1")).StatusCode; got != 200 {
		t.Errorf("a second later: %d", got)
	}
	for i := range 2 * mostCallers {
		d.knock(from(fmt.Sprintf("198.51.%d.%d", i/256, i%256)))
	}
	if n := len(d.limits.byName); n > mostCallers || d.limits.recent.Len() != n {
		t.Errorf("%d callers are remembered", n)
	}
	before := d.inside.Load()
	for name, body := range map[string]io.Reader{"said": strings.NewReader(strings.Repeat("x", 2000)), "not said": io.MultiReader(strings.NewReader(strings.Repeat("x", 2000)))} {
		resp := d.knock(func(r *http.Request) {
			n := httptest.NewRequest(http.MethodPost, "/", body)
			r.Body, r.ContentLength = n.Body, n.ContentLength
		})
		if resp.StatusCode != 413 {
			t.Errorf("a large body, its length %s: %d", name, resp.StatusCode)
		}
		checkProblem(t, name, resp)
	}
	if d.inside.Load() != before {
		t.Error("a body that is too large was read")
	}
}
