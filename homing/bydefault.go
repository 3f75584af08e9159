package homing

import "math"

// byDefault is what is best when the template does not say: the lowest total cost;
// for elements of the continuum the least added power, then the highest free
// share, then to stay.
func (m *model) byDefault() {
	if !m.ev.t.continuum() {
		for v, d := range m.ev.draws {
			for a, it := range d.items {
				m.unary[v][a] += it.cost
			}
		}
		return
	}
	const finest = 10_000 // steps of a free share
	n := int64(len(m.ev.draws))
	m.steps = 100 // of a watt
	m.lesser = make([][]int64, n)
	for v, d := range m.ev.draws {
		worst := 0.0
		for _, it := range d.items {
			power, _ := m.ev.addedPower(d, it)
			worst = max(worst, power)
		}
		m.lesser[v] = make([]int64, len(d.items))
		for a, it := range d.items {
			power, ok := m.ev.addedPower(d, it)
			if !ok {
				power = worst
			}
			m.unary[v][a] += power
			m.lesser[v][a] = int64(math.Round((1-freeShare(it))*finest)) * (n + 1)
			if !it.existing {
				m.lesser[v][a]++
			}
		}
	}
	m.tie = n*(finest*(n+1)+1) + 1
}

// continuum reports whether every demand asks for elements or components.
func (t *Template) continuum() bool {
	for _, d := range t.demands {
		for _, q := range d.requirements {
			if q.kind != element && q.kind != component {
				return false
			}
		}
	}
	return true
}

// addedPower estimates in watts what a demand adds to a candidate: its average
// consumption, or the part of it that belongs to the cores asked for.
func (ev *evaluation) addedPower(d *draw, it *item) (float64, bool) {
	v, _ := it.field("avgPowerConsumption")
	power, ok := number(v)
	if !ok || power < 0 {
		return 0, false
	}
	v, _ = it.field("cpuCores")
	if cores, known := number(v); known && cores > 0 {
		for _, c := range ev.t.constraints {
			if b, is := c.body.(*capacity); is && c.has(d.name) && b.request[d.name]["cpu"] > 0 {
				return power * min(1, b.request[d.name]["cpu"]/cores), true
			}
		}
	}
	return power, true
}

// powerOrWorst is the added power, or that of the worst candidate if it is not known.
func (ev *evaluation) powerOrWorst(d *draw, it *item) float64 {
	if power, ok := ev.addedPower(d, it); ok {
		return power
	}
	worst := 0.0
	for _, other := range d.items {
		power, _ := ev.addedPower(d, other)
		worst = max(worst, power)
	}
	return worst
}

// freeShare is the free part of a candidate's cores and memory, 0 if unknown.
func freeShare(it *item) float64 {
	share := func(free, whole string) float64 {
		v, _ := it.field(free)
		f, ok := number(v)
		v, _ = it.field(whole)
		w, also := number(v)
		if !ok || !also || w <= 0 {
			return 0
		}
		return min(1, max(0, f/w))
	}
	return (share("freeCpu", "cpuCores") + share("freeRam", "ramCapacity")) / 2
}
