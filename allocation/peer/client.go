// Package peer asks other domains to run components: the calling side of the
// HLO_AL interface. It makes one request for one call, or two where another body
// is there already, and tells refusals from what may succeed when tried again.
package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// What a call comes to, beside success.
var (
	ErrRetry  = errors.New("may succeed later")        // no answer, 429 or 5xx
	ErrAbsent = errors.New("the domain has none")      // 404 to a deletion
	ErrDenied = errors.New("the domain lets us not")   // 401, 403 or 409: something other than the input may change it
	ErrBad    = errors.New("the domain does not want") // any other 4xx: only other input helps
)

const (
	timeout   = 10 * time.Second
	maxAnswer = 64 << 10
	maxQuoted = 300 // of what the other domain says
)

// Client speaks HLO_AL to any domain. It is safe for concurrent use.
type Client struct{ http *http.Client }

// NewClient makes a client. transport adds the token and knows the roots.
// Redirects are not followed: a PUT would come out as a GET.
func NewClient(transport http.RoundTripper) *Client {
	return &Client{&http.Client{Transport: transport, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Allocate has the domain at base run what is asked for; if it runs the
// component with other parameters, they are changed. It may be repeated.
func (c *Client) Allocate(ctx context.Context, base string, a *allocation.Allocation) error {
	body, err := a.Body()
	if err != nil {
		return fmt.Errorf("write the request for %s: %w: %w", a.Component, ErrBad, err)
	}
	status, answer, err := c.send(ctx, http.MethodPost, base+servicePath(a.Service), body)
	if err == nil && status == http.StatusConflict {
		status, answer, err = c.send(ctx, http.MethodPut, base+componentPath(a.Service, a.Component), body)
		if err == nil && follows(status, answer) {
			return nil
		}
	}
	if err == nil && status == http.StatusNotFound { // it went between the two, or the path is wrong
		return fmt.Errorf("%w: it answers 404: %s", ErrRetry, quoted(answer, a))
	}
	return outcome(status, answer, err, a)
}

// Deallocate has the domain at base end a component; ErrAbsent: it has none.
func (c *Client) Deallocate(ctx context.Context, base string, service, component ngsild.EntityID) error {
	status, answer, err := c.send(ctx, http.MethodDelete, base+componentPath(service, component), nil)
	if err == nil && status == http.StatusNotFound {
		return fmt.Errorf("%w: %s", ErrAbsent, quoted(answer, nil))
	}
	return outcome(status, answer, err, nil)
}

// follows says whether the domain cannot be asked for a component because it
// follows the component's entity itself: then there is nothing to hand over.
func follows(status int, answer []byte) bool {
	var problem struct {
		Type string `json:"type"`
	}
	return status == http.StatusConflict && json.Unmarshal(answer, &problem) == nil && strings.HasSuffix(problem.Type, "/ordered-by-entity")
}

func (c *Client) send(ctx context.Context, method, address string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, err
}

func outcome(status int, answer []byte, err error, a *allocation.Allocation) error {
	var failed *url.Error
	switch {
	case errors.As(err, &failed):
		return fmt.Errorf("%w: %w", ErrRetry, failed.Err) // without the address
	case err != nil:
		return fmt.Errorf("%w: %w", ErrRetry, err)
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusConflict:
		return fmt.Errorf("%w: it answers %d: %s", ErrDenied, status, quoted(answer, a))
	case status >= 400 && status <= 499 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		return fmt.Errorf("%w: it answers %d: %s", ErrBad, status, quoted(answer, a))
	}
	return fmt.Errorf("%w: it answers %d: %s", ErrRetry, status, quoted(answer, a))
}

// quoted is what an answer says, cut short, without the secrets that were sent.
func quoted(answer []byte, a *allocation.Allocation) string {
	var said struct {
		Title, Detail, Status any
		Faults                any `json:"faults"`
	}
	text := strings.TrimSpace(string(answer))
	if json.Unmarshal(answer, &said) == nil {
		var parts []string
		for _, part := range []any{said.Title, said.Detail, said.Status, said.Faults} {
			if word, ok := part.(string); ok && word != "" {
				parts = append(parts, word)
			} else if list, ok := part.([]any); ok {
				parts = append(parts, fmt.Sprint(list...))
			}
		}
		if len(parts) > 0 {
			text = strings.Join(parts, ": ")
		}
	}
	if a != nil {
		secrets := []string{string(a.Password), a.Username}
		if a.Network != nil {
			secrets = append(secrets, string(a.Network.PrivateKey))
		}
		text = without(text, secrets...)
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return text
}

func without(text string, secrets ...string) string {
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may be in another
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	return text
}

func servicePath(service ngsild.EntityID) string {
	return "/hlo_al/services/" + url.PathEscape(string(service))
}

func componentPath(service, component ngsild.EntityID) string {
	return servicePath(service) + "/service_components/" + url.PathEscape(string(component)) + "/"
}
