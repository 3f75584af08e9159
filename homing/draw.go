package homing

import (
	"cmp"
	"slices"
	"strings"
)

func byKindAndID(a, b *Candidate) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}

// draw is the candidates of one demand, by id. Demands that ask for the same share
// the items, as long as none of them is placed already.
type draw struct {
	*demand
	items []*item
	base  *draw // the draw whose items have the same order and places; often itself
}

// item is a candidate as one demand sees it.
type item struct {
	c        *Candidate
	id, kind string
	provider string
	extra    map[string]any // fields that the demand adds or overrides
	cost     float64
	existing bool
	placed   bool // lat, lon and at are known
	lat, lon float64
	at       [3]float64
}

// stayCost is the cost of the candidate where a demand is now.
const stayCost = -8000.0

// field returns what is known of the candidate under a name, "a.b" being b of a.
func (it *item) field(name string) (any, bool) {
	if v, ok := it.extra[name]; ok {
		return v, true
	}
	if v, ok := it.c.Fields[name]; ok && v != nil {
		return v, true
	}
	head, rest, dotted := strings.Cut(name, ".")
	if dotted {
		if v, ok := it.c.related[head][rest]; ok {
			return v, true
		}
		if m, ok := it.c.Fields[head].(map[string]any); ok {
			v, ok := m[rest]
			return v, ok && v != nil
		}
	}
	if at := strings.LastIndexAny(name, "/#"); at >= 0 && strings.Contains(name, "://") {
		return it.field(name[at+1:]) // an expanded name
	}
	switch name {
	case "cost":
		return it.cost, true
	case "existing_placement":
		return map[bool]string{true: "true", false: "false"}[it.existing], true
	}
	return nil, false
}

// drawAll finds the candidates of every demand; a demand without is an error.
func (t *Template) drawAll(inv *Inventory, found *findings) []*draw {
	shared := map[string]*draw{}
	draws := make([]*draw, len(t.demands))
	for k, d := range t.demands {
		base, ok := shared[d.key]
		if !ok {
			base = d.draw(inv)
			base.base = base
			shared[d.key] = base
		}
		draws[k] = &draw{demand: d, items: base.items, base: base}
		if len(base.items) == 0 {
			d.complain(inv, found)
		}
		if d.existing != "" {
			draws[k].stay()
		}
	}
	return draws
}

func (d *demand) complain(inv *Inventory, found *findings) {
	what := "candidate"
	if slices.ContainsFunc(d.requirements, func(q *requirement) bool { return q.hasRequired }) {
		what = "required candidate"
	}
	unready, stale := 0, 0
	for _, c := range inv.candidates {
		if c.stale {
			stale++
		} else if c.unready {
			unready++
		}
	}
	found.add("demands."+d.name, "Unable to find any %s for demand %s: of %d candidates of the inventory (%d not ready, %d with figures too old) none has the type, provider and attributes that its requirements ask for",
		what, d.name, len(inv.candidates), unready, stale)
}

// stay marks the candidate where the demand is now.
func (d *draw) stay() {
	own := make([]item, len(d.items))
	d.items = slices.Clone(d.items)
	for i, it := range d.items {
		own[i] = *it
		own[i].existing = it.id == d.existing
		if own[i].existing {
			own[i].cost = stayCost
		}
		d.items[i] = &own[i]
	}
}

func (d *demand) draw(inv *Inventory) *draw {
	var items []*item
	for _, q := range d.requirements {
		items = append(items, q.draw(inv)...)
	}
	// Of one id the first requirement's candidate is taken.
	slices.SortStableFunc(items, func(a, b *item) int { return cmp.Compare(a.id, b.id) })
	items = slices.CompactFunc(items, func(a, b *item) bool { return a.id == b.id })
	return &draw{demand: d, items: items}
}

func (q *requirement) draw(inv *Inventory) []*item {
	var from []*Candidate
	switch {
	case q.candidates != nil:
		from = q.listedCandidates(inv)
	case q.kind == "slice_profiles" && q.filters["subnets"] != nil:
		from = q.generate()
	default:
		for _, c := range inv.candidates {
			if c.Kind == q.kind && c.offers(q.provider) && q.usable(c) && q.matches(c) {
				from = append(from, c)
			}
		}
	}
	var items []*item
	for _, c := range from {
		if it := q.item(c); q.wants(it) {
			items = append(items, it)
		}
	}
	return items
}

// usable reports whether an element is ready, or the requirement itself says which
// status it wants. Old figures are never believed.
func (q *requirement) usable(c *Candidate) bool {
	_, asks := q.filters["infrastructureElementStatus"]
	return !c.stale && (!c.unready || asks)
}

// listedCandidates are those that the template lists, with what the inventory
// knows of them besides.
func (q *requirement) listedCandidates(inv *Inventory) []*Candidate {
	var from []*Candidate
	for _, m := range q.candidates {
		id, _ := plain(m["candidate_id"])
		kind, _ := plain(m["inventory_type"])
		if kind == "" {
			kind = q.kind
		}
		c := Candidate{ID: id, Kind: kind, Provider: q.provider}
		fields := map[string]any{"cost": 0.0}
		for _, known := range inv.candidates {
			if known.ID == id && (kind == "" || kind == known.Kind) {
				c = *known
				for key, v := range known.Fields {
					fields[key] = v
				}
				fields["cost"] = 0.0
				break
			}
		}
		for key, v := range m {
			fields[key] = v
		}
		c.Fields = fields
		from = append(from, &c)
	}
	return from
}

// item is a candidate with what the requirement adds to it.
func (q *requirement) item(c *Candidate) *item {
	it := &item{c: c, id: c.ID, kind: c.Kind, provider: cmp.Or(c.Provider, q.provider), extra: q.extra, cost: q.costOf(c)}
	if len(q.conflict) > 0 || len(q.passthrough) > 0 || len(q.defaults) > 0 {
		it.extra = make(map[string]any, len(q.extra)+len(q.defaults)+2)
		for key, v := range q.defaults {
			name := strings.ReplaceAll(key, "-", "_")
			if _, ok := c.Fields[name]; !ok && (strings.HasPrefix(c.Kind, "n") || c.Kind == "slice_profiles") {
				it.extra[name] = v
			}
		}
		for key, v := range q.extra {
			it.extra[key] = v
		}
		if len(q.passthrough) > 0 {
			it.extra["passthrough_attributes"] = q.passthrough
		}
		if len(q.conflict) > 0 {
			it.extra["conflict_id"] = q.conflictID(func(name string) any { v, _ := it.field(name); return v })
		}
	}
	lat, ok := number(c.Fields["latitude"])
	lon, also := number(c.Fields["longitude"])
	if it.placed = ok && also; it.placed {
		it.lat, it.lon, it.at = lat, lon, vector(lat, lon)
	}
	return it
}

func (q *requirement) costOf(c *Candidate) float64 {
	if cost, ok := number(c.Fields["cost"]); ok {
		return cost
	}
	if q.cost != nil {
		return *q.cost
	}
	switch c.Kind {
	case "cloud":
		return 2
	case "service", "vfmodule", "nssi", "nsi", "nst", "nsst", "slice_profiles":
		return 1
	}
	return 0
}

// wants applies what a requirement says of single candidates.
func (q *requirement) wants(it *item) bool {
	named := func(list []naming) bool {
		return slices.ContainsFunc(list, func(n naming) bool { return n.id == it.id && (n.kind == "" || n.kind == it.kind) })
	}
	at := func(field, want string) bool {
		v, _ := it.field(field)
		text, _ := plain(v)
		return want == "" || text == want
	}
	return (!q.hasRequired || named(q.required)) && !named(q.excluded) &&
		at("location_id", q.region) && at("physical_location_id", q.site)
}
