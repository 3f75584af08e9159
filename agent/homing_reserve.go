package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// settleTime is how long after a component was seen to run its element's own
// figures may not yet show it.
const settleTime = 15 * time.Second

// promises are the components whose room is taken although their elements'
// figures do not show it: placed, and not running yet or not for long enough.
// They follow from the components alone, so a restart finds them again; a
// component that ran already then is taken to show.
type promises map[ngsild.EntityID]*promise

type promise struct {
	element      ngsild.EntityID
	requirements ngsild.EntityID
	amounts      map[string]float64 // nil until its requirements were read
	ran          time.Time          // since when it runs; zero while it does not
}

// sync brings the promises to what is known of the components. asked is when
// the inventory was read, changed are requirements that are to be read again.
func (ps promises) sync(t *tracker, asked time.Time, changed map[ngsild.EntityID]bool) {
	there := map[ngsild.EntityID]bool{}
	for _, p := range ps {
		if changed[p.requirements] {
			p.amounts = nil
		}
	}
	t.each(func(id ngsild.EntityID, rec *record) {
		on := firstLink(&rec.entity, attrElement)
		if !rec.known || rec.absent || on == "" {
			return
		}
		p, known := ps[id]
		if known && p.element != on {
			p.element, p.ran = on, time.Time{}
		}
		switch runs := equalFold(rec.entity.Enum(attrStatus), statusRunning); {
		case promised(&rec.entity):
			if !known {
				p = &promise{element: on}
				ps[id] = p
			}
			p.ran = time.Time{}
			if wants := firstLink(&rec.entity, attrRequirements); wants != p.requirements {
				p.requirements, p.amounts = wants, nil
			}
			there[id] = true
		case known && runs:
			if p.ran.IsZero() {
				p.ran = t.now()
			}
			there[id] = asked.Before(p.ran.Add(settleTime))
		}
	})
	for id := range ps {
		if !there[id] {
			delete(ps, id)
		}
	}
}

// promised says whether a placed component may still need its room without
// using it. A job that failed is over.
func promised(e *ngsild.Entity) bool {
	switch lower(e.Enum(attrStatus)) {
	case "", lower(string(starting)), lower(statusMigrating):
		return true
	case lower(statusFailed):
		job, _ := e.Bool("isJob")
		return !job
	}
	return false
}

// sums adds up what is promised on each element, as far as it is known.
func (ps promises) sums() map[string]map[string]float64 {
	sums := map[string]map[string]float64{}
	for _, p := range ps {
		on := string(p.element)
		for name, n := range p.amounts {
			if sums[on] == nil {
				sums[on] = map[string]float64{}
			}
			sums[on][name] += n
		}
	}
	return sums
}

// claims are the promises to whom nothing else is claimed.
func (ps promises) claims(counted claims.Counted) claims.Claims {
	var all claims.Claims
	for id, p := range ps {
		if counted[string(id)] == nil {
			all = append(all, claims.Claim{For: string(id), Element: string(p.element), Amounts: p.amounts, Firm: true})
		}
	}
	return all
}

// readPromises reads the requirements that are not known yet.
func (h *homer) readPromises(ctx context.Context, ps promises) error {
	var ids []ngsild.EntityID
	for _, p := range ps {
		if p.amounts == nil && p.requirements != "" {
			ids = append(ids, p.requirements)
		}
	}
	read, err := listByID(ctx, h.client, ids)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if e := read[p.requirements]; p.amounts == nil && (e != nil || p.requirements == "") {
			p.amounts = homing.Amounts(e) // what was not there, or left out of a list, is asked for again
		}
	}
	return nil
}

// listByID reads entities by id; what is not there is left out.
func listByID(ctx context.Context, client *ngsild.Client, ids []ngsild.EntityID) (map[ngsild.EntityID]*ngsild.Entity, error) {
	found := map[ngsild.EntityID]*ngsild.Entity{}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return found, nil
	}
	var unreadable ngsild.EntityError
	_, err := client.List(ctx, ngsild.Query{IDs: ids}, func(page []ngsild.Entity) error {
		for _, e := range page {
			found[e.ID] = &e
		}
		return nil
	})
	if err != nil && !errors.Is(err, ngsild.ErrShortList) && !errors.As(err, &unreadable) {
		return nil, fmt.Errorf("read requirements: %w", err)
	}
	return found, nil
}
