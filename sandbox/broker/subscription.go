package broker

import (
	"regexp"
	"slices"
	"strconv"
	"time"
)

// subscription is a stored subscription. The tenant's lock guards it; the spec
// that it points at does not change.
type subscription struct {
	id      string
	spec    *spec
	deleted bool

	active   bool
	state    string  // active, paused, expired: as last decided
	matched  instant // last notification that throttling let through
	counters counters
	errors   int // failures in a row
	reason   string
	failed   bool
	saved    counters // what a restart finds
}

// counters is what the broker writes into its database now and then.
type counters struct {
	Sent, Failed                       int
	LastSent, LastFailure, LastSuccess instant
}

// spec is what a client has asked for.
type spec struct {
	title, description string
	entities           []selector
	watched            []string
	q                  *filter
	expires            instant
	throttling         value
	interval           value
	lang               string
	attributes         []string
	format             string
	sysAttrs           bool
	showChanges        bool
	uri, accept        string
	receiver           []header // sorted by key
	names              *names
	created, modified  instant
}

// selector is one item of a subscription's entities.
type selector struct {
	typ, id, idPattern string
	pattern            *regexp.Regexp
}

type header struct{ key, value string }

// picks reports whether the entity is one of those that the spec is about.
func (s *spec) picks(e *entity) bool {
	return s.entities == nil || slices.ContainsFunc(s.entities, func(o selector) bool {
		return (o.typ == e.typ || o.typ == "*") && (o.id == "" || o.id == e.id) && (o.pattern == nil || o.pattern.MatchString(e.id))
	})
}

func (s *spec) throttle() time.Duration {
	if s.throttling.kind != number {
		return 0
	}
	seconds, err := strconv.ParseFloat(s.throttling.text, 64)
	if err != nil {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// due reports whether the subscription may notify now, and notes that it did.
// An expired one is marked as such only here: its status lags until it matches.
func (s *subscription) due(now instant) bool {
	if s.spec.expires != 0 && now >= s.spec.expires {
		s.active, s.state = false, "expired"
		return false
	}
	if !s.active || s.spec.interval.kind == number {
		return false
	}
	if pause := instant(s.spec.throttle()); pause > 0 && s.matched != 0 && now-s.matched < pause {
		return false
	}
	s.matched = now
	return true
}

const (
	failuresUntilPause = 3
	sendsUntilSaved    = 20
)

// sent notes what became of a notification; an empty reason is success. Three
// failures in a row pause the subscription, and so does each further one until
// a success.
func (s *subscription) sent(at instant, reason string) {
	c := &s.counters
	c.Sent++
	c.LastSent = at
	if reason == "" {
		c.LastSuccess, s.failed, s.errors = at, false, 0
	} else {
		c.Failed++
		c.LastFailure, s.failed, s.reason = at, true, reason
		s.errors++
	}
	paused := s.errors >= failuresUntilPause
	if paused {
		s.active, s.state = false, "paused"
	}
	if paused || c.Sent%sendsUntilSaved == 0 {
		s.saved = *c
	}
}

// activate is what isActive in a POST or PATCH does.
func (s *subscription) activate(active bool) {
	s.active, s.state = active, "active"
	if !active {
		s.state = "paused"
	}
}

// restarted is the subscription as a restarted broker finds it.
func (s *subscription) restarted() *subscription {
	return &subscription{id: s.id, spec: s.spec, active: s.active, state: s.state, counters: s.saved, saved: s.saved}
}
