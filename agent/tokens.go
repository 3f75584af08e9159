package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// tokenRetry is how long an issuer that gave no answer is not asked again.
const tokenRetry = 5 * time.Second

// tokens checks bearer tokens of one OIDC issuer. The issuer is asked for its
// keys when the first token comes, and when one is signed by an unknown key;
// how often is limited, since anybody can name a key. Safe for concurrent use.
type tokens struct {
	issuer string
	roles  []string // one of them is needed; "*": none is
	config oidc.Config
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	keys    oidc.KeySet
	askedAt time.Time // when the issuer last gave no answer
}

// signatures are those by key pairs: a public key must never pass for a shared one.
var signatures = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

func newTokens(cfg *Config, now func() time.Time) (*tokens, error) {
	base, err := rootsTransport("OIDC_CA_FILE", cfg.OIDCCAFile)
	if err != nil {
		return nil, err
	}
	return &tokens{
		issuer: cfg.OIDCIssuer, roles: cfg.OIDCRoles, now: now,
		config: oidc.Config{ClientID: cfg.OIDCAudience, SupportedSigningAlgs: signatures, Now: now},
		client: &http.Client{Timeout: 5 * time.Second, Transport: &issuerTransport{base: base, limit: rate.NewLimiter(1, 10)}},
	}, nil
}

// check names the caller of a token that counts and has one of the roles.
func (t *tokens) check(ctx context.Context, token ngsild.Secret) (caller string, err error) {
	keys, err := t.keySet(ctx)
	if err != nil {
		return "", err
	}
	tried := &attempt{keys: keys}
	verified, err := oidc.NewVerifier(t.issuer, tried, &t.config).Verify(ctx, string(token))
	switch {
	case tried.failed:
		return "", errCannotCheck
	case err != nil:
		return "", errNotCounted // the library's message quotes the claims
	}
	var claims struct {
		Realm struct {
			Roles []string `json:"roles"`
		} `json:"realm_access"`
	}
	if err := verified.Claims(&claims); err != nil {
		return "", errNotCounted
	}
	if !slices.Contains(t.roles, "*") && !slices.ContainsFunc(claims.Realm.Roles, func(r string) bool { return slices.Contains(t.roles, r) }) {
		return "", errNotAllowed
	}
	return "token " + verified.Subject, nil
}

// keySet finds out where the issuer's keys are, once.
func (t *tokens) keySet(ctx context.Context) (oidc.KeySet, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys != nil {
		return t.keys, nil
	}
	if since := t.now().Sub(t.askedAt); since >= 0 && since < tokenRetry {
		return nil, errCannotCheck
	}
	// The first caller asks for all: that it goes away must not make it fail.
	asking := oidc.ClientContext(context.WithoutCancel(ctx), t.client)
	provider, err := oidc.NewProvider(asking, t.issuer)
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err == nil {
		err = provider.Claims(&document)
	}
	if err == nil && document.Keys == "" {
		err = errors.New("it names no keys")
	}
	if err != nil {
		t.askedAt = t.now()
		return nil, fmt.Errorf("%w: ask the issuer: %w", errCannotCheck, err)
	}
	t.keys = oidc.NewRemoteKeySet(asking, document.Keys)
	return t.keys, nil
}

// attempt remembers whether the keys could not be had, which the library's
// verifier does not pass on.
type attempt struct {
	keys   oidc.KeySet
	failed bool
}

// VerifySignature implements oidc.KeySet.
func (a *attempt) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.keys.VerifySignature(ctx, token)
	a.failed = errors.Is(err, errIssuer) || (err != nil && ctx.Err() != nil)
	return payload, err
}

// issuerTransport tells an issuer that does not answer from a token that does
// not count, and keeps strangers from making us ask without end.
type issuerTransport struct {
	base  http.RoundTripper
	limit *rate.Limiter
}

var errIssuer = errors.New("no answer of the issuer")

// RoundTrip implements http.RoundTripper.
func (t *issuerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.limit.Allow() {
		return nil, fmt.Errorf("%w: asked too often", errIssuer)
	}
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIssuer, err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close() // what it says is of no use
		return nil, fmt.Errorf("%w: it answers %s", errIssuer, resp.Status)
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, 1<<20)
	return resp, nil
}
