package plans

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Waiting times of those who work on plans.
const (
	lookAgain  = 30 * time.Second // for plans that another replica accepted, and old ones
	retryFirst = time.Second      // after the broker failed, doubled each time
	retryMost  = 30 * time.Second
)

// mostAttempts is how often a plan is begun whose solving ended with the agent.
const mostAttempts = 5

// Run works on plans until ctx ends. A plan under work then is taken up again by
// the next Run.
func (b *Book) Run(ctx context.Context) error {
	var group errgroup.Group
	for range b.Solvers {
		group.Go(func() error { b.solver(ctx); return nil })
	}
	return group.Wait()
}

func (b *Book) solver(ctx context.Context) {
	wait := retryFirst
	for ctx.Err() == nil {
		id, working, err := b.take(ctx)
		again := b.idle()
		if id != "" {
			err = b.work(working, id)
			b.release(id)
			again = 0
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			b.Log.Warn("a plan cannot be worked on now", "plan", id, "after", wait, "err", err)
			b.putOff(id, wait)
			again, wait = wait, min(2*wait, retryMost)
		default:
			wait = retryFirst
		}
		if again == 0 {
			continue
		}
		timer := time.NewTimer(again)
		select {
		case <-timer.C:
		case <-b.poke:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// take finds the oldest plan that nobody works on, and deletes those that were
// kept long enough. The id is empty when there is none.
func (b *Book) take(ctx context.Context) (id string, working context.Context, err error) {
	all, err := b.list(ctx)
	if err != nil {
		return "", nil, err
	}
	b.forgetOthers(all)
	for _, p := range all {
		if p.Status.final() {
			if b.Now().Sub(p.Changed) > b.Keep {
				if err := b.remove(ctx, p.ID); err != nil && !errors.Is(err, ngsild.ErrNotFound) {
					return "", nil, err
				}
			}
			continue
		}
		if working, ok := b.reserve(ctx, p.ID); ok {
			if len(all) > 1 {
				b.wake() // others may help
			}
			return p.ID, working, nil
		}
	}
	return "", nil, nil
}

// reserve takes a plan for the caller, unless somebody works on it.
func (b *Book) reserve(ctx context.Context, id string) (context.Context, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken[id] != nil || b.Now().Before(b.later[id]) {
		return nil, false
	}
	delete(b.later, id)
	working, cancel := context.WithCancel(ctx)
	b.taken[id] = cancel
	return working, true
}

// putOff keeps a plan that cannot be worked on from keeping others waiting.
func (b *Book) putOff(id string, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id != "" {
		b.later[id] = b.Now().Add(wait)
	}
}

// forgetOthers forgets that plans were put off which are gone, or have ended.
func (b *Book) forgetOthers(all []plan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.later, func(id string, _ time.Time) bool {
		return !slices.ContainsFunc(all, func(p plan) bool { return p.ID == id && !p.Status.final() })
	})
}

// idle is how long there is nothing to do, as far as this replica knows.
func (b *Book) idle() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := lookAgain
	for _, at := range b.later {
		wait = min(wait, max(at.Sub(b.Now()), 10*time.Millisecond))
	}
	return wait
}

func (b *Book) release(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken[id]()
	delete(b.taken, id)
}
