package agent

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// mostCallers is how many callers' rates are remembered. The one that was not
// heard of for the longest time is forgotten first, which only does it a favour.
const mostCallers = 4096

// callers limits how often each caller may ask. Safe for concurrent use.
type callers struct {
	each rate.Limit
	now  func() time.Time

	mu     sync.Mutex
	recent *list.List // of *callerRate, the latest first
	byName map[string]*list.Element
}

type callerRate struct {
	name  string
	limit *rate.Limiter
}

func newCallers(perSecond float64, now func() time.Time) *callers {
	return &callers{each: rate.Limit(perSecond), now: now, recent: list.New(), byName: map[string]*list.Element{}}
}

// take counts a request of a caller: 0 when it may be carried out, else how long
// to wait before the next.
func (c *callers) take(name string) time.Duration {
	limit := c.of(name)
	now := c.now()
	r := limit.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

func (c *callers) of(name string) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byName[name]; ok {
		c.recent.MoveToFront(e)
		return e.Value.(*callerRate).limit
	}
	if c.recent.Len() >= mostCallers {
		oldest := c.recent.Back()
		delete(c.byName, oldest.Value.(*callerRate).name)
		c.recent.Remove(oldest)
	}
	limit := rate.NewLimiter(c.each, max(1, 2*int(c.each)))
	c.byName[name] = c.recent.PushFront(&callerRate{name, limit})
	return limit
}
