package homing

import "fmt"

// thresholds is the body of a threshold constraint: all must hold.
type thresholds struct{ tests []threshold }

type threshold struct {
	attribute, op string
	value         any
}

func (p *parser) threshold(_ *constraint, r *reader) any {
	if _, ok := r.need("evaluate", "a list of {attribute, operator, threshold, unit}"); !ok {
		return nil
	}
	b := &thresholds{}
	for i, item := range r.list("evaluate") {
		e, ok := open(item, fmt.Sprintf("%s[%d]", r.at("evaluate"), i), " with attribute, operator and threshold", p.found)
		if !ok {
			continue
		}
		e.only("attribute", "operator", "threshold", "unit")
		e.need("attribute", "the name of a candidate's field")
		t := threshold{attribute: fieldOf(e.text("attribute")), op: e.word("operator", "gte", "lte", "gt", "lt", "eq")}
		v, ok := e.need("threshold", "a number, or for eq a boolean or text")
		if _, isNumber := number(v); ok && t.op != "eq" && t.op != "" && !isNumber {
			e.wrong("threshold", v, "a number for "+t.op)
		} else if _, scalar := plain(v); ok && !scalar {
			e.wrong("threshold", v, "a number, a boolean or text")
		}
		t.value = v
		b.tests = append(b.tests, t)
	}
	return b
}

func (b *thresholds) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	for i, it := range d.items {
		ok[i] = b.all(ev, c, d, it)
	}
	return ok
}

func (b *thresholds) all(ev *evaluation, c *constraint, d *draw, it *item) bool {
	for _, t := range b.tests {
		have, there := it.field(t.attribute)
		switch {
		case !there || empty(have):
			ev.note(c, d, "have no field "+t.attribute)
			return false
		case t.op == "eq" && !equal(have, canonical(t.attribute, t.value)):
			return false
		case t.op != "eq" && !ordered(t.op, have, t.value):
			return false
		}
	}
	return true
}
