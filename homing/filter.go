package homing

import (
	"slices"
	"strings"
)

// asked are attributes that a provider uses to find candidates; what it returns
// has them, so they are not compared again.
var asked = []string{"service-type", "equipment-role", "model-invariant-id", "model-version-id"}

// clouds are the attributes that every cloud has, under its fields' names.
var clouds = []string{"cloud-owner", "cloud-region-version", "cloud-type", "cloud-zone", "complex-name", "physical-location-id"}

// matches compares filtering_attributes, customer and service type with what the
// inventory knows of the candidate.
func (q *requirement) matches(c *Candidate) bool {
	for _, name := range sortedKeys(q.filters) {
		if slices.Contains(asked, name) && !c.open {
			continue
		}
		have, ok := c.matchable(name)
		if !passes(name, q.filters[name], have, ok) {
			return false
		}
	}
	return known(c, q.customer, "global-customer-id", "customer-id") && known(c, q.service, "service-type", "equipment-role")
}

// matchable is what filtering_attributes are compared with.
func (c *Candidate) matchable(name string) (any, bool) {
	if v, ok := c.matched[name]; ok {
		return v, true
	}
	if slices.Contains(clouds, name) && cloudLike(c.Kind) {
		v, ok := c.Fields[strings.ReplaceAll(name, "-", "_")]
		return v, ok
	}
	if c.open {
		return (&item{c: c}).field(name)
	}
	return nil, false
}

// passes applies one filter: a value, a list, {any: list} or {not: list}. An empty
// value of the inventory passes.
func passes(name string, filter, have any, there bool) bool {
	m, ok := filter.(map[string]any)
	if !ok {
		m = map[string]any{"any": filter}
	}
	if wanted, ok := m["any"]; ok {
		if !there || !empty(have) && !among(have, spelled(name, listed(wanted))) {
			return false
		}
	}
	if unwanted, ok := m["not"]; ok {
		if there && !empty(have) && among(have, spelled(name, listed(unwanted))) {
			return false
		}
	}
	return true
}

// known reports whether an attribute the inventory was asked for by is right,
// where the inventory repeats it.
func known(c *Candidate, wanted []string, names ...string) bool {
	if len(wanted) == 0 {
		return true
	}
	for _, name := range names {
		if have, ok := c.matched[name]; ok && !empty(have) {
			text, _ := plain(have)
			return slices.Contains(wanted, text)
		}
	}
	return true
}

// spelled brings wanted values into the spelling of the field.
func spelled(name string, values []any) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = canonical(name, v)
	}
	return list
}
