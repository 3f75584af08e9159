package homing

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// ErrNoFitter is what a Fitter returns for a system that is not configured.
var ErrNoFitter = errors.New("not configured")

// evaluation is one look of a template at an inventory: what each constraint says
// of each candidate, found once and used by every search.
type evaluation struct {
	ctx    context.Context
	t      *Template
	inv    *Inventory
	fitter Fitter
	places map[string]Place
	draws  []*draw
	byName map[string]int // place in draws
	links  map[[2]string][]Link
	groups map[[2]string]bool

	notes     map[string]int
	hardwares map[string]map[*item]*hardware
	promises  map[string]map[string]float64 // kind of place and resource, then place
	verdicts  map[verdictKey][]bool
	spaces    map[string]*labelSpace
	tables    map[tableKey]*search.Rows
	partners  map[tableKey]search.Bits
}

type verdictKey struct {
	constraint string
	items      *item
	demand     string // where the demand itself matters
}

func newEvaluation(ctx context.Context, t *Template, inv *Inventory, fitter Fitter, found *findings) *evaluation {
	ev := &evaluation{
		ctx: ctx, t: t, inv: inv, fitter: fitter, places: t.resolve(inv, found), draws: t.drawAll(inv, found), byName: map[string]int{},
		links: map[[2]string][]Link{}, groups: map[[2]string]bool{}, notes: map[string]int{},
		hardwares: map[string]map[*item]*hardware{}, promises: map[string]map[string]float64{}, verdicts: map[verdictKey][]bool{}, spaces: map[string]*labelSpace{}, tables: map[tableKey]*search.Rows{}, partners: map[tableKey]search.Bits{},
	}
	for k, d := range ev.draws {
		ev.byName[d.name] = k
	}
	for _, l := range inv.Network {
		ev.links[[2]string{l.From, l.To}] = append(ev.links[[2]string{l.From, l.To}], l)
		if !l.OneWay {
			ev.links[[2]string{l.To, l.From}] = append(ev.links[[2]string{l.To, l.From}], l)
		}
	}
	for _, pair := range inv.Groups {
		ev.groups[pair] = true
		ev.groups[[2]string{pair[1], pair[0]}] = true
	}
	return ev
}

// note counts something that a reader of the result should know of a candidate.
func (ev *evaluation) note(c *constraint, d *draw, what string) {
	ev.notes[fmt.Sprintf("constraint %s, demand %s: %%d candidates %s", c.name, d.name, what)]++
}

func (ev *evaluation) noted() []string {
	var lines []string
	for _, text := range sortedKeys(ev.notes) {
		if n := ev.notes[text]; n > 0 {
			lines = append(lines, fmt.Sprintf(text, n))
		} else {
			lines = append(lines, text)
		}
	}
	return lines
}

// verdict is what a constraint says of each candidate of a demand by itself, nil
// if it says nothing.
func (ev *evaluation) verdict(c *constraint, d *draw) []bool {
	b, ok := c.body.(alone)
	if !ok {
		return nil
	}
	key := verdictKey{constraint: c.name, items: d.items[0]}
	if _, ok := c.body.(*capacity); ok {
		key.demand = d.name
	}
	verdict, known := ev.verdicts[key]
	if !known {
		verdict = b.holds(ev, c, d)
		ev.verdicts[key] = verdict
	}
	return verdict
}

// ask puts a question to the outside; no answer means that nothing fits.
func (ev *evaluation) ask(c *constraint, d *draw, ask Ask) []string {
	err := ErrNoFitter
	if ev.fitter != nil {
		var ids []string
		if ids, err = ev.fitter.Fit(ev.ctx, ask); err == nil {
			return ids
		}
	}
	ev.notes[fmt.Sprintf("constraint %s, demand %s: nothing fits, as %s %q gave no answer: %v", c.name, d.name, ask.Type, ask.Controller, err)] = 0
	return nil
}

// hardware is the flavors an hpa constraint chose on a candidate, found once.
func (ev *evaluation) hardware(c *constraint, b *hpa, d *draw, it *item) *hardware {
	known := ev.hardwares[c.name]
	if known == nil {
		known = map[*item]*hardware{}
		ev.hardwares[c.name] = known
	}
	h, ok := known[it]
	if !ok {
		h = b.judge(it)
		known[it] = h
	}
	return h
}

// promised is what of a resource is promised to others on a place.
func (ev *evaluation) promised(of, place, resource string) float64 {
	if len(ev.inv.CapacityInUse) == 0 {
		return 0
	}
	key := of + " " + resource
	sums, ok := ev.promises[key]
	if !ok {
		sums = map[string]float64{}
		for _, c := range ev.inv.candidates {
			if n := ev.inv.CapacityInUse[c.ID][resource]; n != 0 {
				sums[placeOf(of, &item{c: c, id: c.ID, kind: c.Kind})] += n
			}
		}
		if of == "candidate" { // also of those that the template itself lists
			for id, amounts := range ev.inv.CapacityInUse {
				sums[id] = amounts[resource]
			}
		}
		ev.promises[key] = sums
	}
	return sums[place]
}

// hpaScore adds up what a demand's hpa constraints scored on a candidate.
func (ev *evaluation) hpaScore(d *draw, it *item) float64 {
	score := 0
	for _, c := range ev.t.constraints {
		if b, ok := c.body.(*hpa); ok && slices.Contains(c.demands, d.name) {
			score += ev.hardware(c, b, d, it).score
		}
	}
	return float64(score)
}
