package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync/atomic"
)

// outgoing carries requests with the roots that it trusts and the certificate that
// it shows in files. They are read again when the files change, and the next
// request goes by a new connection. Safe for concurrent use.
type outgoing struct {
	files   [3]pemFile // roots, certificate and key; any may have no path
	current atomic.Pointer[http.Transport]
}

// newOutgoing reads the files for the first time. Without a path the roots are the
// system's, and there is no certificate; without any there is nothing to look at
// again.
func newOutgoing(what string, files [3]pemFile) (*outgoing, []*reload, error) {
	o := &outgoing{files: files}
	digest, take := o.look(context.Background())
	if err := take(context.Background()); err != nil {
		return nil, nil, err
	}
	if files == [3]pemFile{{files[0].setting, ""}, {files[1].setting, ""}, {files[2].setting, ""}} {
		return o, nil, nil
	}
	return o, []*reload{{what: what, look: o.look, used: digest, seen: digest}}, nil
}

// RoundTrip implements http.RoundTripper.
func (o *outgoing) RoundTrip(r *http.Request) (*http.Response, error) {
	return o.current.Load().RoundTrip(r)
}

// CloseIdleConnections is for http.Client.
func (o *outgoing) CloseIdleConnections() { o.current.Load().CloseIdleConnections() }

// look is one look at the files; see reload.
func (o *outgoing) look(context.Context) (string, func(context.Context) error) {
	texts, digest, err := readPEM(o.files[:])
	if err != nil {
		return failed(err)
	}
	return digest, func(context.Context) error { return o.take(texts[0], texts[1], texts[2]) }
}

// take uses the texts from the next request on.
func (o *outgoing) take(roots, cert, key []byte) error {
	made := http.DefaultTransport.(*http.Transport).Clone()
	made.MaxIdleConnsPerHost = 64
	made.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.files[0].path != "" {
		made.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !made.TLSClientConfig.RootCAs.AppendCertsFromPEM(roots) {
			return fmt.Errorf("%s: no certificate in %s", o.files[0].setting, o.files[0].path)
		}
	}
	if o.files[1].path != "" {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", o.files[1].setting, o.files[2].setting, err)
		}
		made.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	if before := o.current.Swap(made); before != nil {
		before.CloseIdleConnections() // what is under way ends as it began
	}
	return nil
}

// rootsTransport trusts the certificates in the file that a setting names, and
// the system's where it names none.
func rootsTransport(setting, file string) (*http.Transport, error) {
	o, _, err := newOutgoing("", [3]pemFile{{setting: setting, path: file}})
	if err != nil {
		return nil, err
	}
	return o.current.Load(), nil
}

// brokerFiles and peerFiles are what is trusted and shown to the broker, and to
// other domains.
func (c *Config) brokerFiles() [3]pemFile {
	return [3]pemFile{{"CB_CA_FILE", c.BrokerCAFile}, {"CB_CERT_FILE", c.BrokerCertFile}, {"CB_KEY_FILE", c.BrokerKeyFile}}
}

func (c *Config) peerFiles() [3]pemFile {
	return [3]pemFile{{"HLO_CA_FILE", c.PeerCAFile}, {"HLO_CERT_FILE", c.PeerCertFile}, {"HLO_KEY_FILE", c.PeerKeyFile}}
}

// validateOutgoing checks what goes with the requests to others.
func (c *Config) validateOutgoing(bad func(name, format string, args ...any)) {
	for _, files := range [][3]pemFile{c.brokerFiles(), c.peerFiles()} {
		if cert, key := files[1], files[2]; (cert.path == "") != (key.path == "") {
			bad(cert.setting, "needs %s, and the other way round", key.setting)
		}
	}
	given := 0
	for _, one := range []string{string(c.BrokerToken), c.BrokerTokenFile, c.OAuthTokenURL} {
		if one != "" {
			given++
		}
	}
	if given > 1 {
		bad("CB_TOKEN", "set one of this, CB_TOKEN_FILE and CB_OAUTH_TOKEN_URL")
	}
	if c.OAuthTokenURL != "" && (c.OAuthClientID == "" || c.OAuthSecret == "") {
		bad("CB_OAUTH_TOKEN_URL", "needs CB_OAUTH_CLIENT_ID and CB_OAUTH_CLIENT_SECRET too")
	}
}
