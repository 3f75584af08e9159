package homing

import (
	"cmp"
	"math"
	"slices"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// branch is a part of an objective that does not fall apart into costs of single
// candidates: minima, maxima, products, and figures of the whole placement.
type branch struct {
	op            string
	kids          []*branch
	scale, offset float64
	figure        figureOf
}

// figureOf is a measured value over domains: its least and greatest, which are
// equal when every variable is fixed.
type figureOf interface {
	span(dom []search.Bits) (low, top float64)
	vars() []int
}

// span bounds the branch's value.
func (b *branch) span(dom []search.Bits) (low, top float64) {
	if b.figure != nil {
		low, top = b.figure.span(dom)
	} else {
		low, top = b.combine(dom)
	}
	low, top = b.scale*low+b.offset, b.scale*top+b.offset
	return min(low, top), max(low, top)
}

func (b *branch) combine(dom []search.Bits) (low, top float64) {
	if b.op == "product" {
		low, top = 1, 1
	}
	for i, kid := range b.kids {
		l, t := kid.span(dom)
		switch {
		case b.op == "sum":
			low, top = low+l, top+t
		case b.op == "product":
			low, top = times(low, top, l, t)
		case i == 0:
			low, top = l, t
		case b.op == "min":
			low, top = min(low, l), min(top, t)
		default:
			low, top = max(low, l), max(top, t)
		}
	}
	return low, top
}

func times(a, b, c, d float64) (low, top float64) {
	return min(a*c, a*d, b*c, b*d), max(a*c, a*d, b*c, b*d)
}

// confine drops values with which the branch would leave [low, top].
func (b *branch) confine(dom []search.Bits, low, top float64, drop func(v, a int)) {
	if b.scale == 0 {
		return
	}
	low, top = (low-b.offset)/b.scale, (top-b.offset)/b.scale
	if b.scale < 0 {
		low, top = top, low
	}
	slack := 1e-9 * max(1, math.Abs(b.offset/b.scale))
	low, top = low-slack, top+slack
	switch b.op {
	case "figure":
		if f, ok := b.figure.(*scores); ok {
			f.confine(dom, low, top, drop)
		}
	case "sum":
		b.share(dom, low, top, drop)
	case "min", "max":
		b.race(dom, low, top, drop)
	}
}

func (b *branch) share(dom []search.Bits, low, top float64, drop func(v, a int)) {
	least, most := 0.0, 0.0
	for _, kid := range b.kids {
		l, t := kid.span(dom)
		least, most = least+l, most+t
	}
	for _, kid := range b.kids {
		l, t := kid.span(dom)
		if spread := most - least; spread > 0 && !math.IsInf(spread, 0) {
			kid.confine(dom, low-(most-t), top-(least-l), drop)
		}
	}
}

// race knows that all must stay on one side, and the only one that can reach the
// other side has to.
func (b *branch) race(dom []search.Bits, low, top float64, drop func(v, a int)) {
	var able []*branch
	for _, kid := range b.kids {
		l, t := kid.span(dom)
		if b.op == "min" && l <= top || b.op == "max" && t >= low {
			able = append(able, kid)
		}
	}
	for _, kid := range b.kids {
		l, t := math.Inf(-1), math.Inf(1)
		only := len(able) == 1 && able[0] == kid
		if b.op == "min" || only {
			l = low
		}
		if b.op == "max" || only {
			t = top
		}
		kid.confine(dom, l, t, drop)
	}
}

func (b *branch) vars() []int {
	var all []int
	if b.figure != nil {
		all = slices.Clone(b.figure.vars())
	}
	for _, kid := range b.kids {
		all = append(all, kid.vars()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// term is a branch as the search wants it.
type term struct {
	root   *branch
	on     []int
	steps  float64 // integers per unit of the objective
	factor int64   // what one step counts among lower levels
}

func (t *term) Vars() []int { return t.on }

func (t *term) Low(dom []search.Bits) int64 {
	low, _ := t.root.span(dom)
	return int64(math.Round(low*t.steps)) * t.factor
}

func (t *term) Prune(dom []search.Bits, limit int64, drop func(v, a int)) {
	if limit < search.Unbounded/2 {
		t.root.confine(dom, math.Inf(-1), (float64(limit/t.factor)+1.5)/t.steps, drop)
	}
}

// scores is a figure of one variable.
type scores struct {
	on    int
	value []float64
	order []int32 // by value
}

func newScores(on int, value []float64) *scores {
	s := &scores{on: on, value: value, order: make([]int32, len(value))}
	for a := range s.order {
		s.order[a] = int32(a)
	}
	slices.SortFunc(s.order, func(a, b int32) int { return cmp.Or(cmp.Compare(value[a], value[b]), cmp.Compare(a, b)) })
	return s
}

func (s *scores) vars() []int { return []int{s.on} }

func (s *scores) span(dom []search.Bits) (low, top float64) {
	d := dom[s.on]
	for _, a := range s.order {
		if d.Has(int(a)) {
			low = s.value[a]
			break
		}
	}
	for i := len(s.order) - 1; i >= 0; i-- {
		if a := s.order[i]; d.Has(int(a)) {
			return low, s.value[a]
		}
	}
	return math.Inf(1), math.Inf(-1)
}

func (s *scores) confine(dom []search.Bits, low, top float64, drop func(v, a int)) {
	for i := 0; i < len(s.order) && s.value[s.order[i]] < low; i++ {
		if a := int(s.order[i]); dom[s.on].Has(a) {
			drop(s.on, a)
		}
	}
	for i := len(s.order) - 1; i >= 0 && s.value[s.order[i]] > top; i-- {
		if a := int(s.order[i]); dom[s.on].Has(a) {
			drop(s.on, a)
		}
	}
}
