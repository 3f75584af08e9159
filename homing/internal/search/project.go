package search

// project moves what a pair costs at least into the costs of its ends, so that a
// pair none of whose ends is fixed counts in the bound. Sums stay what they were.
// When time is up before that is done, bounds bound nothing.
func (s *solver) project(root *node) {
	s.measureGrain(root)
	if len(s.p.Pairs) > 0 {
		s.moved, s.ends = make([][]int64, len(s.p.Pairs)), make([][]int64, len(s.p.Pairs))
		for i, pair := range s.p.Pairs {
			s.moved[i] = make([]int64, s.p.Size[pair.I])
			s.ends[i] = make([]int64, s.p.Size[pair.J])
		}
		tree, circles := s.forest()
		for i, pair := range s.p.Pairs {
			if circles {
				s.share(root, i, pair)
			}
		}
		for _, e := range tree {
			if !circles {
				s.lift(root, e)
			}
		}
		s.loose = s.out()
		for v := range root.eff {
			root.eff[v] = nil
		}
		s.recharge(root)
	}
	s.plain = make([][]int64, s.n)
	for v := range s.n {
		s.plain[v] = append([]int64(nil), s.base[v]...)
	}
	s.renew(root)
}

// share moves what a pair costs at least to its two ends.
func (s *solver) share(root *node, i int, pair PairCost) {
	least := make([]int64, s.p.Size[pair.J])
	for b := range least {
		least[b] = Unbounded
	}
	row, looked := make([]int64, s.p.Size[pair.J]), 0
	for a := range root.dom[pair.I].All() {
		if looked++; looked&63 == 0 && s.out() {
			return
		}
		m := int64(Unbounded)
		for b := range root.dom[pair.J].All() {
			row[b] = pair.Cost(a, b)
			m = min(m, row[b])
		}
		s.moved[i][a] = m
		s.base[pair.I][a] += m
		for b := range root.dom[pair.J].All() {
			least[b] = min(least[b], row[b]-m)
		}
	}
	for b := range root.dom[pair.J].All() {
		s.ends[i][b] = least[b]
		s.base[pair.J][b] += least[b]
	}
}

// recharge adds the rest of the pairs of which one end was fixed already.
func (s *solver) recharge(root *node) {
	done := make([]bool, len(s.p.Pairs))
	for _, fixed := range root.own {
		for _, i := range s.pairs[fixed[0]] {
			if done[i] {
				continue
			}
			done[i] = true
			pair := &s.p.Pairs[i]
			w := pair.I + pair.J - fixed[0]
			for b := range root.dom[w].All() {
				if fixed[0] == pair.I {
					s.base[w][b] += s.rest(i, fixed[1], b)
				} else {
					s.base[w][b] += s.rest(i, b, fixed[1])
				}
			}
		}
	}
}

// edge is a pair through which a variable hands its costs to another.
type edge struct{ pair, from int }

// forest puts the pairs in an order in which every variable hands on its costs
// after it got those of all below it, unless they form a circle.
func (s *solver) forest() (tree []edge, circles bool) {
	part := make([]int, s.n)
	for v := range part {
		part[v] = v
	}
	at := make([][]int, s.n)
	for i, pair := range s.p.Pairs {
		x, y := part[pair.I], part[pair.J]
		if x == y {
			return nil, true
		}
		for v := range part {
			if part[v] == y {
				part[v] = x
			}
		}
		at[pair.I], at[pair.J] = append(at[pair.I], i), append(at[pair.J], i)
	}
	seen := make([]bool, s.n)
	var below func(v int)
	below = func(v int) {
		seen[v] = true
		for _, i := range at[v] {
			if w := s.p.Pairs[i].I + s.p.Pairs[i].J - v; !seen[w] {
				below(w)
				tree = append(tree, edge{i, w})
			}
		}
	}
	for v := range s.n {
		if !seen[v] {
			below(v)
		}
	}
	return tree, false
}

// lift hands all costs of a variable to the other end of a pair: each value there
// then bears the cheapest that the variable can do for it. Where the pairs form a
// tree, what arrives at its root is the optimum.
func (s *solver) lift(root *node, e edge) {
	pair := &s.p.Pairs[e.pair]
	to := pair.I + pair.J - e.from
	own, other := s.moved[e.pair], s.ends[e.pair]
	if e.from == pair.J {
		own, other = other, own
	}
	cost := func(a, b int) int64 {
		if e.from == pair.I {
			return pair.Cost(a, b)
		}
		return pair.Cost(b, a)
	}
	least, looked := make([]int64, len(other)), 0
	for b := range root.dom[to].All() {
		if looked++; looked&63 == 0 && s.out() {
			return
		}
		least[b] = Unbounded
		for a := range root.dom[e.from].All() {
			least[b] = min(least[b], cost(a, b)+s.base[e.from][a])
		}
	}
	for b := range root.dom[to].All() {
		other[b] = least[b]
		s.base[to][b] += least[b]
	}
	for a := range root.dom[e.from].All() {
		own[a] = -s.base[e.from][a]
		s.base[e.from][a] = 0
	}
}
