package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// What API_AUTH may say.
const (
	authOIDC = "oidc" // a bearer token
	authTLS  = "mtls" // a client certificate that the listener has verified
	authAny  = "any"  // either of them
	authBoth = "both" // both of them
	authOff  = "off"  // everybody may call
)

var authModes = []string{authOIDC, authTLS, authAny, authBoth, authOff}

// gate stands before everything that others may ask of us: it knows the caller,
// and keeps each within its rate and size. While API_AUTH is not set it lets
// nobody in. It answers 403 then, not 404: to a neighbour 404 says that a
// component is gone.
type gate struct {
	mode    string
	tokens  *tokens  // nil where none are taken
	names   []string // of certificates that may call; none: all
	limits  *callers
	most    int64 // bytes of a body
	metrics *metrics
	log     *slog.Logger
}

func newGate(cfg *Config, now func() time.Time, m *metrics, log *slog.Logger) (*gate, error) {
	g := &gate{mode: cfg.APIAuth, names: cfg.APIClients, limits: newCallers(cfg.APIRate, now), most: cfg.APIMaxBytes, metrics: m, log: log}
	switch cfg.APIAuth {
	case authOIDC, authAny, authBoth:
		var err error
		if g.tokens, err = newTokens(cfg, now); err != nil {
			return nil, err
		}
	case authOff:
		m.authOff.Set(1)
		log.Warn("API_AUTH is off: everybody who reaches this address may place and remove components")
	case "":
		log.Info("API_AUTH is not set: requests of other domains are refused")
	}
	return g, nil
}

// Why a request is not let in.
var (
	errNoCredentials = errors.New("no credentials")                  // 401
	errNotCounted    = errors.New("the credentials do not count")    // 401
	errNotAllowed    = errors.New("the caller may not do this")      // 403
	errCannotCheck   = errors.New("the token cannot be checked now") // 503
)

// wrap puts the gate before next. It limits the body, whose reading then fails
// with a *http.MaxBytesError.
func (g *gate) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.mode == "" {
			g.refuse(w, "closed", problemDocument{Status: http.StatusForbidden, Type: "closed", Title: "This interface is closed",
				Detail: "API_AUTH is not set on this agent, so it takes no requests of others."})
			return
		}
		caller, err := g.identify(r)
		if err != nil {
			g.turnAway(w, err)
			return
		}
		if wait := g.limits.take(caller); wait > 0 {
			g.refuse(w, "rate", problemDocument{Status: http.StatusTooManyRequests, Type: "rate", Title: "Too many requests",
				Detail: "This caller asks more often than it may.", retryAfter: wait})
			return
		}
		if r.ContentLength > g.most {
			g.refuse(w, "size", tooLarge(g.most))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, g.most)
		next.ServeHTTP(w, r)
	})
}

func tooLarge(most int64) problemDocument {
	return problemDocument{Status: http.StatusRequestEntityTooLarge, Type: "too-large", Title: "The body is too large",
		Detail: fmt.Sprintf("At most %d bytes are taken.", most)}
}

func (g *gate) refuse(w http.ResponseWriter, reason string, p problemDocument) {
	g.metrics.apiRefused.WithLabelValues(reason).Inc()
	p.write(w)
}

func (g *gate) turnAway(w http.ResponseWriter, err error) {
	g.log.Debug("a caller was turned away", "err", err)
	switch {
	case errors.Is(err, errCannotCheck):
		g.refuse(w, "unavailable", problemDocument{Status: http.StatusServiceUnavailable, Type: "issuer-unavailable",
			Title: "The token cannot be checked now", retryAfter: tokenRetry})
	case errors.Is(err, errNotAllowed):
		g.refuse(w, "forbidden", problemDocument{Status: http.StatusForbidden, Type: "forbidden", Title: "This caller may not do this",
			Detail: "The token has none of the roles, or the certificate none of the names, that may."})
	case errors.Is(err, errNoCredentials):
		w.Header().Set("WWW-Authenticate", `Bearer realm="hlo-agent"`)
		g.refuse(w, "unauthenticated", problemDocument{Status: http.StatusUnauthorized, Type: "unauthenticated", Title: "Credentials are needed",
			Detail: "Needed: " + needed[g.mode] + "."})
	default:
		w.Header().Set("WWW-Authenticate", `Bearer realm="hlo-agent", error="invalid_token"`)
		g.refuse(w, "unauthenticated", problemDocument{Status: http.StatusUnauthorized, Type: "unauthenticated", Title: "These credentials do not count",
			Detail: "The token is malformed, expired, of another issuer, for another audience, or not signed by the issuer."})
	}
}

var needed = map[string]string{
	authOIDC: "a bearer token", authTLS: "a client certificate",
	authAny: "a bearer token or a client certificate", authBoth: "a bearer token and a client certificate",
}

// identify names the caller. Names of different kinds never meet.
func (g *gate) identify(r *http.Request) (caller string, err error) {
	switch g.mode {
	case authOff:
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		return "address " + host, nil
	case authTLS:
		return g.byCertificate(r)
	case authOIDC:
		return g.byToken(r)
	case authAny:
		caller, err = g.byCertificate(r)
		if errors.Is(err, errNoCredentials) || (errors.Is(err, errNotAllowed) && bearer(r) != "") {
			return g.byToken(r)
		}
		return caller, err
	}
	if _, err := g.byCertificate(r); err != nil {
		return "", err
	}
	return g.byToken(r)
}

// byCertificate names the caller by the certificate that the listener verified.
// One that it only received counts for nothing.
func (g *gate) byCertificate(r *http.Request) (string, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.PeerCertificates) == 0 {
		return "", errNoCredentials
	}
	c := r.TLS.PeerCertificates[0]
	names := slices.Concat([]string{c.Subject.CommonName}, c.DNSNames)
	if len(g.names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return n != "" && slices.Contains(g.names, n) }) {
		return "", errNotAllowed
	}
	return "certificate " + c.Subject.String(), nil
}

func (g *gate) byToken(r *http.Request) (string, error) {
	token := bearer(r)
	if token == "" {
		return "", errNoCredentials
	}
	return g.tokens.check(r.Context(), ngsild.Secret(token))
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// readBody reads a request's body within what the gate allows. ok is false when
// the refusal is written already.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		tooLarge(large.Limit).write(w)
	case err != nil && !errors.Is(err, context.Canceled):
		problemDocument{Status: http.StatusBadRequest, Type: "unreadable", Title: "The body could not be read"}.write(w)
	}
	return body, err == nil
}
