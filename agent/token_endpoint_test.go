package agent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/peer"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/overlay"
)

// What a token endpoint says may repeat the secret; what is said of it does not.
func TestTokenErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	const id, secret = "agent", `hush&"hush+1`
	text, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	quoted, escaped := string(text), url.QueryEscape(secret)
	const refused, asJSON, asForm = "HTTP/1.0 400 x", "\r\nContent-Type: application/json", "\r\nContent-Type: text/plain"
	for _, c := range []struct{ name, head, body, want string }{
		{"described", refused + asJSON, `{"error":"invalid_client","error_description":` + quoted + `}`, "it answers 400 invalid_client"},
		{"its code", refused + asJSON, `{"error":` + quoted + `}`, "it answers 400"},
		{"its code, with success", "HTTP/1.0 200 OK" + asJSON, `{"error":` + quoted + `}`, "it answers 200"},
		{"no JSON", refused + asJSON, secret, "it answers 400"},
		{"no JSON, with success", "HTTP/1.0 200 OK" + asJSON, secret, "its answer is not as expected"},
		{"another type", "HTTP/1.0 200 OK" + asJSON, `{"access_token":{"x":` + quoted + `}}`, "its answer is not as expected"},
		{"a form", refused + asForm, "error=" + escaped, "it answers 400"},
		{"no form", "HTTP/1.0 200 OK" + asForm, "%zz" + escaped, "its answer is not as expected"},
		{"what was sent", refused, "", "it answers 400"},
		{"what was sent, as JSON", "HTTP/1.0 200 OK" + asJSON, "", "its answer is not as expected"},
		{"its reason", "HTTP/1.0 403 " + secret, "", "it answers 403"},
		{"a redirect", "HTTP/1.0 307 x\r\nLocation: http://127.0.0.1:1/" + escaped, "", "it answers 307, and redirects are not followed"},
		{"a wrong redirect", "HTTP/1.0 307 x\r\nLocation: http://%zz/" + escaped, "", ""},
		{"no HTTP", "HTTP/1.0 " + secret, "", ""},
		{"no HTTP, in base64", base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret))), "", ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := c.body
			if strings.HasPrefix(c.name, "what was sent") {
				got, err := httputil.DumpRequest(r, true)
				if err != nil {
					t.Error(err)
				}
				body = string(got)
			}
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, c.head+"\r\n\r\n"+body) // the caller went away
		}))
		_, err := clientCredentials("CB_OAUTH_TOKEN_URL", http.DefaultTransport, server.URL, id, secret)(t.Context())
		server.Close()
		if err == nil || !strings.HasPrefix(err.Error(), "CB_OAUTH_TOKEN_URL: ask for a token: "+c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			continue
		}
		for _, part := range []string{"hush", "aHVzaCY", "aHVzaCUy", "YWdlbnQ6"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is in %v", c.name, part, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := clientCredentials("CB_OAUTH_TOKEN_URL", http.DefaultTransport, "http://127.0.0.1:1", id, secret)(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cut off: %v", err)
	}
}

// Whoever answers with a redirect does not have secrets sent where it says.
func TestNothingIsSentOn(t *testing.T) {
	t.Parallel()
	away, heard := listener(t)
	for _, code := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, away+r.URL.Path, code)
		}))
		t.Cleanup(here.Close)
		set, err := systems.New([]byte("systems: [{name: SDN-C, kind: service, url: "+here.URL+", reserveUrl: "+here.URL+"}]"), systems.Config{})
		if err != nil {
			t.Fatal(err)
		}
		o := Outside{}.orReal()
		broker := func(cfg Config) error {
			cfg.BrokerURL = here.URL
			client, _, err := o.client(&cfg, nil)
			if err != nil {
				return err
			}
			return client.Merge(t.Context(), "urn:c", map[string]any{"x": 1})
		}
		domain := func(cfg Config) error {
			way, _, err := o.peerTransport(&cfg)
			if err != nil {
				return err
			}
			return peer.NewClient(way).Allocate(t.Context(), here.URL, &allocation.Allocation{Component: "urn:c", Service: "urn:s", Image: "i", Password: "hush"})
		}
		leads := newLead(true)
		name := "copy@" + here.URL
		leads.holder.Store(&name)
		for who, c := range map[string]struct {
			send func() error
			want string
		}{
			"broker": {func() error { return broker(Config{}) }, strconv.Itoa(code)},
			"domain": {func() error { return domain(Config{}) }, strconv.Itoa(code)},
			"the broker's issuer": {func() error {
				return broker(Config{OAuthTokenURL: here.URL + "/token", OAuthClientID: "a", OAuthSecret: "hush"})
			}, "CB_OAUTH_TOKEN_URL"},
			"the domains' issuer": {func() error {
				return domain(Config{PeerTokenURL: here.URL + "/token", PeerClientID: "a", PeerSecret: "hush"})
			}, "HLO_OAUTH_TOKEN_URL"},
			"the shim, for tokens": {func() error { return domain(Config{ShimURL: here.URL}) }, strconv.Itoa(code)},
			"the shim": {func() error {
				return overlay.NewShim(here.URL, http.DefaultTransport).Configure(t.Context(), "urn:s", netip.MustParsePrefix("10.13.7.0/24"), nil)
			}, strconv.Itoa(code)},
			"a system": {func() error {
				return set.Reserver("p").Reserve(t.Context(), homing.Reservation{Name: "hold_a", Controller: "SDN-C"}, "c1")
			}, strconv.Itoa(code)},
			"another copy": {func() error {
				return newRelay(leads, http.DefaultTransport, func() []string { return []string{"hush"} }, nil).send(t.Context(), []byte("{}"), false)
			}, strconv.Itoa(code)},
		} {
			err := c.send()
			if got := heard(); err == nil || !strings.Contains(err.Error(), c.want) || len(got) > 0 {
				t.Errorf("%s, %d: %v arrived elsewhere, and it ended with %v; want %s", who, code, got, err, c.want)
			}
		}
	}
}
