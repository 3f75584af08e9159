package agent

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// certificates are what the public face shows of itself and whom it knows. They
// are read again when the files change, and the next connection meets the new
// ones. Safe for concurrent use.
type certificates struct {
	cert, key, clients string // files; clients may be empty
	current            atomic.Pointer[tls.Config]
}

// newCertificates reads the files for the first time; nil without an error: the
// public face speaks plain HTTP.
func newCertificates(cfg *Config) (*certificates, *reload, error) {
	if cfg.TLSCertFile == "" {
		return nil, nil, nil
	}
	c := &certificates{cert: cfg.TLSCertFile, key: cfg.TLSKeyFile, clients: cfg.TLSClientCAFile}
	digest, take := c.look(context.Background())
	if err := take(context.Background()); err != nil {
		return nil, nil, err
	}
	return c, &reload{what: "certificates", look: c.look, used: digest, seen: digest}, nil
}

// secure has f speak TLS. What is no socket is left as it is.
func (c *certificates) secure(f Face) Face {
	socket, ok := f.(tcpFace)
	if c == nil || !ok {
		return f
	}
	return tcpFace{tls.NewListener(socket.Listener, &tls.Config{MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil }})}
}

// look is one look at the files; see reload.
func (c *certificates) look(context.Context) (string, func(context.Context) error) {
	var texts [3][]byte
	sum := sha256.New()
	for i, file := range [3]struct{ setting, path string }{{"TLS_CERT_FILE", c.cert}, {"TLS_KEY_FILE", c.key}, {"TLS_CLIENT_CA_FILE", c.clients}} {
		if file.path == "" {
			continue
		}
		text, err := os.ReadFile(file.path)
		if err != nil {
			return failed(fmt.Errorf("%s: %w", file.setting, err))
		}
		texts[i] = text
		fmt.Fprintf(sum, "%d|%s", len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil)), func(context.Context) error { return c.take(texts[0], texts[1], texts[2]) }
}

// take uses the texts from the next connection on. Callers without a certificate
// are let in, since the broker sends notifications without one; what others may
// do is decided by API_AUTH. A certificate that is shown must be signed by a
// known root.
func (c *certificates) take(cert, key, clients []byte) error {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("TLS_CERT_FILE, TLS_KEY_FILE: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if len(clients) > 0 {
		cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !cfg.ClientCAs.AppendCertsFromPEM(clients) {
			return errors.New("TLS_CLIENT_CA_FILE: no certificate in it")
		}
	}
	c.current.Store(cfg)
	return nil
}

// validateTLS checks the settings of the public face's certificates.
func (c *Config) validateTLS(bad func(name, format string, args ...any)) {
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		bad("TLS_CERT_FILE", "needs TLS_KEY_FILE, and the other way round")
	}
	if c.TLSClientCAFile != "" && c.TLSCertFile == "" {
		bad("TLS_CLIENT_CA_FILE", "needs TLS_CERT_FILE: who does not speak TLS sees no certificates")
	}
	if (c.APIAuth == authTLS || c.APIAuth == authBoth) && c.TLSClientCAFile == "" {
		bad("API_AUTH", "%s needs TLS_CLIENT_CA_FILE: the roots that sign the callers' certificates", c.APIAuth)
	}
}
