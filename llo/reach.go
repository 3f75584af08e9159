package llo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// reach remembers how requests ended.
type reach struct {
	mu    sync.Mutex
	since time.Time // of the first of those without an answer, in a row
	err   error     // of the last one, nil if it was answered
}

// Reach is zero and nil while the API server answers, and before the first
// attempt. Otherwise it says since when it does not, and how the last attempt
// failed. One that does not know us (401), or a gateway without a server behind it
// (502 to 504), does not answer. While a watch is open the API server answers. The
// cache stays as it was.
func (c *Cluster) Reach() (since time.Time, err error) {
	c.reach.mu.Lock()
	since, err = c.reach.since, c.reach.err
	c.reach.mu.Unlock()
	if err != nil {
		for f := range c.followers() {
			if broken := f.state(); f.wanted.Load() && broken != nil && !errors.Is(broken, ErrNoKind) {
				return since, err
			}
		}
	}
	return time.Time{}, nil
}

// silent is an error where the API server does not answer those who follow the
// kind, either. They go on trying, so nobody else needs to.
func (k *kind) silent(verb string, key Key) error {
	if state := k.state(); state == nil || errors.Is(state, ErrNoKind) {
		return nil
	}
	if _, err := k.cluster.Reach(); err != nil {
		return &Error{Verb: verb, Key: key, Err: ErrRetry, Message: "the API server does not answer: " + err.Error()}
	}
	return nil
}

// note takes in how a request ended, unless our own side ended it.
func (r *reach) note(ctx context.Context, code int, err error) {
	switch code {
	case 0:
		if err == nil || errors.Is(ctx.Err(), context.Canceled) {
			return
		}
	case http.StatusUnauthorized, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		err = fmt.Errorf("it answers %d", code)
	default:
		err = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.err == nil {
		r.since = time.Now()
	}
	r.err = err
}

// connect takes a connection into use.
func (c *Cluster) connect(config *rest.Config) error {
	made, err := c.newAPI(config)
	if err != nil {
		return fmt.Errorf("configure the connection to the API server: %w", err)
	}
	if before := c.api.Swap(made); before != nil {
		before.close()
	}
	return nil
}

func (c *Cluster) conn() *api { return c.api.Load() }

// Reconnect takes another way to the API server into use: other credentials, or
// another address. What is in the cache stays until everything was listed by the
// new way, which begins at once. An error leaves everything as it was.
func (c *Cluster) Reconnect(config *rest.Config) error {
	if err := c.connect(config); err != nil {
		return err
	}
	for _, k := range *c.kinds.Load() {
		k.keep(nil)
	}
	for f := range c.followers() {
		f.again()
	}
	return nil
}
