package simulate

import "time"

// temper is what one world is like. A world in which everything happens shows little
// of each thing, and one trouble hides what another has done, as the restart of an
// agent hides a notification that was lost before. So each seed draws which kinds of
// things happen in its world, and how often.
type temper struct {
	components int // that there are at a time, at most
	silent     int // orchestrators that say nothing of a new spec, in percent
	bad        int // images that cannot run, in percent
	hurry      int // pauses between two happenings that are next to none, in percent
}

func (w *world) drawTemper() temper {
	d := w.dice.about("temper")
	return temper{
		components: pick(d, []int{2, 5, 8, 8}), silent: pick(d, []int{5, 5, 5, 40}),
		bad: pick(d, []int{10, 10, 10, 50}), hurry: pick(d, []int{10, 40, 40, 80}),
	}
}

// always are the kinds that happen in every world: without them nothing could.
var always = map[string]bool{"create": true, "an agent starts": true}

// swarm gives each kind of happening the weight that it has in this world. So many of
// a hundred kinds happen in it as one of shares says, and those of always.
func (w *world) swarm(of []happening, shares ...int) []happening {
	share := pick(w.dice.about("swarm", of[0].name), shares)
	var out []happening
	for _, h := range of {
		own := w.dice.about("weight", h.name) // one more kind changes nothing for the others
		if always[h.name] || chance(own, share) {
			h.weight *= pick(own, []int{1, 1, 2, 4})
			out = append(out, h)
		}
	}
	return out
}

// pause is how long people and fate wait before the next thing happens.
func (w *world) pause() time.Duration {
	pause := between(w.dice.Rand, time.Millisecond, 12*time.Second)
	if chance(w.dice.Rand, w.temper.hurry) {
		pause /= 100
	}
	return pause
}
