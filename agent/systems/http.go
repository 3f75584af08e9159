package systems

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// mostAnswer bounds an answer, in bytes.
const mostAnswer = 8 << 20

// transport makes the way to one system.
func (s *system) transport() (*http.Transport, error) {
	own := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, ForceAttemptHTTP2: true}
	if s.CAFile == "" {
		return own, nil
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", s.CAFile)
	}
	own.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return own, nil
}

// post sends body to address and decodes the answer into answer, unless that is nil.
// It follows no redirects: they would take the credentials elsewhere. Errors name
// neither the address nor the credentials, and quote nothing of what the system says.
func (e *endpoint) post(ctx context.Context, way http.RoundTripper, address string, body, answer any) (err error) {
	defer func() { e.observe(e.Name, err) }()
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the question: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "hlo-agent")
	if err := e.authorize(r); err != nil {
		return err
	}
	response, err := way.RoundTrip(r)
	if err != nil {
		return plain(ctx, r, err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	switch {
	case err != nil:
		return plain(ctx, r, err)
	case response.StatusCode < 200 || response.StatusCode > 299:
		return fmt.Errorf("status %d", response.StatusCode)
	case len(got) > mostAnswer:
		return fmt.Errorf("more than %d bytes", mostAnswer)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return fmt.Errorf("not what was asked for: %s is of another type", wrong.Field)
		}
		return errors.New("not what was asked for: it is no JSON")
	}
	return nil
}

// plain is why a request failed. It may show what came instead of an answer.
func plain(ctx context.Context, r *http.Request, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no answer in time: %w", ctx.Err())
	}
	_, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	_, password, _ := r.BasicAuth()
	return ngsild.RedactError(err, credentials, password)
}

func (e *endpoint) authorize(r *http.Request) error {
	if e.TokenFile != "" {
		token, err := os.ReadFile(e.TokenFile)
		if err != nil {
			return fmt.Errorf("tokenFile: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	if e.BasicAuthFile != "" {
		text, err := os.ReadFile(e.BasicAuthFile)
		if err != nil {
			return fmt.Errorf("basicAuthFile: %w", err)
		}
		user, password, ok := strings.Cut(strings.TrimSpace(string(text)), ":")
		if !ok {
			return errors.New("basicAuthFile: accepted is user:password")
		}
		r.SetBasicAuth(user, password)
	}
	return nil
}
