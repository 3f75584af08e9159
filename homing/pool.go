package homing

import (
	"math"
	"strings"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// pool is a resource that several demands take from: one limit field of one kind
// of place, or one resource of the VIMs. Constraints on the same pool add up.
type pool struct {
	kind   string // of place
	place  func(*item) string
	vars   []int
	load   map[int][]float64 // by variable and value
	limits map[string]float64
	from   int         // how many constraints take from it
	soft   *constraint // the constraint, if it is soft: then the pool is its own
}

// pools adds the limits that several demands share.
func (m *model) pools() {
	all := map[string]*pool{}
	for _, c := range m.ev.t.constraints {
		if !m.active(c.name) {
			continue
		}
		own, soft := "", (*constraint)(nil)
		if c.penalty > 0 {
			own, soft = c.name, c
		}
		switch b := c.body.(type) {
		case *capacity:
			for _, resource := range sortedKeys(b.limits) {
				m.poolOf(all, "place "+b.of, own+"|"+b.limits[resource], b.place, soft).take(m, c, b, resource)
			}
		case *vimFit:
			if b.free(m.ev, c) == nil {
				continue
			}
			for _, resource := range sortedKeys(b.amounts) {
				m.poolOf(all, "vim", own+"|"+strings.ToLower(b.controller)+"|"+resource, vimOf, soft).takeVIM(m, c, b, resource)
			}
		}
	}
	for _, key := range sortedKeys(all) {
		m.fill(all[key])
	}
}

func vimOf(it *item) string {
	if !cloudLike(it.kind) {
		return ""
	}
	return it.vim()
}

func (m *model) poolOf(all map[string]*pool, kind, key string, place func(*item) string, soft *constraint) *pool {
	p, ok := all[kind+key]
	if !ok {
		p = &pool{kind: kind, place: place, load: map[int][]float64{}, limits: map[string]float64{}, soft: soft}
		all[kind+key] = p
	}
	p.from++
	return p
}

// raise makes a demand's load at least so much: a demand that two constraints
// speak of takes once.
func (p *pool) raise(v, a, size int, load float64) {
	if p.load[v] == nil {
		p.load[v] = make([]float64, size)
		p.vars = append(p.vars, v)
	}
	p.load[v][a] = max(p.load[v][a], load)
}

// cap makes a place's limit at most so much.
func (p *pool) cap(it *item, limit float64) {
	place := p.place(it)
	if old, ok := p.limits[place]; !ok || limit < old {
		p.limits[place] = limit
	}
}

func (p *pool) take(m *model, c *constraint, b *capacity, resource string) {
	for _, name := range c.demands {
		v := m.ev.byName[name]
		d := m.ev.draws[v]
		amount := b.request[name][resource]
		if amount == 0 {
			continue
		}
		for a, it := range d.items {
			if limit, known := b.limit(m.ev, it, resource); known {
				p.raise(v, a, len(d.items), d.load(it, resource, amount))
				p.cap(it, limit)
			}
		}
	}
}

func (p *pool) takeVIM(m *model, c *constraint, b *vimFit, resource string) {
	table := b.free(m.ev, c)
	for _, name := range c.demands {
		v := m.ev.byName[name]
		d := m.ev.draws[v]
		if b.amounts[resource] == 0 {
			continue
		}
		for a, it := range d.items {
			if free, listed := table[vimOf(it)]; listed {
				p.raise(v, a, len(d.items), b.amounts[resource])
				p.cap(it, free[resource])
			}
		}
	}
}

// fill makes the pool a limit of the search, in whole numbers fine enough that
// rounding stays below the tolerance of single comparisons.
func (m *model) fill(p *pool) {
	if len(p.vars) == 0 || len(p.vars) == 1 && p.from == 1 && p.soft == nil && p.kind == "place candidate" {
		return
	}
	labels, places := m.ev.labels(p.kind, p.vars, p.place)
	reach := 1.0
	for _, v := range p.vars {
		most := 0.0
		for _, load := range p.load[v] {
			most = max(most, load)
		}
		reach += most
	}
	scale := min(float64(int64(1)<<40), math.Exp2(math.Floor(math.Log2(float64(int64(1)<<60)/reach))))
	pack := search.Pack{Vars: p.vars, Label: labels, Limit: make([]int64, places)}
	for name, limit := range p.limits {
		if n, ok := m.ev.spaces[p.kind].numbers[name]; ok {
			pack.Limit[n] = int64(math.Floor((min(limit, reach) + tolerance(limit)) * scale))
		}
	}
	for _, v := range p.vars {
		loads := make([]int64, len(p.load[v]))
		for a, load := range p.load[v] {
			loads[a] = int64(math.Round(load * scale))
		}
		pack.Load = append(pack.Load, loads)
	}
	if p.soft != nil {
		m.overfull(p.soft, pack)
		return
	}
	m.p.Packs = append(m.p.Packs, pack)
}
