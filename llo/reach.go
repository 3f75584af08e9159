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

// reach remembers whether the API server answers.
type reach struct {
	told func(err error) // may be nil

	mu    sync.Mutex
	since time.Time
	err   error
}

// Reach is zero and nil while the API server answers, and before the first
// attempt. Otherwise it says since when it does not, and how the last attempt
// failed. One that does not know us (401), or a gateway without a server behind it
// (502 to 504), does not answer. The cache stays as it was.
func (c *Cluster) Reach() (since time.Time, err error) {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	return c.reach.since, c.reach.err
}

// note takes in how a request ended, unless our own side ended it.
func (r *reach) note(ctx context.Context, code int, err error) {
	switch code {
	case 0:
		if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return
		}
		if err == nil {
			return
		}
	case http.StatusUnauthorized, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		err = fmt.Errorf("the API server answers %d", code)
	default:
		err = nil
	}
	r.mu.Lock()
	news := (err == nil) != (r.err == nil)
	if news {
		r.since = time.Time{}
		if err != nil {
			r.since = time.Now()
		}
	}
	r.err = err
	r.mu.Unlock()
	if news && r.told != nil {
		r.told(err)
	}
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
