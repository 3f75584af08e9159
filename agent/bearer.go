package agent

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// bearerTransport sends a token with each request. It has a new one before the one
// in use ends, and when that is refused. Safe for concurrent use.
type bearerTransport struct {
	fetch func(context.Context) (*oauth2.Token, error) // its errors hold no secret
	base  http.RoundTripper
	now   func() time.Time

	asking sync.Mutex // held while a token is fetched

	mu    sync.Mutex // guards the fields below
	token *oauth2.Token
	due   time.Time // when the next is fetched; zero: never
	until time.Time // when this one ends; zero: never
}

// RoundTrip implements http.RoundTripper. A request that is answered 401 is sent
// once more with another token, if its body can be had again.
func (b *bearerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	for again := false; ; again = true {
		token, err := b.current(r.Context())
		if err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // as RoundTrip must; it was not read
			}
			return nil, err
		}
		with := r.Clone(r.Context())
		with.Header.Set("Authorization", "Bearer "+token.AccessToken)
		if again && r.GetBody != nil {
			if with.Body, err = r.GetBody(); err != nil {
				return nil, fmt.Errorf("send the request once more: %w", err)
			}
		}
		resp, err := b.base.RoundTrip(with)
		if err != nil {
			return nil, ngsild.RedactError(err, token.AccessToken) // it may show what came instead of an answer
		}
		if resp.StatusCode != http.StatusUnauthorized {
			return resp, nil
		}
		b.refused(token)
		if again || r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
			return resp, nil
		}
		_ = resp.Body.Close() // what it says is of no use
	}
}

// current is the token to send. When another is due, one caller fetches it, and the
// others go on with what they have as long as that counts.
func (b *bearerTransport) current(ctx context.Context) (*oauth2.Token, error) {
	token, counts, due := b.state()
	if counts && !due {
		return token, nil
	}
	if counts && !b.asking.TryLock() {
		return token, nil
	}
	if !counts {
		b.asking.Lock()
	}
	defer b.asking.Unlock()
	if token, counts, due = b.state(); counts && !due {
		return token, nil // fetched by another meanwhile
	}
	fetched, err := b.fetch(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		if counts { // it will do for now
			b.due = b.now().Add(time.Second)
			return token, nil
		}
		return nil, err
	}
	b.token, b.due, b.until = fetched, time.Time{}, time.Time{}
	if !fetched.Expiry.IsZero() {
		now := b.now()
		life := max(0, fetched.Expiry.Sub(now))
		b.due, b.until = now.Add(life*3/4), now.Add(life-min(life/10, 5*time.Second))
	}
	return fetched, nil
}

// state is the token, whether it counts, and whether another is to be fetched.
func (b *bearerTransport) state() (token *oauth2.Token, counts, due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	return b.token, b.token != nil && (b.until.IsZero() || now.Before(b.until)), !b.due.IsZero() && !now.Before(b.due)
}

// refused forgets a token that did not count, unless it was replaced already.
func (b *bearerTransport) refused(token *oauth2.Token) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.token == token {
		b.token = nil
	}
}

// fixedToken is one that never changes.
func fixedToken(token Secret) func(context.Context) (*oauth2.Token, error) {
	return func(context.Context) (*oauth2.Token, error) { return &oauth2.Token{AccessToken: string(token)}, nil }
}

// fileToken is in a file that somebody else renews.
func fileToken(setting, path string, now func() time.Time) func(context.Context) (*oauth2.Token, error) {
	const again = 10 * time.Second
	return func(context.Context) (*oauth2.Token, error) {
		token, err := readSecret(setting, path)
		if err != nil {
			return nil, err
		}
		return &oauth2.Token{AccessToken: token, Expiry: now().Add(again)}, nil
	}
}
