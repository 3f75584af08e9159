package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	saveEvery     = 2 * time.Second
	shutdownGrace = 5 * time.Second
)

// Serve reads the state file, if there is one, answers requests on l until ctx
// ends, waits for the requests and notifications under way and writes the state
// file. It returns when everything that it started has ended, nil unless
// something but ctx ended it. It closes l.
func (b *Broker) Serve(ctx context.Context, l net.Listener) error {
	if err := b.load(); err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{
		Handler:           federate(b, b.options.Peers),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		IdleTimeout:       120 * time.Second,
		ErrorLog:          slog.NewLogLogger(b.options.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	err := b.watch(ctx, served)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // what has not ended by now is cut
	}
	if err == nil {
		if err = <-served; errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
	}
	b.Close()
	return errors.Join(err, b.save())
}

// watch saves the state now and then until ctx ends, which is nil, or the
// server does.
func (b *Broker) watch(ctx context.Context, served <-chan error) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	saved := b.version()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			return fmt.Errorf("serve broker: %w", err)
		case <-tick.C:
		}
		if v := b.version(); v != saved && b.options.StateFile != "" {
			if err := b.save(); err != nil {
				b.options.Log.Error("state not saved", slog.Any("err", err))
				continue
			}
			saved = v
		}
	}
}

// version grows with every change.
func (b *Broker) version() uint64 {
	var sum uint64
	for _, t := range b.all() {
		t.mu.RLock()
		sum += t.version
		t.mu.RUnlock()
	}
	return sum
}
