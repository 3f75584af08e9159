package homing

import (
	"fmt"
	"math"
	"strings"
)

// mostProfiles is how many slice profiles a requirement may make up.
const mostProfiles = 100_000

// profiles checks what slice profiles are made up from.
func (p *parser) profiles(q *requirement, r *reader) {
	if q.filters["subnets"] == nil {
		return
	}
	f, _ := open(q.filters, r.at("filtering_attributes"), "", p.found)
	subnets, _ := open(q.filters["subnets"], f.at("subnets"), " of subnet to attributes", p.found)
	total := 1
	for _, name := range sortedKeys(subnets.m) {
		subnet, _ := open(subnets.m[name], subnets.at(name), " of attribute to values", p.found)
		for _, attribute := range sortedKeys(subnet.m) {
			a, ok := open(subnet.m[attribute], subnet.at(attribute), " with values, or with min, max and steps", p.found)
			if !ok {
				continue
			}
			a.only("values", "min", "max", "steps")
			values := valuesOf(a.m)
			if len(values) == 0 {
				p.found.add(a.path, "no values: accepted is {values: […]} or {min, max, steps} with steps above 0")
			}
			total = min(total*max(1, len(values)), 10*mostProfiles)
		}
	}
	if total > mostProfiles {
		p.found.add(subnets.path, "makes too many profiles: accepted are %d", mostProfiles)
	}
	profile := f.mapping("service_profile")
	for _, attribute := range sortedKeys(profile) {
		a, ok := open(profile[attribute], f.at("service_profile")+"."+attribute, " with value and operator", p.found)
		if ok {
			a.only("value", "operator")
			a.need("value", "a number, text or a boolean")
			a.word("operator", "gte", "lte", "eq")
		}
	}
}

// valuesOf lists {values: […]}, or the steps from min up to, not including, max.
func valuesOf(m map[string]any) []any {
	if list, ok := m["values"].([]any); ok {
		return list
	}
	low, ok1 := number(m["min"])
	top, ok2 := number(m["max"])
	step, ok3 := number(m["steps"])
	if !ok1 || !ok2 || !ok3 || step <= 0 || (top-low)/step > mostProfiles {
		return nil
	}
	var list []any
	for k := 0; low+float64(k)*step < top-1e-9; k++ {
		list = append(list, math.Round((low+float64(k)*step)*1e9)/1e9)
	}
	return list
}

// generate makes up a candidate for every combination of attribute values of the
// subnets whose aggregate meets the service profile.
func (q *requirement) generate() []*Candidate {
	type axis struct {
		subnet, attribute string
		values            []any
	}
	var axes []axis
	subnets, _ := q.filters["subnets"].(map[string]any)
	for _, subnet := range sortedKeys(subnets) {
		attributes, _ := subnets[subnet].(map[string]any)
		for _, attribute := range sortedKeys(attributes) {
			m, _ := attributes[attribute].(map[string]any)
			axes = append(axes, axis{subnet, attribute, valuesOf(m)})
		}
	}
	wanted, _ := q.filters["service_profile"].(map[string]any)
	var made []*Candidate
	fields, parts := map[string]any{}, map[string][]any{}
	var vary func(k int)
	vary = func(k int) {
		if k == len(axes) {
			if c := profileOf(q.kind, fields, parts, wanted); c != nil {
				made = append(made, c)
			}
			return
		}
		a := axes[k]
		for _, v := range a.values {
			fields[a.subnet+"_"+a.attribute] = v
			parts[a.attribute] = append(parts[a.attribute], v)
			vary(k + 1)
			parts[a.attribute] = parts[a.attribute][:len(parts[a.attribute])-1]
		}
	}
	vary(0)
	return made
}

func profileOf(kind string, fields map[string]any, parts map[string][]any, wanted map[string]any) *Candidate {
	c := &Candidate{Kind: kind, Provider: "generator", Fields: map[string]any{"inventory_type": kind, "inventory_provider": "generator", "candidate_type": kind}}
	var id []string
	for _, name := range sortedKeys(fields) {
		text, _ := plain(fields[name])
		id = append(id, name+"="+text)
		c.Fields[name] = fields[name]
	}
	for attribute, values := range parts {
		c.Fields[attribute] = aggregate(attribute, values)
	}
	for attribute, w := range wanted {
		m, _ := w.(map[string]any)
		have, ok := c.Fields[attribute]
		if !ok {
			c.Fields[attribute] = m["value"]
			continue
		}
		op := fmt.Sprint(m["operator"])
		if op == "eq" && !equal(have, m["value"]) || op != "eq" && !ordered(op, have, m["value"]) {
			return nil
		}
	}
	c.ID = strings.Join(id, ",")
	c.Fields["candidate_id"] = c.ID
	return c
}

// aggregate combines an attribute over the subnets: latency and jitter add up, the
// narrowest throughput counts, of anything else the first that is not empty.
func aggregate(attribute string, values []any) any {
	sum, least := 0.0, math.Inf(1)
	for _, v := range values {
		n, _ := number(v)
		sum, least = sum+n, min(least, n)
	}
	switch {
	case strings.Contains(attribute, "latency"), strings.Contains(attribute, "jitter"):
		return sum
	case strings.Contains(attribute, "throughput"), strings.HasPrefix(attribute, "exp_data_rate"):
		return least
	}
	for _, v := range values {
		if !empty(v) {
			return v
		}
	}
	return nil
}
