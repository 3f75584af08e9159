package homing

import (
	"fmt"
	"strconv"
)

// links is the body of network_between_demands and network_to_location: one link
// has to satisfy every expression.
type links struct {
	bandwidth, distance, latency *expression
	location                     string
}

func (p *parser) network(c *constraint, r *reader) any {
	b := &links{}
	if c.kind == "network_to_location" {
		b.location = p.locationName(r, "location")
	}
	for key, of := range map[string]struct {
		at **expression
		d  dimension
	}{"bandwidth": {&b.bandwidth, throughput}, "distance": {&b.distance, distance}, "latency": {&b.latency, duration}} {
		if r.has(key) {
			e := p.expression(r, key, of.d)
			*of.at = &e
		}
	}
	if b.bandwidth == nil && b.distance == nil && b.latency == nil {
		p.found.add(r.path, "asks nothing: accepted is at least one of bandwidth, distance, latency")
	}
	return b
}

// met reports whether some link between the two places is good enough. Links that
// are not known are none.
func (b *links) met(all []Link) bool {
	good := func(e *expression, v *float64) bool { return e == nil || v != nil && e.holds(*v) }
	for _, l := range all {
		if good(b.bandwidth, l.Bandwidth) && good(b.distance, l.Distance) && good(b.latency, l.Latency) {
			return true
		}
	}
	return false
}

func (b *links) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	for i, it := range d.items {
		if ok[i] = true; b.location != "" {
			from := ev.links[[2]string{it.site(), b.location}]
			if ok[i] = b.met(from); len(from) == 0 {
				ev.note(c, d, "have no known network link to "+b.location)
			}
		}
	}
	return ok
}

func (b *links) allows(ev *evaluation, x, y *draw) (func(i, j int) bool, bool) {
	if b.location != "" {
		return nil, false
	}
	xs, ys := siteNumbers(x), siteNumbers(y)
	known := map[[2]int]bool{}
	return func(i, j int) bool {
		key := [2]int{xs[i], ys[j]}
		met, ok := known[key]
		if !ok {
			met = b.met(ev.links[[2]string{x.items[i].site(), y.items[j].site()}])
			known[key] = met
		}
		return met
	}, false
}

func (b *links) measures(_ *evaluation, it *item) string { return strconv.Quote(it.site()) }

// siteNumbers gives the places of a draw's candidates numbers.
func siteNumbers(d *draw) []int {
	numbers := make([]int, len(d.items))
	byName := map[string]int{}
	for i, it := range d.items {
		n, ok := byName[it.site()]
		if !ok {
			n = len(byName)
			byName[it.site()] = n
		}
		numbers[i] = n
	}
	return numbers
}

// site is what network links are measured between.
func (it *item) site() string {
	v, _ := it.field("location_id")
	text, _ := plain(v)
	return text
}

// groups is the body of inventory_group.
type groups struct{}

func (p *parser) group(*constraint, *reader) any { return &groups{} }

func (*groups) allows(ev *evaluation, x, y *draw) (func(i, j int) bool, bool) {
	return func(i, j int) bool {
		return ev.groups[[2]string{x.items[i].id, y.items[j].id}]
	}, false
}

func (*groups) measures(_ *evaluation, it *item) string { return fmt.Sprintf("%q", it.id) }
