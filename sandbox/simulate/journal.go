package simulate

import (
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"
)

// journal is the event log of one world. Equal worlds have equal journals.
type journal struct {
	start time.Time

	mu    sync.Mutex
	lines []string
	wrong []string
}

// note adds a line with the time since the world began.
func (j *journal) note(who, format string, args ...any) {
	line := fmt.Sprintf("%14.6f %-8s %s", time.Since(j.start).Seconds(), who, fmt.Sprintf(format, args...))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// violated adds a line about an invariant that does not hold.
func (j *journal) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	j.note("WRONG", "%s", text)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wrong = append(j.wrong, text)
}

// verdict is what was violated, empty if nothing was.
func (j *journal) verdict() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.wrong
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n") + "\n"
}

// digest tells one journal from another.
func (j *journal) digest() uint64 {
	sum := fnv.New64a()
	sum.Write([]byte(j.String())) // never fails
	return sum.Sum64()
}
