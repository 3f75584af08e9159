package agent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const peerTimeout = 10 * time.Second // of a request to the shim

// validateNeighbours reports what is wrong with the settings for other domains.
func (c *Config) validateNeighbours(bad func(name, format string, args ...any)) {
	if c.PeerTokenURL != "" && (c.PeerClientID == "" || c.PeerSecret == "") {
		bad("HLO_OAUTH_TOKEN_URL", "needs HLO_OAUTH_CLIENT_ID and HLO_OAUTH_CLIENT_SECRET too")
	}
	if c.OverlaySecretFile != "" && c.ShimURL == "" {
		bad("OVERLAY_SECRET_FILE", "needs SHIM_URL too")
	}
	if u, err := url.Parse(c.ShimURL); c.ShimURL != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "") {
		bad("SHIM_URL", "%q must be an http:// or https:// address", c.ShimURL)
	}
}

// peerTransport carries requests to other domains: TLS with the configured roots
// and certificate, and a token by client credentials or from the shim, and after it
// the fence.
func (o Outside) peerTransport(cfg *Config) (http.RoundTripper, []*reload, error) {
	base, renewed := o.Peers, []*reload(nil)
	if base == nil {
		made, again, err := newOutgoing("peer_certificates", cfg.peerFiles())
		if err != nil {
			return nil, nil, err
		}
		base, renewed = made, again
	}
	way := o.lead.fence(base)
	bearer := &bearerTransport{base: way, now: o.Now}
	switch {
	case cfg.PeerTokenURL != "":
		bearer.fetch = clientCredentials("HLO_OAUTH_TOKEN_URL", base, cfg.PeerTokenURL, cfg.PeerClientID, cfg.PeerSecret)
	case cfg.ShimURL != "":
		shim := &shimTokens{&http.Client{Transport: base, Timeout: peerTimeout, CheckRedirect: sendOnNothing}, strings.TrimRight(cfg.ShimURL, "/") + "/token/hlo", o.Now}
		bearer.fetch = shim.token
	default:
		return way, renewed, nil
	}
	return &guarded{with: bearer, without: way}, renewed, nil
}

// guarded sends the token only where nobody can read it on the way: the address
// of a domain comes out of a broker.
type guarded struct{ with, without http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	ip := net.ParseIP(req.URL.Hostname())
	if req.URL.Scheme == "https" || req.URL.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return g.with.RoundTrip(req)
	}
	return g.without.RoundTrip(req)
}

// shimTokens asks the shim for tokens. It says no expiry, so that is read out
// of the token; one that says none either is used for a minute.
type shimTokens struct {
	client *http.Client
	url    string
	now    func() time.Time
}

// token asks once. Its errors never hold the token.
func (s *shimTokens) token(ctx context.Context) (*oauth2.Token, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("SHIM_URL: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the shim for a token: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the shim for a token: it answers %d", resp.StatusCode)
	}
	token := tokenIn(body)
	if token == "" {
		return nil, errors.New("ask the shim for a token: there is none in its answer")
	}
	expiry := s.now().Add(5 * time.Minute)
	if at := expiryOf(token); at.IsZero() {
		expiry = s.now().Add(time.Minute)
	} else if at.Before(expiry) {
		expiry = at
	}
	return &oauth2.Token{AccessToken: token, Expiry: expiry}, nil
}

// tokenIn finds the token in an answer; the first one after the shim's start is
// nested.
func tokenIn(body []byte) string {
	var answer struct {
		Token json.RawMessage `json:"token"`
		Long  string          `json:"access_token"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(answer.Token, &text) == nil && text != "" {
		return text
	}
	if len(answer.Token) > 0 {
		return tokenIn(answer.Token)
	}
	return answer.Long
}

// expiryOf reads exp out of a JWT; zero if there is none.
func expiryOf(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Exp == 0 {
		return time.Time{}
	}
	return time.Unix(claims.Exp, 0)
}
