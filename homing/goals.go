package homing

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// objective adds what is best to the model: the template's objective, or the
// default. For feasibility only the candidates that lack a value go.
func (m *model) objective(feasibility bool) {
	o := m.ev.t.objective
	if o == nil || o.root == nil {
		if !feasibility {
			m.byDefault()
		}
		return
	}
	if o.maximize {
		m.sign = -1
	}
	m.complete(o.root)
	if feasibility {
		return
	}
	m.gather(o.root, m.sign)
	m.newest(o.newest)
}

// complete removes candidates for which some function has no value.
func (m *model) complete(n *node) {
	for _, kid := range n.kids {
		m.complete(kid)
	}
	f := n.fn
	if n.op != "function" || f.otherwise != nil {
		return
	}
	switch {
	case f.name == "spread":
	case len(f.demands) == 2 && f.name != "utilisation":
		m.related(f)
	default:
		for _, name := range f.demands {
			v := m.ev.byName[name]
			for a, has := range m.ev.valued(f, m.ev.draws[v]) {
				if !has {
					m.p.Live[v].Unset(a)
				}
			}
		}
	}
}

// related forbids pairs between which a function has no value.
func (m *model) related(f *function) {
	x, y := m.ev.byName[f.demands[0]], m.ev.byName[f.demands[1]]
	p, q := m.ev.draws[x], m.ev.draws[y]
	if f.name == "distance_between" {
		for _, v := range []int{x, y} {
			for a, it := range m.ev.draws[v].items {
				if !it.placed {
					m.p.Live[v].Unset(a)
				}
			}
		}
		return
	}
	m.apart(x, y)
	rows := search.NewRows(len(p.items), len(q.items), false, func(a, b int) bool {
		_, ok := m.ev.double(f, p.items[a], q.items[b])
		return ok
	})
	m.p.Rels = append(m.p.Rels, search.Relation{I: x, J: y, Rows: rows})
}

// valued tells which candidates have a value of a function of one demand.
func (ev *evaluation) valued(f *function, d *draw) []bool {
	has := make([]bool, len(d.items))
	for a, it := range d.items {
		if f.name == "utilisation" {
			_, _, has[a] = ev.usage(f, d, it)
		} else {
			_, has[a] = ev.single(f, d, it)
		}
	}
	return has
}

// gather takes the objective apart as far as it is a sum.
func (m *model) gather(n *node, factor float64) {
	m.constant += factor * n.offset
	factor *= n.scale
	switch {
	case n.op == "number" || factor == 0:
	case n.op == "sum" || len(n.kids) == 1:
		for _, kid := range n.kids {
			m.gather(kid, factor)
		}
	case n.op == "function" && len(n.fn.demands) == 1 && n.fn.name != "spread" && n.fn.name != "utilisation":
		v := m.ev.byName[n.fn.demands[0]]
		for a, it := range m.ev.draws[v].items {
			value, _ := m.ev.single(n.fn, m.ev.draws[v], it)
			m.unary[v][a] += factor * value
		}
	case n.op == "function" && len(n.fn.demands) == 2 && n.fn.name != "spread" && n.fn.name != "utilisation":
		m.pairs = append(m.pairs, m.pair(n.fn, factor))
	default:
		b := m.branch(n)
		b.scale, b.offset = factor, 0
		m.branches = append(m.branches, b)
	}
}

// pair is a function of two demands as a part of the objective.
func (m *model) pair(f *function, factor float64) pairTerm {
	x, y := m.ev.byName[f.demands[0]], m.ev.byName[f.demands[1]]
	p, q := m.ev.draws[x], m.ev.draws[y]
	most := math.Pi * earthRadius
	m.apart(x, y)
	if f.name == "latency_between" {
		for _, l := range m.ev.known {
			if l.Latency != nil {
				most = max(most, math.Abs(*l.Latency))
			}
		}
	}
	if f.otherwise != nil {
		most = max(most, math.Abs(*f.otherwise))
	}
	return pairTerm{x, y, func(a, b int) float64 {
		value, _ := m.ev.double(f, p.items[a], q.items[b])
		return factor * value
	}, most * math.Abs(factor)}
}

// branch turns a node into what the search can bound.
func (m *model) branch(n *node) *branch {
	b := &branch{op: n.op, scale: n.scale, offset: n.offset}
	for _, kid := range n.kids {
		b.kids = append(b.kids, m.branch(kid))
	}
	if n.op == "number" {
		b.op = "sum" // of nothing
	}
	if n.op == "function" {
		b.op, b.figure = "figure", m.figure(n.fn)
	}
	return b
}

func (m *model) figure(f *function) figureOf {
	switch {
	case f.name == "spread":
		d := &distinct{}
		for _, name := range f.demands {
			d.on = append(d.on, m.ev.byName[name])
		}
		d.labels = m.ev.spreadLabels(f.category, d.on)
		return d
	case f.name == "utilisation":
		return m.busiest(f)
	case len(f.demands) == 2:
		pair := m.pair(f, 1)
		return &between{pair.x, pair.y, pair.value, -pair.most, pair.most}
	}
	v := m.ev.byName[f.demands[0]]
	d := m.ev.draws[v]
	value := make([]float64, len(d.items))
	for a, it := range d.items {
		value[a], _ = m.ev.single(f, d, it)
	}
	return newScores(v, value)
}

func (m *model) busiest(f *function) *busiest {
	b := &busiest{}
	for v, d := range m.ev.draws {
		counts := slices.Contains(f.demands, d.name)
		if counts {
			b.of = append(b.of, v)
		}
		size := len(d.items)
		used, whole, add, otherwise := make([]float64, size), make([]float64, size), make([]float64, size), make([]bool, size)
		for a, it := range d.items {
			add[a] = m.ev.added(f.resource, d, it)
			if !counts {
				continue
			}
			var ok bool
			if used[a], whole[a], ok = m.ev.usage(f, d, it); !ok && f.otherwise != nil {
				used[a], otherwise[a] = *f.otherwise, true
			} else if !ok {
				whole[a] = 1 // never chosen
			}
		}
		b.on, b.used, b.whole = append(b.on, v), append(b.used, used), append(b.whole, whole)
		b.add, b.otherwise = append(b.add, add), append(b.otherwise, otherwise)
	}
	b.label, _ = m.ev.labels("place candidate", b.on, func(it *item) string { return it.id })
	return b
}

// newest lets the higher cloud version win between equals.
func (m *model) newest(demands []string) {
	if len(demands) == 0 {
		return
	}
	demands = slices.Clone(demands)
	slices.Sort(demands)
	demands = slices.Compact(demands)
	var all []string
	for _, name := range demands {
		for _, it := range m.ev.draws[m.ev.byName[name]].items {
			all = append(all, versionOf(it))
		}
	}
	slices.SortFunc(all, func(a, b string) int { return -compareVersions(a, b) })
	all = slices.CompactFunc(all, func(a, b string) bool { return compareVersions(a, b) == 0 })
	m.lesser = make([][]int64, len(m.p.Size))
	for _, name := range demands {
		v := m.ev.byName[name]
		m.lesser[v] = make([]int64, m.p.Size[v])
		for a, it := range m.ev.draws[v].items {
			rank, _ := slices.BinarySearchFunc(all, versionOf(it), func(a, b string) int { return -compareVersions(a, b) })
			m.lesser[v][a] = int64(rank)
		}
	}
	m.tie = int64(len(all)*len(demands) + 1)
}

func versionOf(it *item) string {
	v, _ := it.field("cloud_region_version")
	text, _ := plain(v)
	return text
}

// compareVersions compares dotted numbers; what is no number counts as 0.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		p, q := 0.0, 0.0
		if i < len(x) {
			p, _ = strconv.ParseFloat(x[i], 64)
		}
		if i < len(y) {
			q, _ = strconv.ParseFloat(y[i], 64)
		}
		if p != q {
			if p < q {
				return -1
			}
			return 1
		}
	}
	return 0
}
