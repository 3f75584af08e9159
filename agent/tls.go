package agent

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
)

// certificates are what a listener shows of itself and whom it knows. They are
// read again when the files change, and the next connection meets the new ones.
// Safe for concurrent use.
type certificates struct {
	what    string     // see reload
	files   [3]pemFile // certificate, key, and the roots of the callers', which may have no path
	auth    tls.ClientAuthType
	current atomic.Pointer[tls.Config]
	shown   atomic.Pointer[[]tls.Certificate] // the newest first, and the one before
}

// known are the certificates that copies of this agent show, as far as this one
// knows: its own, and the one before, since files are not renewed everywhere at once.
func (c *certificates) known() []tls.Certificate {
	if c == nil || c.shown.Load() == nil {
		return nil
	}
	return *c.shown.Load()
}

// pemFile is a file that a setting names.
type pemFile struct{ setting, path string }

// publicCertificates are those of the public face. Callers without one are let
// in unless the settings say otherwise, since brokers send notifications without
// one; what others may do is decided by API_AUTH. A certificate that is shown
// must be signed by a known root.
func publicCertificates(cfg *Config) *certificates {
	auth := tls.VerifyClientCertIfGiven
	if cfg.TLSClientRequired {
		auth = tls.RequireAndVerifyClientCert
	}
	return &certificates{what: "certificates", auth: auth, files: [3]pemFile{
		{"TLS_CERT_FILE", cfg.TLSCertFile}, {"TLS_KEY_FILE", cfg.TLSKeyFile}, {"TLS_CLIENT_CA_FILE", cfg.TLSClientCAFile}}}
}

// opsCertificates are those of the operators' listener. Probes show no
// certificate; opsHandler asks for one where it matters.
func opsCertificates(cfg *Config) *certificates {
	return &certificates{what: "ops_certificates", auth: tls.VerifyClientCertIfGiven, files: [3]pemFile{
		{"OPS_TLS_CERT_FILE", cfg.OpsCertFile}, {"OPS_TLS_KEY_FILE", cfg.OpsKeyFile}, {"OPS_TLS_CLIENT_CA_FILE", cfg.OpsClientCAFile}}}
}

// load reads the files for the first time. A listener without a certificate
// speaks plain HTTP, and there is nothing to look at again.
func (c *certificates) load() ([]*reload, error) {
	if c.files[0].path == "" {
		return nil, nil
	}
	digest, take := c.look(context.Background())
	if err := take(context.Background()); err != nil {
		return nil, err
	}
	return []*reload{{what: c.what, look: c.look, used: digest, seen: digest}}, nil
}

// faces opens the listeners, with who may come and the certificates that they
// show, which are to be looked at again. shown are those of the public face.
func (o Outside) faces(cfg *Config, m *metrics, log *slog.Logger) (public, ops Face, shown *certificates, renewed []*reload, err error) {
	open := func(setting, address string, from []string, most int, name string, c *certificates) (Face, error) {
		again, err := c.load()
		if err != nil {
			return nil, err
		}
		allowed, err := ranges(from)
		if err != nil {
			return nil, fmt.Errorf("%s: who may connect: %w", setting, err)
		}
		f, err := o.open(setting, address)
		if err != nil {
			return nil, err
		}
		renewed = append(renewed, again...)
		guarded := withDoorkeeper(f, allowed, most, func(reason string) { m.turned.WithLabelValues(name, reason).Inc() })
		return withLog(c.secure(guarded), log, name), nil
	}
	shown = publicCertificates(cfg)
	if o.room != nil { // behind listeners that are open already
		renewed, err = shown.load() // other copies are known by them
		public, ops = o.room.faces()
		return public, ops, shown, renewed, err
	}
	if public, err = open("LISTEN_ADDR", cfg.ListenAddr, cfg.ListenFrom, cfg.ListenConnections, "public", shown); err != nil {
		return nil, nil, nil, nil, err
	}
	if ops, err = open("OPS_ADDR", cfg.OpsAddr, cfg.OpsFrom, opsConnections, "ops", opsCertificates(cfg)); err != nil {
		_ = public.Close() // nothing was served on it
		return nil, nil, nil, nil, err
	}
	return public, ops, shown, renewed, nil
}

// secure has f speak TLS. What is no socket is left as it is.
func (c *certificates) secure(f Face) Face {
	socket, ok := f.(tcpFace)
	if !ok || c.current.Load() == nil {
		return f
	}
	return tcpFace{Listener: tls.NewListener(socket.Listener, &tls.Config{MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil }})}
}

// look is one look at the files; see reload.
func (c *certificates) look(context.Context) (string, func(context.Context) error) {
	texts, digest, err := readPEM(c.files[:])
	if err != nil {
		return failed(err)
	}
	return digest, func(context.Context) error { return c.take(texts[0], texts[1], texts[2]) }
}

// readPEM reads files, and makes a digest of all they hold. Of a file without a
// path there is nothing.
func readPEM(files []pemFile) (texts [][]byte, digest string, err error) {
	texts = make([][]byte, len(files))
	sum := sha256.New()
	for i, file := range files {
		if file.path == "" {
			continue
		}
		if texts[i], err = os.ReadFile(file.path); err != nil {
			if strings.HasSuffix(file.setting, "_KEY_FILE") {
				err = unnamed(err) // it may be the key itself, put where its file belongs
			}
			return nil, "", fmt.Errorf("%s: %w", file.setting, err)
		}
		fmt.Fprintf(sum, "%d:%d|%s", i, len(texts[i]), texts[i])
	}
	return texts, hex.EncodeToString(sum.Sum(nil)), nil
}

// take uses the texts from the next connection on.
func (c *certificates) take(cert, key, clients []byte) error {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", c.files[0].setting, c.files[1].setting, err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	if len(clients) > 0 {
		cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), c.auth
		if !cfg.ClientCAs.AppendCertsFromPEM(clients) {
			return fmt.Errorf("%s: no certificate in it", c.files[2].setting)
		}
		if c.auth == tls.RequireAndVerifyClientCert { // other copies come too, and show what this one shows
			leaf, err := x509.ParseCertificate(pair.Certificate[0])
			if err != nil {
				return fmt.Errorf("%s: %w", c.files[0].setting, err)
			}
			cfg.ClientCAs.AddCert(leaf)
		}
	}
	shown := append([]tls.Certificate{pair}, c.known()...)
	shown = shown[:min(len(shown), 2)]
	c.shown.Store(&shown)
	c.current.Store(cfg)
	return nil
}

// validateTLS checks the settings of the listeners' certificates.
func (c *Config) validateTLS(bad func(name, format string, args ...any)) {
	for _, files := range [][3]pemFile{publicCertificates(c).files, opsCertificates(c).files} {
		cert, key, clients := files[0], files[1], files[2]
		if (cert.path == "") != (key.path == "") {
			bad(cert.setting, "needs %s, and the other way round", key.setting)
		}
		if clients.path != "" && cert.path == "" {
			bad(clients.setting, "needs %s: who does not speak TLS sees no certificates", cert.setting)
		}
	}
	if c.TLSClientRequired && c.TLSClientCAFile == "" {
		bad("TLS_CLIENT_REQUIRED", "needs TLS_CLIENT_CA_FILE: the roots that sign the callers' certificates")
	}
	if (c.APIAuth == authTLS || c.APIAuth == authBoth) && c.TLSClientCAFile == "" {
		bad("API_AUTH", "%s needs TLS_CLIENT_CA_FILE: the roots that sign the callers' certificates", c.APIAuth)
	}
}
