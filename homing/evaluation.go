package homing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// evaluation is one look of a template at an inventory: what each constraint says
// of each candidate, found once and used by every search.
type evaluation struct {
	t       *Template
	inv     *Inventory
	places  map[string]Place
	draws   []*draw
	byName  map[string]int // place in draws
	answers map[string]Answer
	known   []Link
	links   map[[2]string][]Link
	groups  map[[2]string]bool

	notes     map[remark]int
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

// newEvaluation asks the outside systems, unless something was found wrong.
func newEvaluation(ctx context.Context, t *Template, inv *Inventory, systems Systems, found *findings) *evaluation {
	ev := &evaluation{
		t: t, inv: inv, answers: map[string]Answer{}, places: t.resolve(inv, found), draws: t.drawAll(inv, found), byName: map[string]int{},
		links: map[[2]string][]Link{}, groups: map[[2]string]bool{}, notes: map[remark]int{},
		hardwares: map[string]map[*item]*hardware{}, promises: map[string]map[string]float64{}, verdicts: map[verdictKey][]bool{}, spaces: map[string]*labelSpace{}, tables: map[tableKey]*search.Rows{}, partners: map[tableKey]search.Bits{},
	}
	for k, d := range ev.draws {
		ev.byName[d.name] = k
	}
	ev.connect(inv.Network)
	for _, pair := range inv.Groups {
		ev.groups[pair] = true
		ev.groups[[2]string{pair[1], pair[0]}] = true
	}
	if len(found.list) == 0 {
		ev.inquire(ctx, systems)
	}
	return ev
}

// remark is a note: what is said of whom.
type remark struct{ whom, what string }

// note counts something that a reader of the result should know of a candidate.
func (ev *evaluation) note(c *constraint, d *draw, what string) {
	ev.notes[remark{fmt.Sprintf("constraint %s, demand %s", c.name, d.name), what}]++
}

// noteOnce notes something that is not about candidates.
func (ev *evaluation) noteOnce(whom, format string, args ...any) {
	ev.notes[remark{whom, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")}] = 0
}

func (ev *evaluation) noted() []string {
	lines := make([]string, 0, len(ev.notes))
	for r, n := range ev.notes {
		text := r.whom + ": " + r.what
		if n > 0 {
			text = fmt.Sprintf("%s: %d candidates %s", r.whom, n, r.what)
		}
		lines = append(lines, text)
	}
	slices.Sort(lines)
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
