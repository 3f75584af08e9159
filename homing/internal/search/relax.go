package search

import "math"

// renew makes root forget what it knew of costs.
func (s *solver) renew(root *node) {
	s.sortValues()
	for v := range s.n {
		root.at[v], root.pos[v], root.top[v] = -1, 0, int32(s.p.Size[v])
	}
}

// relax puts a price on the room of each place and charges it to the values that
// need it (Lagrangian relaxation of the packs, by subgradient steps). Prices that
// are right raise the bound to nearly the optimum; any prices keep it a bound.
func (s *solver) relax(root *node) {
	if len(s.p.Packs) == 0 {
		return
	}
	for v := range s.n {
		copy(s.base[v], s.plain[v])
	}
	s.offset = 0
	s.renew(root)
	m := newMarket(s, root)
	m.settle()
	m.apply()
	s.renew(root)
	s.price(root)
}

// market searches for the prices.
type market struct {
	s     *solver
	root  *node
	price [][]float64 // by pack and label, for the whole of the place
	best  [][]float64
	value float64     // bound at best
	use   [][]float64 // share of each place in use
	hot   [][]int32   // labels with a price or a use
	isHot [][]bool
}

func newMarket(s *solver, root *node) *market {
	m := &market{s: s, root: root, value: math.Inf(-1)}
	for i := range s.p.Packs {
		labels := len(s.p.Packs[i].Limit)
		m.price = append(m.price, make([]float64, labels))
		m.best = append(m.best, make([]float64, labels))
		m.use = append(m.use, make([]float64, labels))
		m.isHot = append(m.isHot, make([]bool, labels))
		m.hot = append(m.hot, nil)
	}
	return m
}

func (m *market) settle() {
	const rounds = 800
	step, idle := 1.0, 0
	for range rounds {
		value := m.buy()
		if value > m.value+1e-9*math.Abs(m.value) {
			m.value, idle = value, 0
			for i := range m.price {
				copy(m.best[i], m.price[i])
			}
		} else if idle++; idle >= 12 {
			step, idle = step/2, 0
		}
		goal := float64(m.s.limit)
		if m.s.limit >= Unbounded {
			goal = m.value + 0.02*math.Abs(m.value) + 1
		}
		if step < 1e-3 || value >= goal || m.s.out() || !m.move(step*(goal-value)) {
			return
		}
	}
}

// buy gives every variable its cheapest value at the present prices and returns
// what that costs, less the prices of all places.
func (m *market) buy() float64 {
	for i, hot := range m.hot {
		for _, l := range hot {
			m.use[i][l] = 0
		}
	}
	total := 0.0
	for v := range m.s.n {
		a, cost := m.choose(v)
		total += cost
		for _, seat := range m.s.packs[v] {
			if l := m.s.p.Packs[seat.of].Label[seat.at][a]; l >= 0 {
				m.use[seat.of][l] += m.share(seat, a, l)
				if !m.isHot[seat.of][l] {
					m.isHot[seat.of][l] = true
					m.hot[seat.of] = append(m.hot[seat.of], l)
				}
			}
		}
	}
	for i, hot := range m.hot {
		for _, l := range hot {
			total -= m.price[i][l]
		}
	}
	return total
}

// share is the part of place l that value a takes.
func (m *market) share(seat seat, a int, l int32) float64 {
	p := &m.s.p.Packs[seat.of]
	if p.Limit[l] <= 0 {
		return 0
	}
	return float64(p.load(seat.at, a)) / float64(p.Limit[l])
}

func (m *market) choose(v int) (int, float64) {
	chosen, least := -1, 0.0
	for _, a := range m.s.order[v] {
		cost := float64(m.s.base[v][a])
		if chosen >= 0 && cost >= least {
			break
		}
		if !m.root.dom[v].Has(int(a)) {
			continue
		}
		for _, seat := range m.s.packs[v] {
			if l := m.s.p.Packs[seat.of].Label[seat.at][a]; l >= 0 {
				if price := m.price[seat.of][l]; price > 0 {
					cost += price * m.share(seat, int(a), l)
				}
			}
		}
		if chosen < 0 || cost < least {
			chosen, least = int(a), cost
		}
	}
	return chosen, least
}

// move raises the prices of crowded places and lowers those of empty ones.
func (m *market) move(length float64) bool {
	norm := 0.0
	for i, hot := range m.hot {
		for _, l := range hot {
			if g := m.use[i][l] - 1; g > 0 || m.price[i][l] > 0 {
				norm += g * g
			}
		}
	}
	if norm == 0 {
		return false
	}
	for i, hot := range m.hot {
		for _, l := range hot {
			m.price[i][l] = max(0, m.price[i][l]+length/norm*(m.use[i][l]-1))
		}
	}
	return true
}

// apply charges the best prices, rounded so that the bound stays one.
func (m *market) apply() {
	for v := range m.s.n {
		for _, seat := range m.s.packs[v] {
			for a, l := range m.s.p.Packs[seat.of].Label[seat.at] {
				if l >= 0 && m.best[seat.of][l] > 0 {
					m.s.base[v][a] += int64(math.Floor(m.best[seat.of][l] * m.share(seat, a, l)))
				}
			}
		}
	}
	for i := range m.best {
		for _, price := range m.best[i] {
			m.s.offset -= int64(math.Ceil(price))
		}
	}
}
