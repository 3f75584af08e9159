package search

import (
	"cmp"
	"slices"
)

// dive searches below nd. It returns whether it found anything new.
func (s *solver) dive(nd *node, depth int) bool {
	s.nodes++
	if s.nodes&63 == 0 && s.out() || s.budget > 0 && s.nodes > s.budget {
		s.stopped = true
	}
	if s.stopped {
		s.open = min(s.open, nd.bound)
		return false
	}
	if depth == 0 {
		s.open = Unbounded
		s.lower()
		if !s.price(nd) {
			return false
		}
		top := s.fresh(nd)
		defer s.leave(top)
		if !s.propagate(top, false) {
			return false
		}
		nd = top
	}
	v := s.pick(nd)
	if v < 0 {
		return s.solved(nd)
	}
	return s.branch(nd, v, depth)
}

// branch tries the values of v one by one.
func (s *solver) branch(nd *node, v, depth int) bool {
	any := false
	failed := map[int32]int64{} // by kind of value: the cheapest below which there is nothing
	for _, a := range s.values(nd, v) {
		below := nd.bound - nd.low[v] + s.cost(nd, v, a)
		if below >= s.limit {
			if s.lexical {
				continue
			}
			break
		}
		if s.tries++; s.tries&63 == 0 && s.out() {
			s.stopped = true
		}
		if s.stopped {
			s.open = min(s.open, below)
			break
		}
		if s.twin(nd, v, a, failed) {
			continue
		}
		hit := s.try(nd, v, a, depth)
		any = any || hit
		if !hit || s.found.k == 1 {
			s.fail(nd, v, a, failed)
		}
	}
	return any
}

func (s *solver) try(nd *node, v, a, depth int) bool {
	c := s.child(nd)
	defer s.leave(c)
	if !s.only(c, v, a) || !s.propagate(c, false) {
		return false
	}
	return s.dive(c, depth+1)
}

// twin reports whether a value just like a, and no dearer, was tried for nothing.
func (s *solver) twin(nd *node, v, a int, failed map[int32]int64) bool {
	if s.p.Twin == nil || s.p.Twin[v] == nil {
		return false
	}
	cost, ok := failed[s.p.Twin[v][a]]
	return ok && s.cost(nd, v, a) >= cost
}

func (s *solver) fail(nd *node, v, a int, failed map[int32]int64) {
	if s.p.Twin == nil || s.p.Twin[v] == nil {
		return
	}
	kind, cost := s.p.Twin[v][a], s.cost(nd, v, a)
	if old, ok := failed[kind]; !ok || cost < old {
		failed[kind] = cost
	}
}

// pick chooses the variable to branch on, -1 when all are fixed.
func (s *solver) pick(nd *node) int {
	chosen, score := -1, 0.0
	for v := range s.n {
		if nd.fixed[v] {
			continue
		}
		if s.lexical {
			return v
		}
		sc := float64(nd.count[v]) / (1 + s.weight[v])
		if chosen < 0 || sc < score {
			chosen, score = v, sc
		}
	}
	return chosen
}

// values lists what is left of v, cheapest first, or in order for a lexical search.
func (s *solver) values(nd *node, v int) []int {
	list := make([]int, 0, nd.count[v])
	for a := range nd.dom[v].All() {
		list = append(list, a)
	}
	if !s.lexical {
		slices.SortFunc(list, func(a, b int) int {
			return cmp.Or(cmp.Compare(s.cost(nd, v, a), s.cost(nd, v, b)), cmp.Compare(a, b))
		})
	}
	return list
}

// solved takes a complete assignment.
func (s *solver) solved(nd *node) bool {
	values := make([]int, s.n)
	for v := range s.n {
		values[v] = nd.dom[v].First()
	}
	cost := s.value(values, nd.dom)
	if cost >= s.limit {
		return false
	}
	s.found.add(Solution{values, cost}) // an earlier, shorter search may have found it
	s.lower()
	if s.first {
		s.stopped = true
	}
	return true
}

// lower makes the limit what has to be stayed under to be news: for a single best
// assignment one grain less than what is known.
func (s *solver) lower() {
	limit := s.found.limit()
	if s.found.k == 1 && limit < Unbounded {
		limit -= s.grain - 1
	}
	s.limit = min(s.limit, limit)
}

// value is what an assignment costs.
func (s *solver) value(values []int, dom []Bits) int64 {
	var cost int64
	for v, a := range values {
		if s.p.Cost != nil && s.p.Cost[v] != nil {
			cost += s.p.Cost[v][a]
		}
	}
	for _, pair := range s.p.Pairs {
		cost += pair.Cost(values[pair.I], values[pair.J])
	}
	for _, t := range s.p.Terms {
		cost += t.Low(dom)
	}
	return cost
}
