package simulate

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// clock is the wall clock of one agent. Its jumps move the time of day and not
// the times between, as the clock of a computer does.
type clock struct {
	start time.Time
	ahead atomic.Int64 // nanoseconds
}

func newClock() *clock { return &clock{start: time.Now()} }

func (c *clock) jump(d time.Duration) { c.ahead.Add(int64(d)) }

// now carries a reading of the steady clock beside the time of day, so that
// subtracting and comparing two of them is right across a jump. The bubble's
// time.Now has none, and the time package offers no way to set one: so it is put
// where time.Now puts it outside of bubbles (time.Time, since Go 1.9).
func (c *clock) now() time.Time {
	steady := time.Since(c.start)
	day := time.Now().Add(time.Duration(c.ahead.Load()))
	const (
		hasMonotonic  = 1 << 63
		nsecShift     = 30
		from1885      = 59453308800 // seconds from the year 1 to 1885
		fromUnixTo1AD = 62135596800
	)
	var t time.Time
	raw := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	seconds := uint64(day.Unix() + fromUnixTo1AD - from1885)
	raw.wall = hasMonotonic | seconds<<nsecShift | uint64(day.Nanosecond())
	raw.ext = int64(steady) + 1
	raw.loc = time.Local
	return t
}
