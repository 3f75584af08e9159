package homing

import "math"

// single is what a function measures of one demand's candidate; ok is false for a
// candidate that has no such value and so cannot serve the demand.
func (ev *evaluation) single(f *function, d *draw, it *item) (value float64, ok bool) {
	switch f.name {
	case "distance_between":
		if value, ok = 0, it.placed; ok {
			place := ev.places[f.location]
			value = greatCircle(it.lat, it.lon, place.Latitude, place.Longitude)
		}
	case "latency_between":
		value, ok = ev.latency(it.site(), f.location)
	case "attribute", "sum_over":
		v, _ := it.field(f.attribute)
		value, ok = measure(v)
	case "cost":
		value, ok = it.cost, true
	case "hpa_score":
		value, ok = ev.hpaScore(d, it), true
	case "stay":
		ok = true
		if it.existing {
			value = 1
		}
	}
	if !ok && f.otherwise != nil {
		return *f.otherwise, true
	}
	if ok && f.withCost {
		value += it.cost
	}
	return value, ok
}

// double is what a function measures between two demands' candidates.
func (ev *evaluation) double(f *function, x, y *item) (value float64, ok bool) {
	if f.name == "latency_between" {
		value, ok = ev.latency(x.site(), y.site())
	} else if ok = x.placed && y.placed; ok {
		value = greatCircle(x.lat, x.lon, y.lat, y.lon)
	}
	if !ok && f.otherwise != nil {
		return *f.otherwise, true
	}
	return value, ok
}

// latency is that of the quickest link between two places.
func (ev *evaluation) latency(from, to string) (float64, bool) {
	least := math.Inf(1)
	for _, l := range ev.links[[2]string{from, to}] {
		if l.Latency != nil {
			least = min(least, *l.Latency)
		}
	}
	if math.IsInf(least, 1) {
		return 0, false
	}
	return least, true
}

// spread is the number of distinct zones in use; unknown zones are one each.
func spread(f *function, chosen []*item) float64 {
	seen := map[string]bool{}
	for _, it := range chosen {
		label := it.zone(f.category)
		if label == "" {
			label = "\x00" + it.id
		}
		seen[label] = true
	}
	return float64(len(seen))
}

// usage is how much of a resource a candidate uses now, and its whole.
func (ev *evaluation) usage(f *function, d *draw, it *item) (used, whole float64, ok bool) {
	b := ev.t.capacityOf(d.name, f.resource)
	v, _ := it.field(f.total)
	whole, known := number(v)
	v, _ = it.field(b.limits[f.resource])
	free, also := number(v)
	if !known || !also || whole <= 0 || free < 0 {
		return 0, 0, false
	}
	return whole - free + ev.promised(b.of, b.place(it), f.resource), whole, true
}

// utilisation is the highest share in use, after placement, among the candidates
// of the function's demands. all are the chosen items of every demand.
func (ev *evaluation) utilisation(f *function, all []*item) (float64, bool) {
	top := math.Inf(-1)
	for _, name := range f.demands {
		k := ev.byName[name]
		used, whole, ok := ev.usage(f, ev.draws[k], all[k])
		if !ok {
			if f.otherwise == nil {
				return 0, false
			}
			top = max(top, *f.otherwise)
			continue
		}
		for j, other := range all {
			if other.id == all[k].id {
				used += ev.added(f.resource, ev.draws[j], other)
			}
		}
		top = max(top, used/whole)
	}
	return top, true
}

// added is what a demand takes of a resource by its capacity constraints.
func (ev *evaluation) added(resource string, d *draw, it *item) float64 {
	most := 0.0
	for _, c := range ev.t.constraints {
		if b, ok := c.body.(*capacity); ok && c.has(d.name) {
			most = max(most, d.load(it, resource, b.request[d.name][resource]))
		}
	}
	return most
}

// value computes a node for a complete assignment, an item for each demand.
func (ev *evaluation) value(n *node, all []*item) float64 { return n.scale*ev.raw(n, all) + n.offset }

// raw is a node's value before its scale and offset.
func (ev *evaluation) raw(n *node, all []*item) float64 {
	if n.op == "function" {
		return ev.measured(n.fn, all)
	}
	if n.op == "number" {
		return 0
	}
	var total float64
	if n.op == "product" {
		total = 1
	}
	for i, kid := range n.kids {
		v := ev.value(kid, all)
		switch {
		case n.op == "sum":
			total += v
		case n.op == "product":
			total *= v
		case i == 0:
			total = v
		case n.op == "min":
			total = min(total, v)
		default:
			total = max(total, v)
		}
	}
	return total
}

func (ev *evaluation) measured(f *function, all []*item) (value float64) {
	switch {
	case f.name == "spread":
		chosen := make([]*item, len(f.demands))
		for i, name := range f.demands {
			chosen[i] = all[ev.byName[name]]
		}
		return spread(f, chosen)
	case f.name == "utilisation":
		value, _ = ev.utilisation(f, all)
	case len(f.demands) == 2:
		value, _ = ev.double(f, all[ev.byName[f.demands[0]]], all[ev.byName[f.demands[1]]])
	default:
		k := ev.byName[f.demands[0]]
		value, _ = ev.single(f, ev.draws[k], all[k])
	}
	return value
}
