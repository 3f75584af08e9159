package search

import (
	"math/rand/v2"
	"slices"
)

// neighbourhoods improves the best assignment by letting go of a few variables at
// a time and solving for those alone (large neighbourhood search). The draws come
// from a fixed seed and efforts are counted in nodes: the same problem always
// takes the same way.
func (s *solver) neighbourhoods(root *node) {
	const rounds, effort = 150, 100
	if len(s.found.list) == 0 || s.n < 4 {
		return
	}
	open := s.open
	if s.random == nil {
		s.random = rand.New(rand.NewPCG(4, 11))
	}
	for range rounds {
		size := 2 + s.random.IntN(min(s.n-2, 12))
		s.around(root, s.random.Perm(s.n)[:size], effort)
		s.stopped, s.budget = false, 0
		if s.out() {
			break
		}
	}
	s.open = open
}

// around searches with all variables but the free ones held at their best values.
func (s *solver) around(root *node, free []int, effort int) {
	c := s.child(root)
	defer s.leave(c)
	incumbent := s.found.list[0].Values
	for v := range s.n {
		if !c.fixed[v] && c.count[v] == 1 {
			s.touch(c, v) // or it would never be fixed
		}
		if c.fixed[v] || slices.Contains(free, v) {
			continue
		}
		if !s.only(c, v, incumbent[v]) {
			return
		}
	}
	if s.propagate(c, false) {
		s.budget = s.nodes + effort
		s.dive(c, 1)
	}
}
