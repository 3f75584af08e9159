package search

// seating is a trial placement of a pack's variables on its places, by number
// only: how many fit a place if each were as light as the lightest. Where even
// that is impossible (five replicas, four zones) no search is needed.
type seating struct {
	light int64     // smallest load of any value; 0 if there are weightless ones
	hint  []int32   // by position: where it sat last time
	held  [][]int32 // by label: positions that sit there
	used  []int32   // labels with anyone
	seen  []int     // by label: in which try it was asked last
	try   int
}

func (s *solver) chairs() {
	for i := range s.p.Packs {
		p := &s.p.Packs[i]
		st := seating{
			light: Unbounded, hint: make([]int32, len(p.Vars)),
			held: make([][]int32, len(p.Limit)), seen: make([]int, len(p.Limit)),
		}
		for at, v := range p.Vars {
			st.hint[at] = -1
			for a := range s.p.Live[v].All() {
				if p.Label[at][a] >= 0 {
					st.light = min(st.light, p.load(at, a))
				}
			}
		}
		s.seating = append(s.seating, st)
	}
}

// fits reports whether every pack has enough places for its variables.
func (s *solver) fits(nd *node) bool {
	for i := range s.p.Packs {
		if st := &s.seating[i]; st.light > 0 && !s.seatAll(nd, i, st) {
			return false
		}
	}
	return true
}

func (s *solver) seatAll(nd *node, i int, st *seating) bool {
	for _, l := range st.used {
		st.held[l] = st.held[l][:0]
	}
	st.used = st.used[:0]
	p := &s.p.Packs[i]
	var standing []int
	for at, v := range p.Vars {
		if nd.fixed[v] {
			continue
		}
		if l := st.hint[at]; l >= 0 && s.roomAt(i, l, st) && s.offers(nd, i, at, l) {
			st.sit(at, l)
		} else {
			standing = append(standing, at)
		}
	}
	for _, at := range standing {
		st.try++
		if !s.seat(nd, i, at, st) {
			s.weight[p.Vars[at]]++
			return false
		}
	}
	return true
}

func (st *seating) sit(at int, l int32) {
	if len(st.held[l]) == 0 {
		st.used = append(st.used, l)
	}
	st.held[l] = append(st.held[l], int32(at))
	st.hint[at] = l
}

func (s *solver) roomAt(i int, l int32, st *seating) bool {
	p := &s.p.Packs[i]
	return int64(len(st.held[l])+1)*st.light <= p.Limit[l]-s.load[i][l]
}

// offers reports whether the variable at a position has a value left at label l.
func (s *solver) offers(nd *node, i, at int, l int32) bool {
	dom := nd.dom[s.p.Packs[i].Vars[at]]
	for _, b := range s.places[i][at].of(l) {
		if dom.Has(int(b)) {
			return true
		}
	}
	return false
}

// seat finds a place for one more, moving others if need be (augmenting paths).
func (s *solver) seat(nd *node, i, at int, st *seating) bool {
	p := &s.p.Packs[i]
	for a := range nd.dom[p.Vars[at]].All() {
		l := p.Label[at][a]
		if l < 0 {
			st.hint[at] = -1
			return true
		}
		if st.seen[l] == st.try {
			continue
		}
		st.seen[l] = st.try
		if s.roomAt(i, l, st) {
			st.sit(at, l)
			return true
		}
		for k, other := range st.held[l] {
			if s.seat(nd, i, int(other), st) {
				st.held[l][k] = int32(at)
				st.hint[at] = l
				return true
			}
		}
	}
	return false
}

// reachable reports whether all loads together fit all places together.
func (s *solver) reachable(nd *node) bool {
	for i := range s.p.Packs {
		p := &s.p.Packs[i]
		used := NewBits(len(p.Limit))
		var need int64
		for at, v := range p.Vars {
			least := int64(Unbounded)
			for a := range nd.dom[v].All() {
				if l := p.Label[at][a]; l >= 0 {
					used.Set(int(l))
					least = min(least, p.load(at, a))
				} else {
					least = 0
				}
			}
			need += least
		}
		for l := range used.All() {
			need -= min(p.Limit[l], Unbounded/int64(len(p.Limit)))
		}
		if need > 0 {
			return false
		}
	}
	return true
}
