package ngsild

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

	"github.com/go-resty/resty/v2"
)

// Bounds of an answer, in bytes. Orion-LD takes no more than 1 MiB per request.
const (
	maxAnswer     = 4 << 20
	maxListAnswer = 64 << 20
)

// ClientConfig says how to reach one broker as one tenant.
type ClientConfig struct {
	BaseURL string // scheme://host:port[/prefix], without /ngsi-ld/v1
	Tenant  string // empty: no NGSILD-Tenant header
	Headers map[string]string
	// Transport carries every request; OAuth and TLS belong into it. nil is a
	// copy of http.DefaultTransport.
	Transport http.RoundTripper
	Timeout   time.Duration // per request, body included; 0 is 10 s
	// Observe, if set, hears of every request: the verb ("get_entity",
	// "list_entities", "merge_entity", "create_entity", "delete_entity", "get_subscription", "list_subscriptions",
	// "create_subscription", "patch_subscription", "delete_subscription"), the
	// status or 0 where none came, and how long it took. It is called from many
	// goroutines.
	Observe func(verb string, code int, d time.Duration)
}

// Client talks NGSI-LD to one broker. It never sends an @context, repeats no
// request by itself, bounds every answer in time and size, and keeps secrets
// out of its errors. It is safe for concurrent use.
type Client struct {
	http    *resty.Client
	base    string
	secrets []string
	observe func(verb string, code int, d time.Duration)
}

// NewClient returns a client; nothing is sent yet.
func NewClient(cfg ClientConfig) *Client {
	transport := cfg.Transport
	if transport == nil {
		transport = defaultTransport()
	}
	timeout := cfg.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	c := &Client{
		http: resty.NewWithClient(&http.Client{Transport: transport}).
			SetTimeout(timeout).
			SetRetryCount(0).
			SetLogger(silent{}).
			SetRedirectPolicy(resty.RedirectPolicyFunc(redirect)).
			SetHeaders(cfg.Headers).
			SetHeader("Accept", "application/json").
			SetHeader("User-Agent", "hlo-agent"),
		base:    strings.TrimRight(cfg.BaseURL, "/") + "/ngsi-ld/v1",
		observe: cfg.Observe,
	}
	if cfg.Tenant != "" {
		c.http.SetHeader("NGSILD-Tenant", cfg.Tenant)
	}
	for _, value := range cfg.Headers {
		c.secrets = append(c.secrets, value)
	}
	return c
}

// defaultTransport keeps more connections open than the two of the standard
// library, since many entities are written at once.
func defaultTransport() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	own := standard.Clone()
	own.MaxIdleConnsPerHost = 32
	return own
}

// CloseIdle closes the connections that no request uses.
func (c *Client) CloseIdle() { c.http.GetClient().CloseIdleConnections() }

// redirect follows only reads, and only within one host: a transport may add
// credentials to whatever it is asked to send, and a redirected PATCH comes out
// as a GET whose 200 would pass for success.
func redirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	if next.Method != http.MethodGet || first.Method != http.MethodGet || len(via) > 5 ||
		next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// request is one call to the broker.
type request struct {
	verb    string // for Observe
	doing   string // for errors: "get entity urn:…"
	method  string
	path    string // below /ngsi-ld/v1, already escaped, with its query
	body    any    // sent as JSON unless nil
	limit   int    // of the answer, in bytes; 0 is maxAnswer
	secrets []string
}

// answer is a success.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request once. Every error says what was being done and unwraps
// to one of the sentinels.
func (c *Client) call(ctx context.Context, r request) (answer, error) {
	mask := masking(c.secrets, r.secrets)
	req := c.http.R().SetContext(ctx).SetResponseBodyLimit(maxAnswer)
	if r.limit > 0 {
		req.SetResponseBodyLimit(r.limit)
	}
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return answer{}, fmt.Errorf("%s: %w: %w", r.doing, ErrInvalid, err)
		}
		req.SetHeader("Content-Type", "application/json").SetBody(io.Reader(bytes.NewReader(encoded)))
	}
	start := time.Now()
	response, err := req.Execute(r.method, c.base+r.path)
	c.observed(r.verb, response, err, time.Since(start))
	if err != nil {
		return answer{}, &transportError{doing: r.doing, cause: err, text: clean(mask(reason(err)))}
	}
	if sent := response.RawResponse.Request; sent != nil { // as the transport sent it
		scheme, token, _ := strings.Cut(sent.Header.Get("Authorization"), " ")
		mask = masking(c.secrets, r.secrets, []string{token, scheme})
	}
	if status := response.StatusCode(); status < 200 || status > 299 || status == http.StatusMultiStatus {
		return answer{}, fmt.Errorf("%s: %w", r.doing, problemOf(status, response.Header(), response.Body(), mask))
	}
	return answer{response.StatusCode(), response.Header(), response.Body()}, nil
}

func (c *Client) observed(verb string, response *resty.Response, err error, d time.Duration) {
	if c.observe == nil {
		return
	}
	code := 0
	if err == nil {
		code = response.StatusCode()
	}
	c.observe(verb, code, d)
}

// transportError is a request that got no answer, or no whole one.
type transportError struct {
	doing, text string
	cause       error
}

func (e *transportError) Error() string   { return e.doing + ": " + e.text }
func (e *transportError) Unwrap() []error { return []error{ErrRetry, e.cause} }

// reason is the text of a failed request without its URL.
func reason(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err.Error()
	}
	if errors.Is(err, resty.ErrResponseBodyTooLarge) {
		return "the answer is too large"
	}
	return err.Error()
}

// masking returns a function that hides secrets. Short values such as "true"
// are no secrets and would make text unreadable.
func masking(lists ...[]string) func(string) string {
	secrets := slices.DeleteFunc(slices.Concat(lists...), func(s string) bool { return len(s) < 8 })
	return func(text string) string { return Redact(text, secrets...) }
}

// segment escapes an id as one segment of a path. Everything outside the
// unreserved characters and the colon is percent-encoded, as Orion-LD takes it.
func segment(id string) string {
	return strings.ReplaceAll(escape(id), "%3A", ":")
}

// escape percent-encodes text for a query, a space as %20.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// silent drops what resty would print; errors are returned.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
