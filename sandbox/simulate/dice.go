package simulate

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// dice makes the choices of one world. Those of the driver come from one stream,
// since the driver is one goroutine; those of everything that may run beside it are
// digests of what they are about and how often that came up before.
type dice struct {
	seed uint64
	*rand.Rand

	mu    sync.Mutex
	times map[string]int
}

func newDice(seed uint64) *dice {
	return &dice{seed: seed, Rand: rand.New(rand.NewPCG(seed, 0x68_6c_6f)), times: map[string]int{}}
}

// about is a stream of its own for the next occurrence of a thing.
func (d *dice) about(what ...string) *rand.Rand {
	key := strings.Join(what, "\x00")
	d.mu.Lock()
	d.times[key]++
	n := d.times[key]
	d.mu.Unlock()
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%d\x00%s\x00%d", d.seed, key, n)
	return rand.New(rand.NewPCG(sum.Sum64(), d.seed))
}

// between is a time from a to b, to the nanosecond, so that hardly two are equal.
func between(r *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(r.Int64N(int64(b-a)+1))
}

// chance is true in so many of a hundred cases.
func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// pick is one of several.
func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }
