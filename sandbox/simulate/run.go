package simulate

import (
	"slices"
	"time"
)

// Lengths of a run. The quiet time is longer than every time that an agent waits:
// five minutes of the guard, a move, a deadline, and a resync behind each.
const (
	happenings = 60
	quiet      = 16 * time.Minute
	resting    = 4 * time.Minute
)

// run plays one world from its beginning until it was checked, and returns its
// journal. It must be called in a bubble of testing/synctest, on one thread.
func run(seed uint64) *journal {
	w := newWorld(seed)
	defer w.close()
	w.play(slices.Concat(w.swarm(w.people(), 30, 60, 100), w.swarm(trouble(), 10, 30, 60, 100), w.elections()), w.happenings())
	w.heal()
	crossed := w.changeLeader()
	w.beQuiet()
	w.check()
	w.checkCrossed(crossed)
	kube, broker := w.book.writes()
	time.Sleep(resting)
	if k, b := w.book.writes(); k != kube || b != broker && !w.datedAhead() {
		w.violated("at rest there were %d writes to the cluster and %d to the broker", k-kube, b-broker)
	}
	return w.journal
}

// play lets so many things happen, one after the other.
func (w *world) play(what []happening, n int) {
	total := 0
	for _, h := range what {
		total += h.weight
	}
	for range n {
		time.Sleep(w.pause())
		at := w.dice.IntN(total)
		for _, h := range what {
			if at -= h.weight; at < 0 {
				if !h.do(w) {
					w.note("fate", "nothing: %s", h.name)
				}
				break
			}
		}
	}
}
