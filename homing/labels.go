package homing

import (
	"github.com/hlo-agent/hlo-agent/homing/internal/search"
)

// labelSpace gives the places of one kind numbers, the same for all demands.
type labelSpace struct {
	numbers map[string]int32
	lists   map[*item][]int32 // by the first item of a draw
}

// labels returns the number of the place of every candidate of the variables, -1
// for none, and how many places there are. kind names what of says.
func (ev *evaluation) labels(kind string, vars []int, of func(*item) string) ([][]int32, int) {
	space, ok := ev.spaces[kind]
	if !ok {
		space = &labelSpace{map[string]int32{}, map[*item][]int32{}}
		ev.spaces[kind] = space
	}
	labels := make([][]int32, len(vars))
	for i, v := range vars {
		base := ev.draws[v].base
		list, ok := space.lists[base.items[0]]
		if !ok {
			list = make([]int32, len(base.items))
			for a, it := range base.items {
				list[a] = space.number(of(it))
			}
			space.lists[base.items[0]] = list
		}
		labels[i] = list
	}
	return labels, len(space.numbers)
}

func (s *labelSpace) number(name string) int32 {
	if name == "" {
		return -1
	}
	n, ok := s.numbers[name]
	if !ok {
		n = int32(len(s.numbers))
		s.numbers[name] = n
	}
	return n
}

func (ev *evaluation) zoneLabels(category string, vars []int) ([][]int32, int) {
	return ev.labels("zone "+category, vars, func(it *item) string { return it.zone(category) })
}

// spreadLabels are those of a zone, where an unknown zone is one by itself.
func (ev *evaluation) spreadLabels(category string, vars []int) [][]int32 {
	labels, _ := ev.labels("spread "+category, vars, func(it *item) string {
		if label := it.zone(category); label != "" {
			return label
		}
		return "\x00" + it.id
	})
	return labels
}

// tableKey names a pairwise constraint's table over two lists of candidates.
type tableKey struct {
	constraint string
	x, y       *item
}

// rows is the table of a pairwise constraint, shared by all pairs of demands that
// draw the same candidates; nil if the constraint asks nothing of pairs.
func (ev *evaluation) rows(c *constraint, b pairwise, x, y *draw) *search.Rows {
	key := tableKey{c.name, x.base.items[0], y.base.items[0]}
	rows, known := ev.tables[key]
	if !known {
		if ok, same := b.allows(ev, x.base, y.base); ok != nil {
			rows = search.NewRows(len(x.items), len(y.items), same && x.base == y.base, ok)
		}
		ev.tables[key] = rows
	}
	return rows
}

// apart says that no two candidates of the variables are alike.
func (m *model) apart(vars ...int) {
	for _, v := range vars {
		m.unlike[v] = true
	}
}

// twins finds candidates that differ in nothing but their cost.
func (m *model) twins() {
	for _, pack := range m.p.Packs {
		for i, v := range pack.Vars {
			if len(pack.Limit) >= m.p.Size[v] || pack.Load != nil && pack.Load[i] != nil {
				m.unlike[v] = true
			}
		}
	}
	for _, b := range m.branches {
		m.apart(b.vars()...)
	}
	m.p.Twin = make([][]int32, len(m.p.Size))
	for v, d := range m.ev.draws {
		if m.unlike[v] {
			continue
		}
		twin := make([]int32, len(d.items))
		kinds := 1
		for _, name := range sortedKeys(m.traits[v]) {
			labels, _ := m.ev.labels("trait "+name, []int{v}, m.traits[v][name])
			kinds = refine(twin, labels[0])
		}
		if kinds < len(d.items) {
			m.p.Twin[v] = twin
		}
	}
}

// refine splits each kind by label, and returns how many kinds there are then.
func refine(kinds, labels []int32) int {
	numbers := map[[2]int32]int32{}
	for a, l := range labels {
		key := [2]int32{kinds[a], l}
		n, ok := numbers[key]
		if !ok {
			n = int32(len(numbers))
			numbers[key] = n
		}
		kinds[a] = n
	}
	return len(numbers)
}
