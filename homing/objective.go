package homing

// objective is what is best.
type objective struct {
	maximize bool
	root     *node
	// newest are demands for which, between equals, the higher cloud version wins.
	newest []string
}

// node is a part of an objective; its value is scale × raw + offset.
type node struct {
	op            string // sum, min, max, product, number, or function
	kids          []*node
	scale, offset float64
	fn            *function
	show          map[string]any // how a reader names it, for top-level terms
}

// function is one measured value.
type function struct {
	name      string
	demands   []string
	location  string
	attribute string
	category  string
	resource  string
	total     string
	withCost  bool     // the older versions add the candidate's cost
	otherwise *float64 // value where the candidate has none
}

func leaf(f *function) *node { return &node{op: "function", scale: 1, fn: f} }

// over is the sum of a function over demands.
func over(f function, demands []string) *node {
	sum := &node{op: "sum", scale: 1}
	for _, d := range demands {
		each := f
		each.demands = []string{d}
		sum.kids = append(sum.kids, leaf(&each))
	}
	return sum
}

func (p *parser) optimization(section any) {
	if section == nil || empty(section) {
		return
	}
	r, ok := open(section, "optimization", p.objectiveForm(), p.found)
	if !ok {
		return
	}
	o := &objective{}
	switch {
	case p.t.Version == genericVersion && r.has("minimize"):
		p.found.add("optimization.minimize", "this form belongs to older versions: accepted for %s is goal and operation_function", genericVersion)
	case p.t.Version == genericVersion:
		p.generic(r, o)
	case r.has("goal") || r.has("operation_function"):
		p.found.add("optimization", "this form belongs to version %s: accepted for %s is {minimize: {sum: [term, …]}}", genericVersion, p.t.Version)
	default:
		p.classic(r, o)
	}
	p.t.objective = o
}

func (p *parser) objectiveForm() string {
	if p.t.Version == genericVersion {
		return " with goal and operation_function"
	}
	return " {minimize: {sum: [term, …]}}"
}
