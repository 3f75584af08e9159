package homing

import (
	"math"

	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// one returns the only member of a set, or -1.
func one(set search.Bits) int {
	first := -1
	for a := range set.All() {
		if first >= 0 {
			return -1
		}
		first = a
	}
	return first
}

// between is a figure of two variables, bounded by its extremes until one is fixed.
type between struct {
	x, y     int
	value    func(a, b int) float64
	low, top float64
}

func (f *between) vars() []int { return []int{f.x, f.y} }

func (f *between) span(dom []search.Bits) (low, top float64) {
	a, b := one(dom[f.x]), one(dom[f.y])
	switch {
	case a >= 0 && b >= 0:
		v := f.value(a, b)
		return v, v
	case a < 0 && b < 0:
		return f.low, f.top
	}
	low, top = math.Inf(1), math.Inf(-1)
	for p := range dom[f.x].All() {
		for q := range dom[f.y].All() {
			v := f.value(p, q)
			low, top = min(low, v), max(top, v)
		}
	}
	return low, top
}

// distinct is how many different labels the variables have.
type distinct struct {
	on     []int
	labels [][]int32
}

func (f *distinct) vars() []int { return f.on }

func (f *distinct) span(dom []search.Bits) (low, top float64) {
	fixed, possible := map[int32]bool{}, map[int32]bool{}
	free := 0
	for i, v := range f.on {
		only, first := true, int32(-2)
		for a := range dom[v].All() {
			l := f.labels[i][a]
			possible[l] = true
			only = only && (first == -2 || first == l)
			first = l
		}
		if only {
			fixed[first] = true
		} else {
			free++
		}
	}
	low = float64(max(1, len(fixed)))
	return low, float64(min(len(possible), len(fixed)+free))
}

// busiest is the highest share in use among the places of some variables.
type busiest struct {
	on        []int       // all variables, as any may add to a place
	of        []int       // those whose places count, by place in on
	label     [][]int32   // place of each value
	used      [][]float64 // share in use before, by value
	otherwise [][]bool    // the share is a fallback that nothing adds to
	whole     [][]float64
	add       [][]float64 // amount that the variable adds, by value
}

func (f *busiest) vars() []int { return f.on }

func (f *busiest) span(dom []search.Bits) (low, top float64) {
	sure := map[int32]float64{}
	fixed := make([]bool, len(f.on))
	might := 0.0
	for i, v := range f.on {
		if a := one(dom[v]); a >= 0 {
			sure[f.label[i][a]] += f.add[i][a]
			fixed[i] = true
			continue
		}
		most := 0.0
		for a := range dom[v].All() {
			most = max(most, f.add[i][a])
		}
		might += most
	}
	low, top = math.Inf(-1), math.Inf(-1)
	for _, i := range f.of {
		l, t := math.Inf(1), math.Inf(-1)
		for a := range dom[f.on[i]].All() {
			least, most := f.used[i][a], f.used[i][a]
			if !f.otherwise[i][a] {
				mine := sure[f.label[i][a]]
				if !fixed[i] {
					mine += f.add[i][a]
				}
				least = (f.used[i][a] + mine) / f.whole[i][a]
				most = (f.used[i][a] + mine + might) / f.whole[i][a]
			}
			l, t = min(l, least), max(t, most)
		}
		low, top = max(low, l), max(top, t)
	}
	return low, top
}

// overfull counts the places that hold more than their limit, for a limit that
// may be broken at a price.
type overfull struct {
	pack  search.Pack
	price float64
}

func (f *overfull) vars() []int { return f.pack.Vars }

func (f *overfull) span(dom []search.Bits) (low, top float64) {
	sure := map[int32]int64{}
	free := 0
	for i, v := range f.pack.Vars {
		a := one(dom[v])
		if a < 0 {
			free++
		} else if l := f.pack.Label[i][a]; l >= 0 {
			load := int64(1)
			if f.pack.Load != nil {
				load = f.pack.Load[i][a]
			}
			sure[l] += load
		}
	}
	over := 0
	for l, load := range sure {
		if load > f.pack.Limit[l] {
			over++
		}
	}
	return f.price * float64(over), f.price * float64(over+free)
}
