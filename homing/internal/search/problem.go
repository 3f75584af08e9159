package search

// Problem is what is to be solved. Variables and values are numbers; their order
// is the order in which ties are broken. Nothing here is changed by Solve, and
// slices may be shared between variables.
type Problem struct {
	// Live are the starting domains, one per variable; their capacity in values is
	// Size.
	Live []Bits
	Size []int
	// Cost is the cost of each value by itself; a nil row is all zero.
	Cost  [][]int64
	Pairs []PairCost
	Terms []Term
	Rels  []Relation
	Packs []Pack
	Sames []Same
	// Twin tells values of one variable apart: two values with the same number
	// differ in nothing but their Cost. A nil row means that all differ.
	Twin [][]int32
}

// PairCost is a cost that depends on the values of two variables.
type PairCost struct {
	I, J int
	Cost func(a, b int) int64
}

// Relation allows a value of I beside a value of J where OK says so.
type Relation struct {
	I, J int
	Rows *Rows // I's values by J's
}

// Pack limits what is put on each place: the loads of the variables whose values
// carry the same label add up to at most the label's limit. Label -1 is nowhere.
type Pack struct {
	Vars  []int
	Label [][]int32 // by position in Vars, then value
	Load  [][]int64 // likewise, not negative; a nil row means 1 each
	Limit []int64   // by label
}

// Same wants the values of all its variables to carry one label; -1 equals nothing.
type Same struct {
	Vars  []int
	Label [][]int32
}

// Term is a cost that does not fall apart into costs of single values.
type Term interface {
	Vars() []int
	// Low is at most the term's value for every assignment within the domains,
	// and the value itself when one value is left for each variable.
	Low(dom []Bits) int64
	// Prune drops values with which the term would exceed limit. It may do nothing.
	Prune(dom []Bits, limit int64, drop func(variable, value int))
}

func (p *Pack) load(k, value int) int64 {
	if p.Load == nil || p.Load[k] == nil {
		return 1
	}
	return p.Load[k][value]
}

// Rows are the lines of a relation's table, made when they are first asked for.
// They belong to one Solve at a time.
type Rows struct {
	ok         func(a, b int) bool
	rows, cols int
	line       []Bits // by value of the row variable
	column     []Bits
	symmetric  bool
}

// NewRows makes the table of ok with the given numbers of values. A symmetric
// table, ok(a, b) == ok(b, a) over the same list, is computed once for both ways.
func NewRows(rows, cols int, symmetric bool, ok func(a, b int) bool) *Rows {
	r := &Rows{ok: ok, rows: rows, cols: cols, symmetric: symmetric, line: make([]Bits, rows)}
	r.column = r.line
	if !symmetric {
		r.column = make([]Bits, cols)
	}
	return r
}

// allowedByRow is the set of columns that go with row a.
func (r *Rows) allowedByRow(a int) Bits {
	if r.line[a] == nil {
		r.line[a] = NewBits(r.cols)
		for b := range r.cols {
			if r.ok(a, b) {
				r.line[a].Set(b)
			}
		}
	}
	return r.line[a]
}

func (r *Rows) allowedByColumn(b int) Bits {
	if r.symmetric {
		return r.allowedByRow(b)
	}
	if r.column[b] == nil {
		r.column[b] = NewBits(r.rows)
		for a := range r.rows {
			if r.ok(a, b) {
				r.column[b].Set(a)
			}
		}
	}
	return r.column[b]
}

// with returns what the relation leaves to the other variable when variable v has
// the value a.
func (r *Relation) with(v, a int) Bits {
	if v == r.I {
		return r.Rows.allowedByRow(a)
	}
	return r.Rows.allowedByColumn(a)
}

// Removed counts the values of variable v that have no partner at all under the
// relation within the domains.
func (r *Relation) Removed(dom []Bits, v int) int {
	other := r.I + r.J - v
	lost := 0
	for a := range dom[v].All() {
		if !dom[other].Meets(r.with(v, a)) {
			lost++
		}
	}
	return lost
}
