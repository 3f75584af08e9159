package homing

import (
	"fmt"
	"slices"
	"strings"
)

// classicFunctions are those of the versions before the generic form.
var classicFunctions = []string{"distance_between", "latency_between", "hpa_score", "aic_version"}

func (p *parser) classic(r *reader, o *objective) {
	r.only("minimize")
	v, ok := r.need("minimize", "{sum: [term, …]}, the only goal of this version")
	if !ok {
		return
	}
	goal, ok := open(v, r.at("minimize"), " with sum", p.found)
	if !ok {
		return
	}
	goal.only("sum")
	if list, ok := goal.need("sum", "a list of terms, the only operator of this version"); ok {
		if _, isList := list.([]any); !isList {
			goal.wrong("sum", list, "a list of terms")
			return
		}
		o.root = p.sum(goal.m, goal.path, o)
		for i, kid := range o.root.kids {
			kid.show = map[string]any{"term": i}
		}
	}
}

func (p *parser) sum(m map[string]any, path string, o *objective) *node {
	n := &node{op: "sum", scale: 1}
	for i, item := range listed(m["sum"]) {
		if kid := p.classicTerm(item, fmt.Sprintf("%s.sum[%d]", path, i), o); kid != nil {
			n.kids = append(n.kids, kid)
		}
	}
	return n
}

// classicTerm reads a function, a product or a sum: a mapping of one key.
func (p *parser) classicTerm(v any, path string, o *objective) *node {
	accepted := "one of product, sum, " + strings.Join(classicFunctions, ", ")
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		if v != (any)(unresolved{}) {
			p.found.add(path, "%s of %d keys: accepted is a mapping with %s", strings.TrimSuffix(kindOf(v), " of 1"), len(m), accepted)
		}
		return nil
	}
	key := sortedKeys(m)[0]
	if _, isList := m[key].([]any); !isList {
		p.found.add(join(path, key), "%s: accepted is a list", kindOf(m[key]))
		return nil
	}
	switch {
	case key == "sum":
		return p.sum(m, path, o)
	case key == "product":
		return p.product(m["product"].([]any), join(path, key), o)
	case slices.Contains(classicFunctions, key):
		return p.classicFunction(key, m[key].([]any), join(path, key), o)
	}
	p.found.add(join(path, key), "unknown function: accepted is %s", accepted)
	return nil
}

// product multiplies numbers and at least one function or sum.
func (p *parser) product(list []any, path string, o *objective) *node {
	n := &node{op: "product", scale: 1}
	functions := 0
	for i, item := range list {
		if w, ok := number(item); ok {
			n.scale *= w
			continue
		}
		functions++
		if kid := p.classicTerm(item, fmt.Sprintf("%s[%d]", path, i), o); kid != nil {
			n.kids = append(n.kids, kid)
		}
	}
	if functions == 0 {
		p.found.add(path, "a product without a function: accepted is a list of numbers and a function or sum")
		return nil
	}
	if len(n.kids) == 1 {
		kid := *n.kids[0]
		kid.scale, kid.offset = kid.scale*n.scale, kid.offset*n.scale
		return &kid
	}
	return n
}

func (p *parser) classicFunction(name string, args []any, path string, o *objective) *node {
	var words, demands []string
	for i, a := range args {
		text, ok := a.(string)
		switch {
		case !ok && a != (any)(unresolved{}):
			p.found.add(fmt.Sprintf("%s[%d]", path, i), "%s: accepted is the name of a demand or location", kindOf(a))
		case p.names[text]:
			demands = append(demands, text)
		}
		words = append(words, text)
	}
	if name == "distance_between" || name == "latency_between" {
		return p.between(name, words, demands, path)
	}
	if len(demands) < len(words) || len(words) == 0 {
		p.found.add(path, "not a list of declared demands: accepted is %s", orNothing(sortedKeys(p.names)))
		return nil
	}
	if name == "aic_version" {
		o.newest = append(o.newest, demands...)
		return &node{op: "number", scale: 1}
	}
	p.scored(demands, path)
	n := over(function{name: "hpa_score"}, demands)
	n.scale = -1
	return n
}

// between reads the ends of a distance: a location and a demand, or two demands.
func (p *parser) between(name string, words, demands []string, path string) *node {
	f := &function{name: name, demands: demands, withCost: len(demands) == 1}
	for _, w := range words {
		if _, ok := p.t.locations[w]; ok && !p.names[w] {
			f.location = w
		}
	}
	ends := len(demands)
	if f.location != "" {
		ends++
	}
	if len(words) != 2 || ends != 2 || len(demands) == 0 || len(demands) == 2 && demands[0] == demands[1] {
		p.found.add(path, "not two ends: accepted is a declared location and a declared demand in either order, or two demands")
		return nil
	}
	return leaf(f)
}

// scored reports a score asked of demands that no hpa constraint is about.
func (p *parser) scored(demands []string, path string) {
	for _, c := range p.t.constraints {
		if c.kind == "hpa" && slices.ContainsFunc(demands, c.has) {
			return
		}
	}
	p.found.add(path, "none of the demands has an hpa constraint: accepted is at least one that has")
}
