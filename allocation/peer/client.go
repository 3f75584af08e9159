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
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// What a call comes to, beside success.
var (
	ErrRetry     = errors.New("may succeed later")        // no answer, 429 or 5xx
	ErrAbsent    = errors.New("the domain has none")      // 404 to a deletion
	ErrOvertaken = errors.New("it is placed anew")        // 409 placed-anew: the component's entity says something else by now
	ErrDenied    = errors.New("the domain lets us not")   // 401, 403 or any other 409: something other than the input may change it
	ErrBad       = errors.New("the domain does not want") // any other 4xx: only other input helps
)

const (
	timeout   = 10 * time.Second
	maxAnswer = 64 << 10
	maxQuoted = 300 // of what the other domain says
)

// What is asked for follows from where the component's entity is placed. Our own agents
// look at the entity then; other services do not know these parameters.
const (
	asPlaced = "?placed=true"
	asMoved  = "?moved=true"

	overtaken = "placed-anew" // the type of problem with which they refuse
)

// Client speaks HLO_AL to any domain. It is safe for concurrent use.
type Client struct{ way http.RoundTripper }

// NewClient makes a client. way adds the token and knows the roots. Redirects are not
// followed: they would take the registry's password elsewhere.
func NewClient(way http.RoundTripper) *Client { return &Client{way} }

// Allocate has the domain at base run what is asked for; if it runs the
// component with other parameters, they are changed. It may be repeated. Our own
// agents answer with ErrOvertaken if the component's entity is not placed so any more.
func (c *Client) Allocate(ctx context.Context, base string, a *allocation.Allocation) error {
	body, err := a.Body()
	if err != nil {
		return fmt.Errorf("write the request for %s: %w: %w", a.Component, ErrBad, err)
	}
	secrets := secretsOf(a)
	got, err := c.send(ctx, http.MethodPost, base+servicePath(a.Service)+asPlaced, body)
	if err == nil && got.status == http.StatusConflict && !got.problem(overtaken) {
		got, err = c.send(ctx, http.MethodPut, base+componentPath(a.Service, a.Component)+asPlaced, body)
		if err == nil && got.status == http.StatusConflict && got.problem("ordered-by-entity") {
			return nil // the domain follows the component's entity itself: there is nothing to hand over
		}
	}
	if err == nil && got.status == http.StatusNotFound { // it went between the two, or the path is wrong
		return fmt.Errorf("%w: it answers 404: %s", ErrRetry, got.quoted(secrets))
	}
	return outcome(got, err, secrets)
}

// Deallocate has the domain at base end a component; ErrAbsent: it has none. moved says
// that the component runs elsewhere: our own agents then say nothing of its end, and answer
// with ErrOvertaken if it is placed there again. Other services take it for an end.
func (c *Client) Deallocate(ctx context.Context, base string, service, component ngsild.EntityID, moved bool) error {
	address := base + componentPath(service, component)
	if moved {
		address += asMoved
	}
	got, err := c.send(ctx, http.MethodDelete, address, nil)
	if err == nil && got.status == http.StatusNotFound {
		return fmt.Errorf("%w: %s", ErrAbsent, got.quoted(nil))
	}
	return outcome(got, err, nil)
}

// answer is what a domain said.
type answer struct {
	status int
	body   []byte
	token  string // that was sent
}

// problem says whether it is a problem document (RFC 9457) of one of our types.
func (a *answer) problem(word string) bool {
	var problem struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(a.body, &problem) == nil && strings.HasSuffix(problem.Type, "/"+word)
}

func (c *Client) send(ctx context.Context, method, address string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.way.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got := answer{status: resp.StatusCode}
	if sent := resp.Request; sent != nil { // with what was added on the way
		_, got.token, _ = strings.Cut(sent.Header.Get("Authorization"), " ")
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return got, err
}

func outcome(got answer, err error, secrets []string) error {
	var wrong *url.Error
	switch status := got.status; {
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: %w", ErrRetry, wrong.Err) // without the address
	case err != nil:
		return fmt.Errorf("%w: %w", ErrRetry, ngsild.RedactError(err, secrets...)) // it may show what came instead of an answer
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusConflict && got.problem(overtaken):
		return fmt.Errorf("%w: it answers %d: %s", ErrOvertaken, status, got.quoted(secrets))
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusConflict:
		return fmt.Errorf("%w: it answers %d: %s", ErrDenied, status, got.quoted(secrets))
	case status >= 400 && status <= 499 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		return fmt.Errorf("%w: it answers %d: %s", ErrBad, status, got.quoted(secrets))
	}
	return fmt.Errorf("%w: it answers %d: %s", ErrRetry, got.status, got.quoted(secrets))
}

func servicePath(service ngsild.EntityID) string {
	return "/hlo_al/services/" + url.PathEscape(string(service))
}

func componentPath(service, component ngsild.EntityID) string {
	return servicePath(service) + "/service_components/" + url.PathEscape(string(component)) + "/"
}
