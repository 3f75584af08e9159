package search

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
)

// solver is one run of Solve.
type solver struct {
	p   *Problem
	ctx context.Context
	n   int

	base   [][]int64 // cost of each value, with what project and relax moved into it
	order  [][]int32 // values by base
	offset int64     // what relax took off all assignments
	moved  [][]int64 // per pair and value of I: what project moved into I's base
	ends   [][]int64 // likewise for J

	rels, pairs, terms [][]int // by variable
	packs, sames       [][]seat
	places             [][]index // by pack and position
	groups             [][]index // by same and position
	load               [][]int64 // by pack and label: what the fixed variables put there
	weight             []float64 // how often a variable ran out of values
	plain              [][]int64 // base without what relax added
	seating            []seating // by pack

	found   best
	limit   int64 // assignments at or over it are not wanted
	first   bool  // stop at the first solution
	lexical bool  // search in the order of variables and values
	budget  int   // stop at this many nodes; 0 means never
	nodes   int
	tries   int   // values tried, whether or not they led to a node
	stopped bool  // by budget, by ctx, or by first
	done    bool  // the answer is proved
	loose   bool  // costs of pairs are not in the bound
	open    int64 // what a stopped search left unexplored costs at least
	spare   []*node
	random  *rand.Rand // for neighbourhoods, seeded alike each time
	grain   int64      // costs of all assignments are ground plus a multiple of it
	ground  int64
}

// seat is a variable's place in a pack or a same.
type seat struct{ of, at int }

func newSolver(ctx context.Context, p *Problem, k int) *solver {
	n := len(p.Size)
	s := &solver{
		p: p, ctx: ctx, n: n, found: newBest(k), limit: Unbounded, open: Unbounded,
		rels: make([][]int, n), pairs: make([][]int, n), terms: make([][]int, n),
		packs: make([][]seat, n), sames: make([][]seat, n), weight: make([]float64, n),
		base: make([][]int64, n), order: make([][]int32, n),
	}
	for v := range n {
		s.base[v] = make([]int64, p.Size[v])
		if p.Cost != nil && p.Cost[v] != nil {
			copy(s.base[v], p.Cost[v])
		}
	}
	s.link()
	s.index()
	s.chairs()
	return s
}

// link notes for each variable what it takes part in.
func (s *solver) link() {
	for i, r := range s.p.Rels {
		s.rels[r.I] = append(s.rels[r.I], i)
		s.rels[r.J] = append(s.rels[r.J], i)
	}
	for i, c := range s.p.Pairs {
		s.pairs[c.I] = append(s.pairs[c.I], i)
		s.pairs[c.J] = append(s.pairs[c.J], i)
	}
	for i, t := range s.p.Terms {
		for _, v := range t.Vars() {
			s.terms[v] = append(s.terms[v], i)
		}
	}
	for i, p := range s.p.Packs {
		for at, v := range p.Vars {
			s.packs[v] = append(s.packs[v], seat{i, at})
		}
	}
	for i, same := range s.p.Sames {
		for at, v := range same.Vars {
			s.sames[v] = append(s.sames[v], seat{i, at})
		}
	}
}

// index is the values of one variable by label.
type index struct {
	start []int32
	items []int32
}

func (x index) of(label int32) []int32 {
	if int(label)+1 >= len(x.start) {
		return nil
	}
	return x.items[x.start[label]:x.start[label+1]]
}

func newIndex(label []int32) index {
	top := int32(-1)
	for _, l := range label {
		top = max(top, l)
	}
	x := index{start: make([]int32, top+2), items: make([]int32, 0, len(label))}
	for _, l := range label {
		if l >= 0 {
			x.start[l+1]++
		}
	}
	for l := range top + 1 {
		x.start[l+1] += x.start[l]
	}
	x.items = x.items[:x.start[top+1]]
	next := slices.Clone(x.start)
	for value, l := range label {
		if l >= 0 {
			x.items[next[l]] = int32(value)
			next[l]++
		}
	}
	return x
}

// index sorts values by label; variables that share a list of labels share it.
func (s *solver) index() {
	known := map[*int32]index{}
	lookup := func(label []int32) index {
		if len(label) == 0 {
			return index{start: []int32{0}}
		}
		x, ok := known[&label[0]]
		if !ok {
			x = newIndex(label)
			known[&label[0]] = x
		}
		return x
	}
	for _, p := range s.p.Packs {
		seats := make([]index, len(p.Vars))
		for at := range p.Vars {
			seats[at] = lookup(p.Label[at])
		}
		s.places = append(s.places, seats)
		s.load = append(s.load, make([]int64, len(p.Limit)))
	}
	for _, same := range s.p.Sames {
		seats := make([]index, len(same.Vars))
		for at := range same.Vars {
			seats[at] = lookup(same.Label[at])
		}
		s.groups = append(s.groups, seats)
	}
}

// sortValues brings order up to date with base.
func (s *solver) sortValues() {
	for v := range s.n {
		if s.order[v] == nil {
			s.order[v] = make([]int32, s.p.Size[v])
		}
		for a := range s.order[v] {
			s.order[v][a] = int32(a)
		}
		base := s.base[v]
		slices.SortFunc(s.order[v], func(a, b int32) int {
			return cmp.Or(cmp.Compare(base[a], base[b]), cmp.Compare(a, b))
		})
	}
}

// out reports whether time is up.
func (s *solver) out() bool { return s.ctx.Err() != nil }
