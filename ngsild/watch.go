package ngsild

import "time"

// Repairs of one subscription: the second follows at once, then the wait
// doubles from the first of these to the second.
const (
	minRepairWait = 5 * time.Second
	maxRepairWait = 10 * time.Minute
	manyRepairs   = 3
)

// watch is what is remembered of one subscription between checks.
type watch struct {
	seen        bool
	timesFailed int64
	lastFailure string

	repairs     int // attempts at the same thing, without proof that one lasted
	refused     bool
	reason      string
	at          time.Time // of the last repair
	lastSuccess string    // as it was then
}

// failed reports whether the broker counted a new failure since the last
// check. Counters are absent at 0 and start anew with the broker, so only what
// grows is news; what was there at the first check is not.
func (w *watch) failed(got *Subscription) bool {
	if got == nil {
		return false
	}
	n := got.Notification
	news := w.seen && (n.TimesFailed > w.timesFailed || later(n.LastFailure, w.lastFailure))
	w.seen, w.timesFailed, w.lastFailure = true, n.TimesFailed, n.LastFailure
	return news
}

// later reports whether time a, as brokers write it, is there and after b.
func later(a, b string) bool {
	x, errX := time.Parse(time.RFC3339Nano, a)
	y, errY := time.Parse(time.RFC3339Nano, b)
	if errX != nil {
		return false
	}
	return errY != nil || x.After(y)
}

// due reports whether a repair for this reason may be made now. Another reason
// than last time starts a new count.
func (w *watch) due(reason string, now time.Time) bool {
	if reason != w.reason {
		w.repairs, w.reason = 0, reason
	}
	return w.repairs == 0 || !now.Before(w.at.Add(wait(w.repairs)))
}

// wait is the time from the nth repair to the next.
func wait(n int) time.Duration {
	d := minRepairWait
	for ; n > 2 && d < maxRepairWait; n-- {
		d *= 2
	}
	if n < 2 {
		return 0
	}
	return min(d, maxRepairWait)
}

// attempted notes a repair, or one that the broker refused. Refusals say
// nothing about whether the first success after them will last.
func (w *watch) attempted(reason string, refused bool, got *Subscription, now time.Time) {
	if w.refused && !refused {
		w.repairs = 0
	}
	w.repairs, w.reason, w.refused, w.at = w.repairs+1, reason, refused, now
	w.lastSuccess = ""
	if got != nil {
		w.lastSuccess = got.Notification.LastSuccess
	}
}

// startAnew forgets the counters: the subscription is another one now.
func (w *watch) startAnew() {
	w.seen, w.timesFailed, w.lastFailure, w.lastSuccess = true, 0, "", ""
}

// right notes that the subscription was found as it should be. The repairs are
// forgotten when that proves something: a notification arrived since, or it
// lasted longer than the next wait. For one that was paused for its failures
// only the first, or the longest wait, is proof.
func (w *watch) right(got *Subscription, now time.Time) {
	lasted := now.Sub(w.at)
	delivered := later(got.Notification.LastSuccess, w.lastSuccess)
	if delivered || lasted >= maxRepairWait || w.reason != "paused" && lasted >= wait(w.repairs+1) {
		w.repairs = 0
	}
}

// trusted reports whether the subscription can be relied upon.
func (w *watch) trusted(d Detail) bool {
	switch d.State {
	case "active", "failing", "created", "repaired":
		return w.repairs < manyRepairs
	default:
		return false
	}
}
