package search

// node is the state at one depth of the search.
type node struct {
	dom   []Bits
	count []int
	fixed []bool
	eff   [][]int64 // cost of each value given the fixed variables; nil means base
	low   []int64   // cheapest value left
	at    []int32   // that value, -1 to look for it again
	pos   []int32   // no value before this place in order is left
	top   []int32   // no value from this place on in order is left
	bound int64
	own   [][2]int // variables fixed here and their values, to take their loads back
	queue []int
	dirty []bool // in queue
}

func (s *solver) newNode() *node {
	nd := &node{
		dom: make([]Bits, s.n), count: make([]int, s.n), fixed: make([]bool, s.n), eff: make([][]int64, s.n),
		low: make([]int64, s.n), at: make([]int32, s.n), pos: make([]int32, s.n), top: make([]int32, s.n), dirty: make([]bool, s.n),
	}
	words := 0
	for _, size := range s.p.Size {
		words += (size + 63) / 64
	}
	all := make(Bits, words)
	for v, size := range s.p.Size {
		w := (size + 63) / 64
		nd.dom[v], all = all[:w:w], all[w:]
	}
	return nd
}

// child returns a copy of nd, from the spare ones if there is any.
func (s *solver) child(nd *node) *node {
	var c *node
	if n := len(s.spare); n > 0 {
		c, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		c = s.newNode()
	}
	for v := range nd.dom {
		copy(c.dom[v], nd.dom[v])
	}
	copy(c.count, nd.count)
	copy(c.fixed, nd.fixed)
	copy(c.low, nd.low)
	copy(c.at, nd.at)
	copy(c.pos, nd.pos)
	copy(c.top, nd.top)
	copy(c.eff, nd.eff)
	clear(c.dirty)
	c.bound, c.own, c.queue = nd.bound, c.own[:0], c.queue[:0]
	return c
}

// fresh is a child of a node whose queue was not worked off: all that it leaves
// open is looked at again. A variable with one value left would never be fixed.
func (s *solver) fresh(nd *node) *node {
	c := s.child(nd)
	for v := range s.n {
		if !c.fixed[v] {
			s.touch(c, v)
		}
	}
	return c
}

// leave takes back what nd's own variables loaded and keeps nd for reuse.
func (s *solver) leave(nd *node) {
	for _, fixed := range nd.own {
		s.unload(fixed[0], fixed[1])
	}
	nd.own = nd.own[:0]
	s.spare = append(s.spare, nd)
}

func (s *solver) unload(v, a int) {
	for _, seat := range s.packs[v] {
		p := &s.p.Packs[seat.of]
		if l := p.Label[seat.at][a]; l >= 0 {
			s.load[seat.of][l] -= p.load(seat.at, a)
		}
	}
}

// drop takes value a from variable v and reports whether one is left.
func (s *solver) drop(nd *node, v, a int) bool {
	if !nd.dom[v].Has(a) {
		return nd.count[v] > 0
	}
	nd.dom[v].Unset(a)
	nd.count[v]--
	if nd.at[v] == int32(a) {
		nd.at[v] = -1
	}
	s.touch(nd, v)
	if nd.count[v] == 0 {
		s.weight[v]++
		return false
	}
	return true
}

// keep leaves variable v only what is in set and reports whether anything is.
func (s *solver) keep(nd *node, v int, set Bits) bool {
	if !nd.dom[v].And(set) {
		return true
	}
	nd.count[v] = nd.dom[v].Len()
	if nd.at[v] >= 0 && !nd.dom[v].Has(int(nd.at[v])) {
		nd.at[v] = -1
	}
	s.touch(nd, v)
	if nd.count[v] == 0 {
		s.weight[v]++
		return false
	}
	return true
}

func (s *solver) touch(nd *node, v int) {
	if !nd.dirty[v] {
		nd.dirty[v] = true
		nd.queue = append(nd.queue, v)
	}
}

// cost is what value a costs variable v under nd.
func (s *solver) cost(nd *node, v, a int) int64 {
	if nd.eff[v] != nil {
		return nd.eff[v][a]
	}
	return s.base[v][a]
}

// cheapest finds the cheapest value left of v.
func (s *solver) cheapest(nd *node, v int) {
	if nd.at[v] >= 0 {
		return
	}
	if eff := nd.eff[v]; eff != nil {
		for a := range nd.dom[v].All() {
			if nd.at[v] < 0 || eff[a] < nd.low[v] {
				nd.at[v], nd.low[v] = int32(a), eff[a]
			}
		}
		return
	}
	for !nd.dom[v].Has(int(s.order[v][nd.pos[v]])) {
		nd.pos[v]++
	}
	nd.at[v] = s.order[v][nd.pos[v]]
	nd.low[v] = s.base[v][nd.at[v]]
}
