package homing

import (
	"fmt"
	"math"
	"sort"
)

// terms takes the objective's value for an assignment apart.
func (m *model) terms(values []int, all []*item) (float64, []Term) {
	var total float64
	var terms []Term
	switch o := m.ev.t.objective; {
	case o != nil && o.root != nil:
		total = m.ev.value(o.root, all)
		if o.root.op == "sum" {
			for _, kid := range o.root.kids {
				terms = append(terms, m.ev.term(kid, all))
			}
		} else {
			terms = []Term{m.ev.term(o.root, all)}
		}
		for _, name := range o.newest {
			v := m.ev.byName[name]
			terms = append(terms, Term{Function: "aic_version", Params: map[string]any{"demand": name, "version": versionOf(all[v])}})
		}
	default:
		total, terms = m.defaultTerms(all)
	}
	for _, c := range m.ev.t.constraints {
		if c.penalty == 0 {
			continue
		}
		t := Term{Function: "penalty", Params: map[string]any{"constraint": c.name}, Weight: m.sign * c.penalty}
		for _, count := range m.broken[c.name] {
			t.Value += float64(count(values))
		}
		t.Contribution = t.Value * t.Weight
		total += t.Contribution
		terms = append(terms, t)
	}
	return total, terms
}

func (ev *evaluation) term(n *node, all []*item) Term {
	t := Term{Function: n.op, Weight: n.scale, Offset: n.offset, Value: ev.raw(n, all)}
	t.Contribution = n.scale*t.Value + n.offset
	f := n.fn
	if f == nil && len(n.kids) > 0 && n.kids[0].fn != nil && n.op == "sum" && n.show != nil && n.show["params"] != nil {
		f = n.kids[0].fn // a function over several demands
	}
	if params, ok := n.show["params"].(map[string]any); ok {
		t.Function, t.Params = f.name, params
		return t
	}
	if n.fn != nil {
		t.Function, t.Params = n.fn.name, map[string]any{"demands": n.fn.demands}
		if n.fn.location != "" {
			t.Params["location"] = n.fn.location
		}
		return t
	}
	for _, kid := range n.kids {
		t.Operands = append(t.Operands, ev.term(kid, all))
	}
	return t
}

// defaultTerms are those of a template without an objective.
func (m *model) defaultTerms(all []*item) (float64, []Term) {
	one := func(name string, value, weight float64) Term {
		return Term{Function: name, Value: value, Weight: weight, Contribution: value * weight}
	}
	cost, power, share, stay := 0.0, 0.0, 0.0, 0.0
	for v, it := range all {
		cost += it.cost
		share += freeShare(it)
		if it.existing {
			stay++
		}
		power += m.ev.powerOrWorst(m.ev.draws[v], it)
	}
	if !m.ev.t.continuum() {
		return cost, []Term{one("cost", cost, 1)}
	}
	return power, []Term{one("added_power", power, 1), one("free_share", share, 0), one("stay", stay, 0)}
}

// why says what makes b worse than a, the heaviest first.
func why(a, b Recommendation, sign float64, demands []string) []string {
	var lines []string
	diff := sign * (b.Objective - a.Objective)
	if math.Abs(diff) > 1e-9*max(1, math.Abs(a.Objective)) {
		lines = append(lines, fmt.Sprintf("its objective is %s, %s worse", short(b.Objective), short(diff)))
	} else {
		lines = append(lines, "its objective is the same")
	}
	type change struct {
		text string
		by   float64
	}
	var changes []change
	for i := range a.Terms {
		if i < len(b.Terms) {
			if by := sign * (b.Terms[i].Contribution - a.Terms[i].Contribution); math.Abs(by) > 1e-12 {
				word := "worse"
				if by < 0 {
					word = "better"
				}
				changes = append(changes, change{fmt.Sprintf("%s is %s instead of %s: %s %s", a.Terms[i].label(),
					short(b.Terms[i].Value), short(a.Terms[i].Value), short(math.Abs(by)), word), by})
			}
		}
	}
	sort.SliceStable(changes, func(i, j int) bool { return changes[i].by > changes[j].by })
	for _, c := range changes {
		lines = append(lines, c.text)
	}
	for _, d := range demands {
		if a.Assignment[d] != b.Assignment[d] {
			lines = append(lines, fmt.Sprintf("%s on %s instead of %s", d, b.Assignment[d], a.Assignment[d]))
		}
	}
	if diff <= 1e-9*max(1, math.Abs(a.Objective)) {
		lines = append(lines, "between equals the lesser criteria decide, then the candidates' ids in order of the demands' names")
	}
	return lines
}

func short(v float64) string { return fmt.Sprintf("%.6g", v) }

// label names a term for a reader.
func (t *Term) label() string {
	text := t.Function
	for _, key := range sortedKeys(t.Params) {
		text += fmt.Sprintf(" %s %v", key, t.Params[key])
	}
	return text
}
