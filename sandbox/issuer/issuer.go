// Package issuer is an OpenID Connect issuer for tests and for the sandbox: it
// publishes its keys, signs whatever token it is asked for, and changes its key
// on demand. It asks nobody for a password.
package issuer

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is that of the tokens unless their claims say otherwise.
const Audience = "hlo-agent"

// Issuer is an http.Handler for what is below its URL. Safe for concurrent use.
type Issuer struct {
	url string
	now func() time.Time

	mu    sync.Mutex
	key   *rsa.PrivateKey
	id    int
	fetch int
}

// New makes an issuer that is reached at url, without a slash at its end.
func New(url string, now func() time.Time) (*Issuer, error) {
	i := &Issuer{url: url, now: now}
	return i, i.Rotate()
}

// URL is the issuer's name.
func (i *Issuer) URL() string { return i.url }

// Rotate takes a new key into use; the one before is published no longer.
func (i *Issuer) Rotate() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = key
	i.id++
	return nil
}

// Public is the key that is published now.
func (i *Issuer) Public() crypto.PublicKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key.Public()
}

// KeyFetches is how often the keys were asked for.
func (i *Issuer) KeyFetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetch
}

// Token signs claims; what they lack is filled in so that the token counts for
// five minutes and has the given role. A claim that is nil is left out.
func (i *Issuer) Token(role string, claims map[string]any) (string, error) {
	now := i.now()
	all := map[string]any{
		"iss": i.url, "aud": Audience, "sub": "service-account-hlo", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"realm_access": map[string]any{"roles": []string{"offline_access", role}},
	}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	i.mu.Lock()
	key := jose.JSONWebKey{Key: i.key, KeyID: fmt.Sprint("key-", i.id), Algorithm: string(jose.RS256)}
	i.mu.Unlock()
	return Sign(jose.RS256, key, payload)
}

// Sign makes a compact token of a payload.
func Sign(algorithm jose.SignatureAlgorithm, key any, payload []byte) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed.CompactSerialize()
}

// ServeHTTP answers for the discovery document and the keys.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/keys", "authorization_endpoint": i.url + "/auth", "token_endpoint": i.url + "/token",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		}
	case "/keys":
		i.mu.Lock()
		i.fetch++
		answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: fmt.Sprint("key-", i.id), Algorithm: string(jose.RS256), Use: "sig"}}}
		i.mu.Unlock()
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client went away
}
