package homing

import (
	"slices"
	"strings"
)

// constraint is one entry of the section. What it asks is in body, whose methods
// say how: see alone, pairwise, zoned and pooled.
type constraint struct {
	name, kind string
	demands    []string
	penalty    float64 // what breaking it costs; 0 means that it must not be broken
	body       any
}

// alone is what a constraint asks of each candidate by itself.
type alone interface {
	// holds tells for each candidate of a demand whether it may serve it.
	holds(ev *evaluation, c *constraint, d *draw) []bool
}

// pairwise is what a constraint asks of every two of its demands.
type pairwise interface {
	// allows returns whether candidate a of x goes with candidate b of y. same
	// says that the answer does not depend on which of the two comes first.
	allows(ev *evaluation, x, y *draw) (ok func(a, b int) bool, same bool)
	// measures returns what of a candidate the answer depends on, for telling
	// candidates apart that are alike; "" for a candidate that nothing goes with.
	measures(ev *evaluation, it *item) string
}

// kind is how a type of constraint is read.
type kind struct {
	required, optional []string
	least, most        int // number of demands; 0 means any
	read               func(p *parser, c *constraint, r *reader) any
}

func kinds() map[string]kind {
	network := []string{"bandwidth", "distance", "latency"}
	return map[string]kind{
		"attribute":                {required: []string{"evaluate"}, read: (*parser).attribute},
		"threshold":                {required: []string{"evaluate"}, read: (*parser).threshold},
		"distance_to_location":     {required: []string{"distance", "location"}, read: (*parser).distanceToLocation},
		"distance_between_demands": {required: []string{"distance"}, least: 2, read: (*parser).distanceBetween},
		"zone":                     {required: []string{"qualifier", "category"}, optional: []string{"location"}, read: (*parser).zone},
		"hpa":                      {required: []string{"evaluate"}, read: (*parser).hpa},
		"vim_fit":                  {required: []string{"controller"}, optional: []string{"request"}, read: (*parser).vimFit},
		"instance_fit":             {required: []string{"controller"}, optional: []string{"request"}, read: (*parser).serviceFit},
		"region_fit":               {required: []string{"controller"}, optional: []string{"request"}, read: (*parser).serviceFit},
		"inventory_group":          {least: 2, most: 2, read: (*parser).group},
		"license":                  {required: []string{"id", "key"}, read: (*parser).license},
		"network_between_demands":  {optional: network, least: 2, read: (*parser).network},
		"network_to_location":      {required: []string{"location"}, optional: network, read: (*parser).network},
		"within_area":              {required: []string{"area"}, read: (*parser).withinArea},
		"capacity":                 {required: []string{"request", "limits"}, optional: []string{"of", "max_utilisation"}, read: (*parser).capacity},
		"max_per_zone":             {required: []string{"category", "max"}, read: (*parser).maxPerZone},
	}
}

func (p *parser) constraints(section any) {
	if section == nil {
		return
	}
	all, _ := open(section, "constraints", " of name to constraint", p.found)
	for _, name := range sortedKeys(all.m) {
		r, ok := open(all.m[name], all.at(name), " with type, demands and properties", p.found)
		if ok {
			p.constraint(name, r)
		}
	}
}

func (p *parser) constraint(name string, r *reader) {
	r.only("type", "demands", "properties", "penalty")
	c := &constraint{name: name, kind: r.word("type", sortedKeys(p.kinds)...)}
	p.t.constraints = append(p.t.constraints, c)
	if r.has("penalty") {
		if c.penalty = r.number("penalty", 1); c.penalty <= 0 {
			r.wrong("penalty", r.m["penalty"], "a number above 0")
		}
	}
	k, known := p.kinds[c.kind]
	c.demands = p.named(r, "demands")
	if _, there := r.m["demands"]; there && known && len(c.demands) > 0 {
		if len(c.demands) < k.least || k.most > 0 && len(c.demands) > k.most {
			r.found.add(r.at("demands"), "%d demands: accepted for %s is %s", len(c.demands), c.kind, counts(k))
		}
	}
	if !known {
		return
	}
	properties, ok := &reader{map[string]any{}, r.at("properties"), p.found}, true
	if v := r.m["properties"]; v != nil {
		properties, ok = open(v, r.at("properties"), " with "+strings.Join(slices.Concat(k.required, k.optional), ", "), p.found)
	}
	if !ok {
		return
	}
	if accepted := slices.Concat(k.required, k.optional); len(accepted) > 0 {
		properties.only(accepted...)
	} else if len(properties.m) > 0 {
		p.found.add(properties.path, "%s takes no properties: accepted is none", c.kind)
	}
	c.body = k.read(p, c, properties)
}

func counts(k kind) string {
	if k.most == k.least {
		return "exactly two"
	}
	return "two or more"
}

// named reads the names of declared demands, one or a list.
func (p *parser) named(r *reader, key string) []string {
	if _, ok := r.need(key, "the name of a demand or a list of names: "+orNothing(sortedKeys(p.names))); !ok {
		return nil
	}
	var names []string
	for _, name := range r.words(key) {
		switch {
		case !p.names[name]:
			p.found.add(r.at(key), "demand %q is not declared: accepted is %s", name, orNothing(sortedKeys(p.names)))
		case slices.Contains(names, name):
			p.found.add(r.at(key), "demand %q is named twice: accepted is each once", name)
		default:
			names = append(names, name)
		}
	}
	return names
}

// locationName reads the name of a declared location.
func (p *parser) locationName(r *reader, key string) string {
	declared := orNothing(sortedKeys(p.t.locations))
	if _, ok := r.need(key, "a declared location: "+declared); !ok {
		return ""
	}
	name := r.text(key)
	if _, ok := p.t.locations[name]; !ok && name != "" {
		p.found.add(r.at(key), "location %q is not declared: accepted is %s", name, declared)
	}
	return name
}
