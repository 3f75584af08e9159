package agent

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"time"
)

// Headers on a request that a copy forwards for a caller with a certificate.
const (
	callerHeader = "X-Hlo-Agent-Caller" // the certificate, as base64
	vouchHeader  = "X-Hlo-Agent-Vouch"  // shows that a copy sent it; see hop.vouchers
)

var errNoLeader = errors.New("no copy leads")

// hop is the way from copy to copy, to an address that a Lease says. With TLS the
// other end must show a certificate that this copy shows or has shown itself:
// addresses of pods are in no certificate.
type hop struct {
	http.RoundTripper
	shown *certificates // none: plain HTTP
}

func newHop(shown *certificates, way http.RoundTripper) *hop {
	h := &hop{way, shown}
	if way != nil {
		return h
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.Proxy, base.MaxIdleConnsPerHost = nil, 64
	base.DialContext = (&net.Dialer{Timeout: hopTime}).DialContext
	// The other end is verified by same, which knows it better than any root.
	base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: h.same,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if known := h.shown.known(); len(known) > 0 && h.shown.auth == tls.RequireAndVerifyClientCert {
				return &known[0], nil
			}
			return &tls.Certificate{}, nil
		}}
	h.RoundTripper = base
	return h
}

// errInClear: what would be handed on holds secrets.
var errInClear = errors.New("the copy that leads speaks plain HTTP, and this one TLS")

// RoundTrip implements http.RoundTripper. A copy that has a certificate sends nothing in clear, wherever a Lease or an
// answer says that the other one is.
func (h *hop) RoundTrip(req *http.Request) (*http.Response, error) {
	if h.shown != nil && h.shown.files[0].path != "" && req.URL.Scheme != "https" {
		if req.Body != nil {
			req.Body.Close() // a RoundTripper has to
		}
		return nil, errInClear
	}
	return h.RoundTripper.RoundTrip(req)
}

// same verifies that the other end is a copy of this agent.
func (h *hop) same(c tls.ConnectionState) error {
	if len(c.PeerCertificates) > 0 && slices.ContainsFunc(h.shown.known(), func(p tls.Certificate) bool {
		return hmac.Equal(p.Certificate[0], c.PeerCertificates[0].Raw)
	}) {
		return nil
	}
	return errors.New("the other copy shows another certificate than this one")
}

// vouchers show that the sender is a copy of this agent: they are derived from the
// private key of the public face, which nobody else has. The first is the newest.
func (h *hop) vouchers() []string {
	var all []string
	for _, pair := range h.shown.known() {
		key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		if err != nil {
			continue // a key that is no text, in hardware
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("a caller of another copy of this agent")) // never fails
		all = append(all, hex.EncodeToString(mac.Sum(nil)))
	}
	return all
}

// pack says in a request to another copy which certificate its caller showed.
func (h *hop) pack(out *http.Request, from *tls.ConnectionState) {
	out.Header.Del(callerHeader)
	out.Header.Del(vouchHeader)
	if from == nil || len(from.VerifiedChains) == 0 {
		return
	}
	if vouchers := h.vouchers(); len(vouchers) > 0 {
		out.Header.Set(callerHeader, base64.StdEncoding.EncodeToString(from.PeerCertificates[0].Raw))
		out.Header.Set(vouchHeader, vouchers[0])
	}
}

// unpack makes a request as it came to the copy that forwarded it. A certificate
// that nobody vouches for is not looked at.
func (h *hop) unpack(req *http.Request) {
	raw, vouch := req.Header.Get(callerHeader), req.Header.Get(vouchHeader)
	req.Header.Del(callerHeader)
	req.Header.Del(vouchHeader)
	if raw == "" || req.TLS == nil || !slices.ContainsFunc(h.vouchers(), func(v string) bool { return hmac.Equal([]byte(v), []byte(vouch)) }) {
		return
	}
	der, err := base64.StdEncoding.DecodeString(raw)
	if err != nil {
		return
	}
	if certificate, err := x509.ParseCertificate(der); err == nil {
		was := *req.TLS
		was.PeerCertificates, was.VerifiedChains = []*x509.Certificate{certificate}, [][]*x509.Certificate{{certificate}}
		req.TLS = &was
	}
}

// front answers in the place of the handlers of the public face while this copy does
// not lead. What it lets through ends with ctx.
func (s *service) front(ctx context.Context, next http.Handler) http.Handler {
	if !s.lead.elects {
		return next
	}
	forward := s.forward()
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		from := req.Header.Get(hopHeader)
		told := from == "" && req.URL.Path == "/notify" // which a copy that may lead no more takes in too: it changes nothing
		switch {
		case !s.lead.acts() && from != "", s.lead.acts() && !s.lead.sure() && !told:
			noLeader(w)
		case !s.lead.acts() && req.URL.Path == "/notify":
			s.receiver.ServeHTTP(w, req)
		case !s.lead.acts():
			forward.ServeHTTP(w, req)
		case from != "" && req.Header.Get(missedHeader) != "" && s.receiver.Authorized(req):
			s.log.Info("another copy may have let notifications go, listing everything", "copy", from)
			s.wantResync()
			w.WriteHeader(http.StatusNoContent)
		default:
			bound, cancel := context.WithCancel(req.Context())
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			req = req.WithContext(bound)
			s.hop.unpack(req)
			next.ServeHTTP(w, req)
		}
	})
}

// forward sends a request to the copy that leads, once.
func (s *service) forward() http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: s.hop,
		Rewrite: func(r *httputil.ProxyRequest) {
			_, address := nameAndAddress(s.lead.leader())
			if to, err := url.Parse(address); err == nil && address != "" {
				r.SetURL(to)
			} else {
				r.Out.URL.Host = "" // which is no address, so it is answered below
			}
			r.Out.Header.Set(hopHeader, s.lead.self)
			s.hop.pack(r.Out, r.In.TLS)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				tooLarge(large.Limit).write(w)
				return
			}
			s.log.Debug("a request could not be forwarded to the copy that leads", "err", err)
			noLeader(w)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if s.lead.leader() == "" || s.lead.leader() == s.lead.self {
			noLeader(w)
			return
		}
		req.Body = http.MaxBytesReader(w, req.Body, s.cfg.APIMaxBytes)
		proxy.ServeHTTP(w, req)
	})
}

func noLeader(w http.ResponseWriter) {
	problemDocument{Status: http.StatusServiceUnavailable, Type: "no-leader", Title: "No copy of the agent leads now",
		Detail: "One is about to be elected.", retryAfter: time.Second}.write(w)
}
