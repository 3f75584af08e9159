package agent

import (
	"sync"
	"time"
)

// brokerClock knows what the broker's clock showed at a time of ours, so that what
// was read can be ordered among notifications. It learns from notifiedAt: the
// broker's clock shows at least that when the notification comes, and hardly more
// when it comes fast. Between two times of ours it counts on the steady clock; jumps
// of the time of day do not matter. Safe for concurrent use.
type brokerClock struct {
	mu             sync.Mutex
	shown, arrived time.Time // of the notification that came fastest of late
}

// trustedFor is how long one notification tells the time, since clocks drift.
const trustedFor = 10 * time.Minute

// heard takes in a notification that came now.
func (b *brokerClock) heard(at, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since := now.Sub(b.arrived); b.shown.IsZero() || since > trustedFor || at.After(b.shown.Add(since)) {
		b.shown, b.arrived = at, now
	}
}

// by is a time that the broker's clock had reached at a time of ours; zero if
// nothing is known of it.
func (b *brokerClock) by(t time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown.IsZero() {
		return time.Time{}
	}
	return b.shown.Add(t.Sub(b.arrived))
}
