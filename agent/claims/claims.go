// Package claims keeps those who choose elements at the same time from giving the same room away twice: agents
// of several domains that see the same elements, and plans beside the agent's own choices.
//
// Nobody holds a lock. Each writes what it would take to the broker first, as a claim; reads the claims of all;
// and takes the room only if nobody else's claim on it is new to it. Of two who meet, whoever wrote last sees the
// other; where both see each other, the smaller name goes first. A claim whose owner ended is worth nothing after
// Fresh.
package claims

import (
	"context"
	"errors"
	"slices"
	"time"
)

// ErrTaken is what a contest ends with whose room somebody else was quicker to take, or may be.
var ErrTaken = errors.New("the room was taken by others while it was being chosen")

// look is how long after one look at the claims of others the next one comes.
const look = 500 * time.Millisecond

// How long a claim counts that was not made good, and how long after it was made it may be: the distance is how
// much the clocks of two agents may differ.
const (
	Fresh = 20 * time.Second
	Use   = 5 * time.Second
)

// Claim is room on an element that somebody will use, and that the element's figures do not show.
type Claim struct {
	Who     string             // who chooses; compared as text where two meet
	For     string             // the id of the component or plan
	Element string             // the element's id
	Amounts map[string]float64 // by resource; a claim of nothing takes nothing
	Firm    bool               // chosen for good: it stays, whoever else claims
}

// Claims are those of one moment.
type Claims []Claim

// Counted are what a choice took into account: where the room of each component or plan was.
type Counted map[string][]string

// Counted notes all claims as taken into account.
func (cs Claims) Counted() Counted {
	counted := Counted{}
	for _, c := range cs {
		counted[c.For] = append(counted[c.For], c.Element)
	}
	return counted
}

// Sums adds up what is claimed on each element.
func (cs Claims) Sums() map[string]map[string]float64 {
	sums := map[string]map[string]float64{}
	for _, c := range cs {
		for resource, amount := range c.Amounts {
			if sums[c.Element] == nil {
				sums[c.Element] = map[string]float64{}
			}
			sums[c.Element][resource] += amount
		}
	}
	return sums
}

// Verdict is what becomes of claims that were compared with those of others.
type Verdict int

// The verdicts. A claim that must Wait is compared again with newer claims: whoever it waits for may not have seen it.
const (
	Take  Verdict = iota // nobody else claims this room
	Wait                 // somebody does who gives way once he knows
	Yield                // somebody does who goes first: choose again
)

// Compare says what becomes of mine, all of one chooser, when all claims were read after mine were written.
func Compare(mine Claims, counted Counted, all Claims) Verdict {
	verdict := Take
	for _, other := range all {
		if len(other.Amounts) == 0 || slices.Contains(counted[other.For], other.Element) || !mine.meet(other) {
			continue
		}
		if other.Firm || other.Who < mine[0].Who {
			return Yield
		}
		verdict = Wait
	}
	return verdict
}

// Contest compares mine, which were written at a time, with all that read brings, until nobody else claims the same
// room; otherwise ErrTaken, after Use at the latest. Other errors are those of read and of ctx.
func Contest(ctx context.Context, mine Claims, counted Counted, read func(context.Context) (Claims, error), written time.Time, now func() time.Time) error {
	for len(mine) > 0 {
		all, err := read(ctx)
		if err != nil {
			return err
		}
		verdict := Compare(mine, counted, all)
		switch {
		case verdict == Yield, now().Sub(written) >= Use:
			return ErrTaken
		case verdict == Take:
			return nil
		}
		timer := time.NewTimer(look)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

// meet says whether another's claim is on an element of ours.
func (cs Claims) meet(other Claim) bool {
	on := false
	for _, c := range cs {
		if c.For == other.For {
			return false // our own
		}
		on = on || c.Element == other.Element && len(c.Amounts) > 0
	}
	return on
}
