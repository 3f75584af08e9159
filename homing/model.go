package homing

import (
	"math"
	"slices"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// model is an evaluation as a problem to search, with the constraints of a choice
// and with or without the objective.
type model struct {
	ev     *evaluation
	active func(constraint string) bool
	p      *search.Problem

	// The objective to minimise, in parts, before it is made integer.
	sign     float64
	constant float64
	unary    [][]float64 // by variable and value
	pairs    []pairTerm
	branches []*branch
	lesser   [][]int64                           // by variable: decides between equals
	tie      int64                               // how far lesser sums may reach
	steps    float64                             // integers per unit
	traits   []map[string]func(*item) string     // by variable: what else its candidates differ in
	unlike   []bool                              // by variable: no two candidates are alike
	broken   map[string][]func(values []int) int // by soft constraint: how often it is broken
}

type pairTerm struct {
	x, y  int
	value func(a, b int) float64
	most  float64 // largest magnitude
}

// theObjective is the name under which candidates count as removed, and stand in
// a conflict, that lack a value that the objective needs.
const theObjective = "optimization"

func newModel(ev *evaluation, active func(string) bool, feasibility bool) *model {
	m := &model{ev: ev, active: active, p: &search.Problem{}, sign: 1, steps: 1, broken: map[string][]func([]int) int{}}
	for _, d := range ev.draws {
		m.p.Size = append(m.p.Size, len(d.items))
		m.p.Live = append(m.p.Live, search.FullBits(len(d.items)))
		m.unary = append(m.unary, make([]float64, len(d.items)))
		m.traits = append(m.traits, map[string]func(*item) string{})
	}
	m.unlike = make([]bool, len(ev.draws))
	for _, c := range ev.t.constraints {
		if active(c.name) && (c.penalty == 0 || !feasibility) {
			m.constrain(c)
		}
	}
	m.pools()
	if active(theObjective) {
		m.objective(feasibility)
	}
	if !feasibility {
		m.quantize()
	}
	m.twins()
	return m
}

// constrain adds what one constraint asks.
func (m *model) constrain(c *constraint) {
	for _, name := range c.demands {
		v := m.ev.byName[name]
		if c.penalty > 0 {
			m.regret(c, v)
			continue
		}
		for a, ok := range m.ev.verdict(c, m.ev.draws[v]) {
			if !ok {
				m.p.Live[v].Unset(a)
			}
		}
	}
	switch b := c.body.(type) {
	case *zones:
		m.zone(c, b)
	case *maxPerZone:
		m.perZone(c, b)
	case pairwise:
		m.pairwise(c, b)
	}
}

// regret charges the penalty for what a demand's candidate breaks by itself.
func (m *model) regret(c *constraint, v int) {
	if b, ok := c.body.(*zones); ok && b.location == "" {
		return // pairs are charged
	}
	bad := make([]int, len(m.ev.draws[v].items))
	for a, ok := range m.ev.verdict(c, m.ev.draws[v]) {
		if !ok && !m.overloads(c, v, a) {
			m.unary[v][a] += c.penalty
			bad[a] = 1
		}
	}
	m.count(c, func(values []int) int { return bad[values[v]] })
}

// count notes how often a soft constraint is broken, for the explanation.
func (m *model) count(c *constraint, broken func(values []int) int) {
	m.broken[c.name] = append(m.broken[c.name], broken)
}

// soft charges the penalty for each pair of values that does not go together.
func (m *model) soft(c *constraint, x, y int, ok func(a, b int) bool) {
	m.pairs = append(m.pairs, pairTerm{x, y, func(a, b int) float64 {
		if ok(a, b) {
			return 0
		}
		return c.penalty
	}, c.penalty})
	m.count(c, func(values []int) int {
		if ok(values[x], values[y]) {
			return 0
		}
		return 1
	})
}

// overfull charges the penalty for each place that holds too much.
func (m *model) overfull(c *constraint, pack search.Pack) {
	f := &overfull{pack, c.penalty}
	m.branches = append(m.branches, &branch{op: "figure", scale: 1, figure: f})
	m.count(c, func(values []int) int {
		dom := make([]search.Bits, len(values))
		for v, a := range values {
			dom[v] = search.NewBits(m.p.Size[v])
			dom[v].Set(a)
		}
		low, _ := f.span(dom)
		return int(math.Round(low / c.penalty))
	})
}

// overloads reports whether all that the candidate breaks of a capacity constraint
// is a limit, which is charged by place and not by demand.
func (m *model) overloads(c *constraint, v, a int) bool {
	d := m.ev.draws[v]
	if b, ok := c.body.(*vimFit); ok {
		_, listed := b.free(m.ev, c)[d.items[a].vim()]
		return listed
	}
	b, ok := c.body.(*capacity)
	if !ok {
		return false
	}
	for resource, amount := range b.request[d.name] {
		if _, known := b.limit(m.ev, d.items[a], resource); !known && d.load(d.items[a], resource, amount) > 0 {
			return false
		}
	}
	return b.place(d.items[a]) != ""
}

func (m *model) variables(c *constraint) []int {
	vars := make([]int, len(c.demands))
	for i, name := range c.demands {
		vars[i] = m.ev.byName[name]
	}
	return vars
}

func (m *model) zone(c *constraint, b *zones) {
	vars := m.variables(c)
	if len(vars) < 2 {
		return
	}
	m.zoned(b.category, vars)
	labels, places := m.ev.zoneLabels(b.category, vars)
	switch {
	case c.penalty > 0:
		for i := range vars {
			for j := range i {
				x, y := labels[i], labels[j]
				m.soft(c, vars[i], vars[j], func(a, q int) bool {
					return x[a] >= 0 && y[q] >= 0 && (x[a] == y[q]) != b.different
				})
			}
		}
	case b.different:
		m.p.Packs = append(m.p.Packs, search.Pack{Vars: vars, Label: labels, Limit: slices.Repeat([]int64{1}, places)})
	default:
		m.p.Sames = append(m.p.Sames, search.Same{Vars: vars, Label: labels})
	}
}

// zoned notes that candidates of different zones are not alike.
func (m *model) zoned(category string, vars []int) {
	for _, v := range vars {
		m.traits[v]["zone "+category] = func(it *item) string { return it.zone(category) }
	}
}

func (m *model) perZone(c *constraint, b *maxPerZone) {
	vars := m.variables(c)
	m.zoned(b.category, vars)
	labels, places := m.ev.zoneLabels(b.category, vars)
	pack := search.Pack{Vars: vars, Label: labels, Limit: slices.Repeat([]int64{int64(b.most)}, places)}
	if c.penalty > 0 {
		m.overfull(c, pack)
		return
	}
	m.p.Packs = append(m.p.Packs, pack)
}

func (m *model) pairwise(c *constraint, b pairwise) {
	vars := m.variables(c)
	for _, v := range vars {
		m.traits[v]["constraint "+c.name] = func(it *item) string { return b.measures(m.ev, it) }
	}
	for i := range vars {
		for j := i + 1; j < len(vars); j++ {
			x, y := m.ev.draws[vars[i]], m.ev.draws[vars[j]]
			if c.penalty > 0 {
				if ok, _ := b.allows(m.ev, x, y); ok != nil {
					m.soft(c, vars[i], vars[j], ok)
				}
				continue
			}
			if rows := m.ev.rows(c, b, x, y); rows != nil {
				m.p.Rels = append(m.p.Rels, search.Relation{I: vars[i], J: vars[j], Rows: rows})
			}
		}
	}
}

// quantize makes the costs integers: as many steps per unit as all of them
// together leave room for, at most a thousand million.
func (m *model) quantize() {
	reach := 1.0
	for v := range m.unary {
		most := 0.0
		for a := range m.p.Live[v].All() {
			most = max(most, math.Abs(m.unary[v][a]))
		}
		reach += most
	}
	for _, pair := range m.pairs {
		reach += pair.most
	}
	full := make([]search.Bits, len(m.p.Size))
	for v, size := range m.p.Size {
		full[v] = search.FullBits(size)
	}
	for _, b := range m.branches {
		low, top := b.span(full)
		reach += max(math.Abs(low), math.Abs(top))
	}
	m.tie = max(m.tie, 1)
	if m.steps == 1 || reach*m.steps*float64(m.tie) > float64(int64(1)<<60) {
		m.steps = min(1e9, math.Exp2(math.Floor(math.Log2(float64(int64(1)<<58)/reach/float64(m.tie)))))
	}
	for v := range m.unary {
		cost := make([]int64, len(m.unary[v]))
		for a, value := range m.unary[v] {
			if m.p.Live[v].Has(a) {
				cost[a] = int64(math.Round(value*m.steps)) * m.tie
				if m.lesser != nil && m.lesser[v] != nil {
					cost[a] += m.lesser[v][a]
				}
			}
		}
		m.p.Cost = append(m.p.Cost, cost)
	}
	for _, pair := range m.pairs {
		m.p.Pairs = append(m.p.Pairs, search.PairCost{I: pair.x, J: pair.y, Cost: func(a, b int) int64 {
			return int64(math.Round(pair.value(a, b)*m.steps)) * m.tie
		}})
	}
	for _, b := range m.branches {
		m.p.Terms = append(m.p.Terms, &term{root: b, on: b.vars(), steps: m.steps, factor: m.tie})
	}
}

// slack is by how much costs of equal value may differ because their parts were
// rounded one by one. Lesser criteria are finer than that, and whole numbers.
func (m *model) slack() int64 {
	if m.tie > 1 {
		return 0
	}
	return int64(len(m.unary) + len(m.pairs) + len(m.branches))
}

// units turns an integer cost back into a value of the objective.
func (m *model) units(cost int64) float64 {
	whole := cost / m.tie
	if cost < 0 && cost%m.tie != 0 {
		whole--
	}
	return m.sign * (float64(whole)/m.steps + m.constant)
}
