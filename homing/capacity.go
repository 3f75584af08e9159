package homing

import "slices"

// capacity is the body of a capacity constraint. Constraints that name the same
// limit field of the same kind of place draw on the same pot: see pools.
type capacity struct {
	of      string // candidate, vim or region
	request map[string]map[string]float64
	limits  map[string]string  // resource to the field that holds its limit
	most    map[string]float64 // highest share of the limit to be used
}

func (p *parser) capacity(c *constraint, r *reader) any {
	b := &capacity{of: "candidate", limits: map[string]string{}, most: map[string]float64{}, request: map[string]map[string]float64{}}
	if r.has("of") {
		b.of = r.word("of", "candidate", "vim", "region")
	}
	r.need("limits", "a mapping of resource to the candidate's field that limits it")
	limits := r.mapping("limits")
	for _, resource := range sortedKeys(limits) {
		field, ok := limits[resource].(string)
		if !ok || field == "" {
			r.wrong("limits."+resource, limits[resource], "the name of a candidate's field")
		}
		b.limits[resource] = field
	}
	p.requests(c, b, r)
	b.most = r.amounts("max_utilisation")
	for _, resource := range sortedKeys(b.most) {
		if b.most[resource] > 1 || b.most[resource] == 0 {
			r.wrong("max_utilisation."+resource, b.most[resource], "a share above 0 and up to 1")
		}
		b.limited(p, r, "max_utilisation", resource)
	}
	return b
}

// requests reads one mapping for all demands, or one for each.
func (p *parser) requests(c *constraint, b *capacity, r *reader) {
	r.need("request", "a mapping of resource to amount, or of demand to such a mapping")
	m := r.mapping("request")
	apart := false
	for _, v := range m {
		if _, ok := v.(map[string]any); ok {
			apart = true
		}
	}
	if !apart {
		amounts := r.amounts("request")
		for _, resource := range sortedKeys(amounts) {
			b.limited(p, r, "request", resource)
		}
		for _, demand := range c.demands {
			b.request[demand] = amounts
		}
		return
	}
	each := &reader{m, r.at("request"), p.found}
	each.only(c.demands...)
	for _, demand := range c.demands {
		if _, ok := each.need(demand, "a mapping of resource to amount"); ok {
			b.request[demand] = each.amounts(demand)
			for _, resource := range sortedKeys(b.request[demand]) {
				b.limited(p, each, demand, resource)
			}
		}
	}
}

func (b *capacity) limited(p *parser, r *reader, key, resource string) {
	if _, ok := b.limits[resource]; !ok {
		p.found.add(r.at(key)+"."+resource, "no limit is named for this resource: accepted is %s", orNothing(sortedKeys(b.limits)))
	}
}

// place is what amounts are added up on.
func (b *capacity) place(it *item) string { return placeOf(b.of, it) }

func placeOf(of string, it *item) string {
	switch of {
	case "vim":
		return it.vim()
	case "region":
		return it.site()
	}
	return it.id
}

// holds tells whether all limits that matter to the demand are known and the
// demand fits by itself; that all fit together is the matter of pools.
func (b *capacity) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	resources := sortedKeys(b.request[d.name])
	for i, it := range d.items {
		ok[i] = b.place(it) != ""
		for _, resource := range resources {
			load := d.load(it, resource, b.request[d.name][resource])
			if load == 0 {
				continue
			}
			limit, known := b.limit(ev, it, resource)
			if !known {
				ev.note(c, d, "have no field "+b.limits[resource])
			}
			ok[i] = ok[i] && known && load <= limit+tolerance(limit)
		}
	}
	return ok
}

// tolerance is by how much sums of amounts may miss a limit through rounding.
func tolerance(limit float64) float64 { return 1e-9 * max(1, limit) }

// load is what a demand adds at a place: nothing of what it uses there already.
func (d *draw) load(it *item, resource string, amount float64) float64 {
	if !it.existing {
		return amount
	}
	if d.present == nil {
		return 0
	}
	return max(0, amount-d.present[resource])
}

// limit is the share that may be used of what the candidate offers, less what is
// promised to others on the same place.
func (b *capacity) limit(ev *evaluation, it *item, resource string) (float64, bool) {
	v, _ := it.field(b.limits[resource])
	free, ok := number(v)
	if !ok || free < 0 {
		return 0, false
	}
	if most, limited := b.most[resource]; limited {
		free *= most
	}
	return max(0, free-ev.promised(b.of, b.place(it), resource)), true
}

// maxPerZone is the body of max_per_zone.
type maxPerZone struct {
	category string
	most     int
}

func (p *parser) maxPerZone(_ *constraint, r *reader) any {
	b := &maxPerZone{category: categories[r.word("category", sortedKeys(categories)...)]}
	if v, ok := r.need("max", "a whole number, at least 1"); ok {
		n, isNumber := number(v)
		if !isNumber || n != float64(int(n)) || n < 1 {
			r.wrong("max", v, "a whole number, at least 1")
		}
		b.most = int(n)
	}
	return b
}

func (b *maxPerZone) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	for i, it := range d.items {
		if ok[i] = it.zone(b.category) != ""; !ok[i] {
			ev.note(c, d, "have no field "+zoneField(b.category))
		}
	}
	return ok
}

// has reports whether the constraint is about the demand.
func (c *constraint) has(demand string) bool { return slices.Contains(c.demands, demand) }
