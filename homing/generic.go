package homing

import (
	"fmt"
	"slices"
)

// genericFunctions are those of the generic form, and which params each takes.
var genericFunctions = map[string][]string{
	"distance_between": {"demand", "location", "demands"},
	"latency_between":  {"demand", "location", "demands"},
	"attribute":        {"demand", "attribute"},
	"sum_over":         {"demands", "attribute"},
	"cost":             {"demand", "demands"},
	"hpa_score":        {"demand", "demands"},
	"stay":             {"demand", "demands"},
	"spread":           {"demands", "category"},
	"utilisation":      {"demand", "demands", "resource", "total"},
}

func (p *parser) generic(r *reader, o *objective) {
	r.only("goal", "operation_function")
	o.maximize = r.word("goal", "minimize", "maximize") == "maximize"
	if v, ok := r.need("operation_function", "{operator, operands}"); ok {
		o.root = p.operation(v, r.at("operation_function"))
	}
}

func (p *parser) operation(v any, path string) *node {
	r, ok := open(v, path, " with operator and operands", p.found)
	if !ok {
		return nil
	}
	r.only("operator", "operands")
	n := &node{op: r.word("operator", "sum", "min", "max"), scale: 1}
	r.need("operands", "a list of at least one operand")
	for i, item := range r.list("operands") {
		o, ok := open(item, fmt.Sprintf("%s[%d]", r.at("operands"), i), " with function and params, or operation_function", p.found)
		if !ok {
			continue
		}
		if kid := p.operand(o); kid != nil {
			n.kids = append(n.kids, kid)
		}
	}
	return n
}

func (p *parser) operand(r *reader) *node {
	var n *node
	switch {
	case r.has("operation_function") && r.has("function"):
		p.found.add(r.path, "has both function and operation_function: accepted is one of the two")
		return nil
	case r.has("operation_function"):
		r.only("operation_function", "weight", "normalization")
		if n = p.operation(r.m["operation_function"], r.at("operation_function")); n == nil {
			return nil
		}
		n.show = map[string]any{"function": n.op}
	default:
		r.only("function", "params", "weight", "normalization", "default")
		if n = p.genericFunction(r); n == nil {
			return nil
		}
	}
	p.normalize(n, r)
	return n
}

// normalize folds normalization and weight into a node.
func (p *parser) normalize(n *node, r *reader) {
	if v, ok := r.m["normalization"]; ok {
		if s, ok := open(v, r.at("normalization"), " with start and end", p.found); ok {
			s.only("start", "end")
			s.need("start", "a number")
			s.need("end", "a number")
			start, end := s.number("start", 0), s.number("end", 1)
			if start == end {
				p.found.add(s.path, "start equals end: accepted are two different numbers")
				end = start + 1
			}
			n.offset = (n.offset - start) / (end - start)
			n.scale /= end - start
		}
	}
	w := r.number("weight", 1)
	n.scale, n.offset = n.scale*w, n.offset*w
}

func (p *parser) genericFunction(r *reader) *node {
	name := r.word("function", sortedKeys(genericFunctions)...)
	v, there := r.need("params", "a mapping")
	if name == "" || !there {
		return nil
	}
	q, ok := open(v, r.at("params"), " of the function", p.found)
	if !ok {
		return nil
	}
	q.only(genericFunctions[name]...)
	f := function{name: name}
	if r.has("default") {
		d := r.number("default", 0)
		f.otherwise = &d
	}
	f.demands = p.paramDemands(q, name)
	n := p.functionNode(f, q)
	n.show = map[string]any{"function": name, "params": q.m}
	return n
}

// paramDemands reads demand or demands; a function of everything needs neither.
func (p *parser) paramDemands(q *reader, name string) []string {
	known := genericFunctions[name]
	switch {
	case q.has("demands") && slices.Contains(known, "demands"):
		return p.named(q, "demands")
	case q.has("demand") && slices.Contains(known, "demand"):
		names := p.named(q, "demand")
		if _, ok := q.m["demand"].([]any); ok && len(names) != 1 {
			q.wrong("demand", q.m["demand"], "one demand")
		}
		return names
	case name == "spread":
		return sortedKeys(p.names)
	case slices.Contains(known, "demand"):
		q.need("demand", "a declared demand: "+orNothing(sortedKeys(p.names)))
	default:
		q.need("demands", "a list of declared demands: "+orNothing(sortedKeys(p.names)))
	}
	return nil
}

func (p *parser) functionNode(f function, q *reader) *node {
	switch f.name {
	case "distance_between", "latency_between":
		if q.has("location") || len(f.demands) < 2 {
			f.location = p.locationName(q, "location")
		}
		if f.location != "" && len(f.demands) == 2 || len(f.demands) > 2 {
			p.found.add(q.path, "not two ends: accepted is demand and location, or demands with two")
		}
		return leaf(&f)
	case "attribute", "sum_over":
		q.need("attribute", "the name of a candidate's field")
		f.attribute = fieldOf(q.text("attribute"))
	case "hpa_score":
		if len(f.demands) > 0 {
			p.scored(f.demands, q.path)
		}
	case "spread":
		f.category = "region"
		if q.has("category") {
			f.category = categories[q.word("category", sortedKeys(categories)...)]
		}
		return leaf(&f)
	case "utilisation":
		q.need("resource", "a resource that a capacity constraint of the demands limits")
		f.resource, f.total = q.text("resource"), q.text("total")
		p.utilised(&f, q)
		return leaf(&f)
	}
	return over(f, f.demands)
}

// utilised checks that a capacity constraint tells what the demands use.
func (p *parser) utilised(f *function, q *reader) {
	if f.total == "" {
		f.total = map[string]string{"cpu": "cpuCores", "ram": "ramCapacity", "disk": "diskCapacity"}[f.resource]
	}
	if f.total == "" {
		p.found.add(q.at("total"), "required for %q: accepted is the field that holds the whole of it", f.resource)
	}
	for _, d := range f.demands {
		if p.capacityOf(d, f.resource) == nil {
			p.found.add(q.at("resource"), "no capacity constraint limits %q for demand %q: accepted is a resource that one limits", f.resource, d)
		}
	}
}

func (p *parser) capacityOf(demand, resource string) *capacity {
	return p.t.capacityOf(demand, resource)
}

// capacityOf is the first capacity constraint that limits a resource of a demand.
func (t *Template) capacityOf(demand, resource string) *capacity {
	for _, c := range t.constraints {
		if b, ok := c.body.(*capacity); ok && c.has(demand) {
			if _, ok := b.limits[resource]; ok {
				return b
			}
		}
	}
	return nil
}
