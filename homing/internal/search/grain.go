package search

// measureGrain finds the largest step that all costs are multiples of, where there
// are only costs of single values: an assignment that is better is better by at
// least that much, which is worth more than any bound.
func (s *solver) measureGrain(root *node) {
	s.grain, s.ground = 1, 0
	if len(s.p.Pairs) > 0 || len(s.p.Terms) > 0 || s.p.Cost == nil {
		return
	}
	var grain int64
	for v, cost := range s.p.Cost {
		if cost == nil {
			continue
		}
		first := cost[root.dom[v].First()]
		s.ground += first
		for a := range root.dom[v].All() {
			if grain = divisor(grain, cost[a]-first); grain == 1 {
				return
			}
		}
	}
	s.grain = max(1, grain)
}

// divisor is the greatest common one; that of 0 and b is b.
func divisor(a, b int64) int64 {
	for b = max(b, -b); b != 0; {
		a, b = b, a%b
	}
	return a
}

// onGrid is the least cost that an assignment can have at or over a bound.
func (s *solver) onGrid(bound int64) int64 {
	if s.grain <= 1 || bound >= Unbounded {
		return bound
	}
	over := (bound - s.ground) % s.grain
	switch {
	case over > 0:
		return bound + s.grain - over
	case over < 0:
		return bound - over
	}
	return bound
}
