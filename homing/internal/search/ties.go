package search

// tieEffort is how many nodes telling equals apart may take. It is only spent on
// problems with very many equal assignments under tight limits; then the choice
// among equals is still always the same, but may not be the first by name.
const tieEffort = 12_000

// settleTies replaces the solutions by those that come first in the order of the
// values among all of equal cost, under the proof that nothing costs less.
func (s *solver) settleTies(root *node, slack int64) {
	kept := s.found
	if len(kept.list) == 0 {
		return
	}
	if kept.k > 1 && len(kept.list) == kept.k {
		kept = s.inOrder(root, kept)
	}
	s.found = kept
	first := s.earliest(root, kept.list[0], kept.list[0].Cost+slack+1)
	s.found = kept
	s.found.lead(first)
	s.stopped, s.budget = false, 0
}

// inOrder finds as many solutions as are kept by searching in the order of
// variables and values, so that of equals the earlier are met first.
func (s *solver) inOrder(root *node, kept best) best {
	s.found, s.limit = newBest(kept.k), kept.worst()+1
	s.lexical, s.budget = true, s.nodes+tieEffort
	s.dive(root, 0)
	again := s.found
	if s.lexical = false; s.stopped || len(again.list) < kept.k {
		again = kept
	}
	s.stopped, s.budget = false, 0
	return again
}

// earliest goes through the variables in order and gives each the first value with
// which an assignment below the limit exists. What known has is one, so only
// earlier values are tried.
func (s *solver) earliest(root *node, known Solution, limit int64) Solution {
	s.found, s.limit, s.first = newBest(1), limit, true
	defer func() { s.first = false }()
	end := s.nodes + tieEffort
	nd := s.fresh(root)
	held := []*node{nd}
	if !s.propagate(nd, false) { // drops what leads over the limit, so nearly everything
		s.leave(nd)
		return known
	}
	for v := 0; v < s.n && !s.out(); v++ {
		for a := range nd.dom[v].All() {
			if a >= known.Values[v] || s.nodes >= end {
				break
			}
			if better, ok := s.probe(nd, v, a, limit); ok {
				known = better
				break
			}
		}
		s.limit = limit
		c := s.child(nd)
		held = append(held, c)
		if !s.only(c, v, known.Values[v]) || !s.propagate(c, false) {
			break // cannot be, as known is below the limit
		}
		nd = c
	}
	for i := len(held) - 1; i >= 0; i-- {
		s.leave(held[i])
	}
	return known
}

// probe looks for an assignment below the limit in which v has the value a.
func (s *solver) probe(nd *node, v, a int, limit int64) (Solution, bool) {
	s.found, s.limit = newBest(1), limit
	s.stopped, s.budget = false, s.nodes+tieEffort/40
	s.nodes++
	c := s.child(nd)
	defer s.leave(c)
	if !s.only(c, v, a) || !s.propagate(c, false) || !s.dive(c, 1) || len(s.found.list) == 0 {
		return Solution{}, false
	}
	return s.found.list[0], true
}

// only leaves v one value.
func (s *solver) only(nd *node, v, a int) bool {
	set := NewBits(s.p.Size[v])
	set.Set(a)
	return s.keep(nd, v, set)
}
