package homing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// attributes is the body of an attribute constraint: all conditions must hold.
type attributes struct{ conditions []condition }

// condition is what one attribute must be; every test given in it must hold.
type condition struct {
	attribute string
	field     string
	tests     []test
	byType    map[string][]any // cloud-region: accepted ids by type of candidate
}

// test is one operator and its operand.
type test struct {
	op      string
	value   any
	list    []any
	pattern *regexp.Regexp
}

var attributeOperators = []string{"eq", "ne", "lt", "gt", "lte", "gte", "any", "all", "regex"}

// fieldOf is the candidate's field behind the language's own names.
func fieldOf(attribute string) string {
	switch attribute {
	case "complex":
		return "complex_name"
	case "cloud-region":
		return "location_id"
	}
	return attribute
}

func (p *parser) attribute(_ *constraint, r *reader) any {
	v, ok := r.need("evaluate", "a mapping of attribute to condition")
	if !ok {
		return nil
	}
	all, _ := open(v, r.at("evaluate"), " of attribute to condition", p.found)
	b := &attributes{}
	for _, name := range sortedKeys(all.m) {
		value := all.m[name]
		if text, isText := value.(string); isText && text == "" || value == (any)(unresolved{}) {
			continue // empty text means: skip
		}
		c := condition{attribute: name, field: fieldOf(name)}
		if name == "cloud-region" {
			c.byType = p.regions(all, name)
		} else {
			c.tests = p.tests(all, name)
		}
		b.conditions = append(b.conditions, c)
	}
	return b
}

func (p *parser) regions(all *reader, name string) map[string][]any {
	r, ok := open(all.m[name], all.at(name), " with cloud-requests, service-requests and vfmodule-requests", p.found)
	if !ok {
		return nil
	}
	r.only("cloud-requests", "service-requests", "vfmodule-requests")
	lists := map[string][]any{}
	for _, of := range []string{"cloud", "service", "vfmodule"} {
		if !r.has(of + "-requests") {
			p.found.add(r.at(of+"-requests"), "required, and missing: accepted is a list of region ids")
		}
		lists[of] = r.list(of + "-requests")
	}
	lists[element], lists[component] = lists["cloud"], lists["service"]
	return lists
}

func (p *parser) tests(all *reader, name string) []test {
	accepted := "a value to equal, or a mapping with " + strings.Join(attributeOperators, ", ")
	m, ok := all.m[name].(map[string]any)
	if !ok {
		if _, scalar := plain(all.m[name]); !scalar {
			all.wrong(name, all.m[name], accepted)
		}
		return []test{{op: "eq", value: canonical(name, all.m[name])}}
	}
	r, _ := open(m, all.at(name), "", p.found)
	r.only(attributeOperators...)
	if len(m) == 0 {
		p.found.add(r.path, "an empty mapping: accepted is %s", accepted)
	}
	if name == "network_roles" {
		r.only("any", "all")
	}
	var tests []test
	for _, op := range sortedKeys(m) {
		if t, ok := p.test(r, op); ok {
			t.value, t.list = canonical(name, t.value), spelled(name, t.list)
			tests = append(tests, t)
		}
	}
	return tests
}

func (p *parser) test(r *reader, op string) (test, bool) {
	t := test{op: op, value: r.m[op]}
	if t.value == (any)(unresolved{}) {
		return t, false
	}
	switch op {
	case "any", "all":
		t.list = r.list(op)
		if len(t.list) == 0 {
			r.wrong(op, t.value, "a list of at least one value")
		}
	case "lt", "gt", "lte", "gte":
		if _, ok := number(t.value); !ok {
			r.wrong(op, t.value, "a number")
		}
	case "regex":
		text, _ := t.value.(string)
		if len(text) > 1 && text[0] == '/' && text[len(text)-1] == '/' {
			text = text[1 : len(text)-1]
		}
		var err error
		if t.pattern, err = regexp.Compile(text); err != nil || text == "" {
			r.wrong(op, t.value, "a regular expression (RE2), with or without slashes around it")
			return t, false
		}
	case "eq", "ne":
		if _, scalar := plain(t.value); !scalar {
			r.wrong(op, t.value, "text, a number or a boolean")
		}
	}
	return t, true
}

func (b *attributes) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	for i, it := range d.items {
		ok[i] = !slices.ContainsFunc(b.conditions, func(k condition) bool { return !k.holds(ev, c, d, it) })
	}
	return ok
}

func (k *condition) holds(ev *evaluation, c *constraint, d *draw, it *item) bool {
	switch {
	case k.attribute == "network_roles":
		return !cloudLike(it.kind) || k.inRoles(ev, c, d, it)
	case k.attribute == "replication_role":
		if host, ok := it.field("host_id"); !ok || empty(host) {
			return true
		}
	}
	have, ok := it.field(k.field)
	if !ok {
		ev.note(c, d, "have no field "+k.field)
		return false
	}
	if k.byType != nil {
		return among(have, k.byType[it.kind])
	}
	if k.attribute == "replication_role" {
		text, _ := plain(have)
		have = strings.ToUpper(text)
	}
	return !slices.ContainsFunc(k.tests, func(t test) bool { return !t.holds(k.attribute, have) })
}

// inRoles looks the candidate up in the lists of the roles.
func (k *condition) inRoles(ev *evaluation, c *constraint, d *draw, it *item) bool {
	in := func(role any) bool {
		name, _ := plain(role)
		list, ok := ev.inv.NetworkRoles[name]
		if !ok {
			ev.note(c, d, fmt.Sprintf("are in no list, as the inventory has none for network role %q", name))
		}
		return slices.Contains(list, it.id)
	}
	for _, t := range k.tests {
		switch t.op {
		case "all":
			if slices.ContainsFunc(t.list, func(role any) bool { return !in(role) }) {
				return false
			}
		case "any":
			if !slices.ContainsFunc(t.list, in) {
				return false
			}
		default:
			if !in(t.value) {
				return false
			}
		}
	}
	return true
}

func (t *test) holds(attribute string, have any) bool {
	want := t.value
	if text, ok := want.(string); ok && attribute == "replication_role" {
		want = strings.ToUpper(text)
	}
	switch t.op {
	case "eq":
		return among(have, []any{want})
	case "ne":
		return !among(have, []any{want})
	case "any":
		return among(have, t.list)
	case "all":
		return !slices.ContainsFunc(t.list, func(w any) bool { return !among(have, []any{w}) })
	case "regex":
		text, ok := plain(have)
		return ok && t.pattern.MatchString(text)
	}
	return ordered(t.op, have, want)
}

// ordered compares numbers; what is none is in no order.
func ordered(op string, have, want any) bool {
	x, ok := measure(have)
	y, also := number(want)
	if !ok || !also {
		return false
	}
	switch op {
	case "lt":
		return x < y
	case "gt":
		return x > y
	case "lte":
		return x <= y
	default:
		return x >= y
	}
}
