package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	// hopHeader is on what one copy sends to another; the value is the sender's name.
	// A copy that does not lead answers 503 to it, so nothing goes in circles.
	hopHeader = "X-Hlo-Agent-Hop"
	// missedHeader is on the word that something was let go.
	missedHeader = "X-Hlo-Agent-Missed"

	hopTime    = 2 * time.Second        // a notification, or that word, to the copy that leads
	missedWait = 500 * time.Millisecond // until that is tried again
)

// relay hands notifications on to the copy that leads. What does not arrive is let
// go, and everything after it, until that copy was told that something is missing:
// then it lists everything. So nothing is lost, and nothing piles up. It is told so at
// the beginning too, since who ran here before may have been killed with something that
// was answered and not handed on. Safe for concurrent use.
type relay struct {
	lead    *lead
	secret  func() []string
	client  *http.Client
	count   func(result string)
	learned chan struct{} // something is missing

	mu     sync.Mutex
	missed bool
}

func newRelay(l *lead, way http.RoundTripper, secret func() []string, count func(string)) *relay {
	r := &relay{lead: l, secret: secret, client: &http.Client{Transport: way, Timeout: hopTime, CheckRedirect: sendOnNothing}, count: count, learned: make(chan struct{}, 1)}
	r.owe()
	return r
}

// take implements ngsild.ReceiverConfig.Relay.
func (r *relay) take(body []byte) (taken bool) {
	if r.lead.acts() {
		return false
	}
	r.mu.Lock()
	missed := r.missed
	r.mu.Unlock()
	if missed || r.send(context.Background(), body, false) != nil { // ends with hopTime
		r.count("let_go")
		r.miss()
		return true
	}
	r.count("handed_on")
	return true
}

// miss notes that something was let go.
func (r *relay) miss() {
	r.mu.Lock()
	r.missed = true
	r.mu.Unlock()
	r.owe()
}

// owe has the word said that something is missing.
func (r *relay) owe() {
	select {
	case r.learned <- struct{}{}:
	default:
	}
}

// run says that something is missing until it was heard, or ctx ends.
func (r *relay) run(ctx context.Context) {
	for {
		select {
		case <-r.learned:
		case <-ctx.Done():
			return
		}
		if r.say(ctx) == nil {
			continue
		}
		select {
		case <-time.After(missedWait):
		case <-ctx.Done():
			return
		}
	}
}

// say tells the copy that leads that something is missing.
func (r *relay) say(ctx context.Context) error {
	r.mu.Lock()
	missed := r.missed
	r.missed = false // what is let go from now on is said by the next word
	r.mu.Unlock()
	err := r.send(ctx, nil, true)
	switch {
	case err != nil && missed:
		r.miss()
	case err != nil:
		r.owe()
	}
	return err
}

// last says once more that something is missing, if that was not heard yet.
func (r *relay) last(ctx context.Context) error {
	select {
	case <-r.learned:
		return r.say(ctx)
	default:
		return nil
	}
}

// send gives a notification, or the word that one is missing, to the copy that leads. While the
// secret changes that one may know another of those that are known here.
func (r *relay) send(ctx context.Context, body []byte, missing bool) error {
	_, address := nameAndAddress(r.lead.leader())
	secrets := r.secret()
	if address == "" || len(secrets) == 0 {
		return errNoLeader
	}
	status := 0
	for _, secret := range secrets {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/notify", bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("hand on to %s: %w", address, err)
		}
		req.Header.Set(ngsild.SecretHeader, secret)
		req.Header.Set(hopHeader, r.lead.self)
		req.Header.Set("Content-Type", "application/json")
		if missing {
			req.Header.Set(missedHeader, "1")
		}
		resp, err := r.client.Do(req)
		if err != nil {
			return fmt.Errorf("hand on: %w", err)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096)) // so that the connection can be used again
		_ = resp.Body.Close()
		if status = resp.StatusCode; status == http.StatusNoContent {
			return nil
		}
		if status != http.StatusUnauthorized {
			break
		}
	}
	return fmt.Errorf("hand on to %s: answered %d", address, status)
}
