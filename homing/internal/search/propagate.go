package search

// root is the state before any decision, or nil when the constraints leave some
// variable nothing.
func (s *solver) root() *node {
	s.sortValues()
	nd := s.newNode()
	for v := range s.n {
		copy(nd.dom[v], s.p.Live[v])
		nd.count[v], nd.at[v] = nd.dom[v].Len(), -1
		nd.top[v] = int32(s.p.Size[v])
		s.touch(nd, v)
		if nd.count[v] == 0 {
			return nil
		}
	}
	if !s.seats(nd) || !s.reachable(nd) || !s.propagate(nd, true) {
		return nil
	}
	return nd
}

// seats removes values that by themselves overfill their place, or carry a label
// that not all variables of a same can have.
func (s *solver) seats(nd *node) bool {
	for i := range s.p.Packs {
		p := &s.p.Packs[i]
		for at, v := range p.Vars {
			for a := range nd.dom[v].All() {
				if l := p.Label[at][a]; l >= 0 && p.load(at, a) > p.Limit[l] && !s.drop(nd, v, a) {
					return false
				}
			}
		}
	}
	for i := range s.p.Sames {
		if !s.agree(nd, i) {
			return false
		}
	}
	return true
}

// agree leaves the variables of a same only the labels that all of them have.
func (s *solver) agree(nd *node, i int) bool {
	same := &s.p.Sames[i]
	seen := map[int32]int{}
	for at, v := range same.Vars {
		for a := range nd.dom[v].All() {
			if l := same.Label[at][a]; l >= 0 && seen[l] == at {
				seen[l] = at + 1
			}
		}
	}
	for at, v := range same.Vars {
		for a := range nd.dom[v].All() {
			if l := same.Label[at][a]; (l < 0 || seen[l] < len(same.Vars)) && !s.drop(nd, v, a) {
				return false
			}
		}
	}
	return true
}

// propagate draws all conclusions from the variables in the queue. wide also asks
// for partners of variables with many values, which is worth it once, at the root.
func (s *solver) propagate(nd *node, wide bool) bool {
	for {
		for len(nd.queue) > 0 {
			v := nd.queue[len(nd.queue)-1]
			nd.queue = nd.queue[:len(nd.queue)-1]
			nd.dirty[v] = false
			switch {
			case nd.count[v] == 0:
				return false
			case nd.fixed[v]:
			case nd.count[v] == 1:
				if !s.fix(nd, v) {
					return false
				}
			case wide || nd.count[v] <= 48:
				if !s.support(nd, v) {
					return false
				}
			}
		}
		if !s.price(nd) {
			return false
		}
		if len(nd.queue) == 0 {
			return s.fits(nd)
		}
	}
}

// fix makes v's last value count for all others.
func (s *solver) fix(nd *node, v int) bool {
	a := nd.dom[v].First()
	nd.fixed[v] = true
	nd.own = append(nd.own, [2]int{v, a})
	full := false
	for _, seat := range s.packs[v] {
		p := &s.p.Packs[seat.of]
		if l := p.Label[seat.at][a]; l >= 0 {
			s.load[seat.of][l] += p.load(seat.at, a)
			full = full || s.load[seat.of][l] > p.Limit[l]
		}
	}
	return !full && s.partners(nd, v, a) && s.roommates(nd, v, a) && s.equals(nd, v, a) && s.charge(nd, v, a)
}

func (s *solver) partners(nd *node, v, a int) bool {
	for _, i := range s.rels[v] {
		r := &s.p.Rels[i]
		if !s.keep(nd, r.I+r.J-v, r.with(v, a)) {
			return false
		}
	}
	return true
}

func (s *solver) roommates(nd *node, v, a int) bool {
	for _, seat := range s.packs[v] {
		p := &s.p.Packs[seat.of]
		l := p.Label[seat.at][a]
		if l < 0 {
			continue
		}
		room := p.Limit[l] - s.load[seat.of][l]
		for at, w := range p.Vars {
			if nd.fixed[w] {
				continue
			}
			for _, b := range s.places[seat.of][at].of(l) {
				if nd.dom[w].Has(int(b)) && p.load(at, int(b)) > room && !s.drop(nd, w, int(b)) {
					return false
				}
			}
		}
	}
	return true
}

func (s *solver) equals(nd *node, v, a int) bool {
	for _, seat := range s.sames[v] {
		same := &s.p.Sames[seat.of]
		for at, w := range same.Vars {
			if w == v {
				continue
			}
			label := same.Label[at]
			for b := range nd.dom[w].All() {
				if label[b] != same.Label[seat.at][a] && !s.drop(nd, w, b) {
					return false
				}
			}
		}
	}
	return true
}

// charge adds the costs of v's pairs to the values of their other ends.
func (s *solver) charge(nd *node, v, a int) bool {
	for _, i := range s.pairs[v] {
		pair := &s.p.Pairs[i]
		w := pair.I + pair.J - v
		if nd.fixed[w] {
			continue
		}
		eff := make([]int64, s.p.Size[w])
		for b := range nd.dom[w].All() {
			if v == pair.I {
				eff[b] = s.cost(nd, w, b) + s.rest(i, a, b)
			} else {
				eff[b] = s.cost(nd, w, b) + s.rest(i, b, a)
			}
		}
		nd.eff[w], nd.at[w] = eff, -1
	}
	return true
}

// rest is what of a pair's cost has not been moved to its ends.
func (s *solver) rest(i, a, b int) int64 {
	c := s.p.Pairs[i].Cost(a, b)
	if s.moved != nil {
		c -= s.moved[i][a] + s.ends[i][b]
	}
	return c
}

// support leaves v's partners only values that go with some value of v.
func (s *solver) support(nd *node, v int) bool {
	for _, i := range s.rels[v] {
		r := &s.p.Rels[i]
		w := r.I + r.J - v
		if nd.fixed[w] {
			continue
		}
		union, looked := NewBits(s.p.Size[w]), 0
		for a := range nd.dom[v].All() {
			if looked++; looked&63 == 0 && s.out() {
				return true // partners that were not looked for stay
			}
			union.Or(r.with(v, a))
			if union.Covers(nd.dom[w]) {
				break
			}
		}
		if !s.keep(nd, w, union) {
			return false
		}
	}
	return true
}

// price computes the bound and drops every value that leads to the limit.
func (s *solver) price(nd *node) bool {
	bound := s.offset
	for v := range s.n {
		s.cheapest(nd, v)
		bound += nd.low[v]
	}
	for _, t := range s.p.Terms {
		bound += t.Low(nd.dom)
	}
	nd.bound = bound
	if s.limit >= Unbounded {
		return true
	}
	slack := s.limit - bound
	if slack <= 0 {
		return false
	}
	for v := range s.n {
		if !nd.fixed[v] && !s.trim(nd, v, slack) {
			return false
		}
	}
	for _, t := range s.p.Terms {
		ok := true
		t.Prune(nd.dom, t.Low(nd.dom)+slack-1, func(v, a int) { ok = s.drop(nd, v, a) && ok })
		if !ok {
			return false
		}
	}
	return true
}

// trim drops the values of v that cost slack more than its cheapest.
func (s *solver) trim(nd *node, v int, slack int64) bool {
	if eff := nd.eff[v]; eff != nil {
		for a := range nd.dom[v].All() {
			if eff[a]-nd.low[v] >= slack && !s.drop(nd, v, a) {
				return false
			}
		}
		return true
	}
	for nd.top[v] > 0 {
		a := int(s.order[v][nd.top[v]-1])
		if nd.dom[v].Has(a) {
			if s.base[v][a]-nd.low[v] < slack {
				return true
			}
			if !s.drop(nd, v, a) {
				return false
			}
		}
		nd.top[v]--
	}
	return true
}
