package homing

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// flavor is a size and equipment that a cloud offers for a virtual machine.
type flavor struct {
	id, name     string
	capabilities []capability
}

type capability struct {
	feature, version, architecture string
	attributes                     map[string]offered
}

// offered is what a capability says of one attribute.
type offered struct {
	value any
	unit  string
}

// score adds up the scores of the optional features that the flavor has; ok is
// false when it lacks a mandatory one. A feature is had when one capability of its
// name, version and architecture satisfies all that is wanted of it.
func (f *flavor) score(features []feature) (score int, ok bool) {
	for _, x := range features {
		has := slices.ContainsFunc(f.capabilities, func(c capability) bool {
			return c.feature == x.name && c.version == x.version && c.architecture == x.architecture &&
				!slices.ContainsFunc(x.wants, func(w want) bool { return !w.met(c.attributes) })
		})
		switch {
		case has && !x.mandatory:
			score += x.score
		case !has && x.mandatory:
			return 0, false
		}
	}
	return score, true
}

// met compares what is offered with what is wanted; what is missing is no match.
func (w *want) met(attributes map[string]offered) bool {
	have, ok := attributes[w.key]
	if !ok {
		return false
	}
	if w.op == "ALL" {
		wanted, offers := flowList(w.value), flowList(have.value)
		return len(wanted) > 0 && len(offers) > 0 &&
			!slices.ContainsFunc(wanted, func(x any) bool { return !among(x, offers) })
	}
	x, isNumber := number(have.value)
	y, also := number(w.value)
	if !isNumber || !also {
		return w.op == "=" && hpaText(have.value) == hpaText(w.value)
	}
	if f := unitFactor(have.unit); f > 0 {
		x *= f
	}
	if f := unitFactor(w.unit); f > 0 {
		y *= f
	}
	switch w.op {
	case "=":
		return x == y
	case "<":
		return x < y
	case ">":
		return x > y
	case "<=":
		return x <= y
	default:
		return x >= y
	}
}

func hpaText(v any) string {
	if text, ok := plain(v); ok {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// flowList reads a list that may be written as text.
func flowList(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	text, ok := v.(string)
	if !ok || !strings.HasPrefix(strings.TrimSpace(text), "[") {
		return nil
	}
	var list []any
	if yaml.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	return list
}

// parseFlavors reads a candidate's flavors: {flavor: [...]}.
func parseFlavors(v any) []flavor {
	m, _ := v.(map[string]any)
	list, _ := m["flavor"].([]any)
	var flavors []flavor
	for _, item := range list {
		f, _ := item.(map[string]any)
		id, _ := plain(f["flavor-id"])
		name, _ := plain(f["flavor-name"])
		capabilities, _ := f["hpa-capabilities"].(map[string]any)
		caps, _ := capabilities["hpa-capability"].([]any)
		flavors = append(flavors, flavor{id, name, parseCapabilities(caps)})
	}
	return flavors
}

func parseCapabilities(list []any) []capability {
	var capabilities []capability
	for _, item := range list {
		m, _ := item.(map[string]any)
		c := capability{attributes: map[string]offered{}}
		c.feature, _ = plain(m["hpa-feature"])
		c.version, _ = plain(m["hpa-version"])
		c.architecture, _ = plain(m["architecture"])
		attributes, _ := m["hpa-feature-attributes"].([]any)
		for _, a := range attributes {
			x, _ := a.(map[string]any)
			if key, ok := plain(x["hpa-attribute-key"]); ok {
				c.attributes[key] = parseOffered(x["hpa-attribute-value"])
			}
		}
		capabilities = append(capabilities, c)
	}
	return capabilities
}

// parseOffered reads {"value": V, "unit": U}: as a mapping, as text in the loose
// notation that clouds use ({value:4}, {value:{['a', 'b']}}), or the bare value.
func parseOffered(v any) offered {
	if text, ok := v.(string); ok && strings.HasPrefix(strings.TrimSpace(text), "{") {
		colon := regexp.MustCompile(`(["']?(?:value|unit)["']?)\s*:`)
		set := regexp.MustCompile(`\{\s*(\[[^\]]*\])\s*\}`)
		text = set.ReplaceAllString(colon.ReplaceAllString(text, "$1: "), "$1")
		var m map[string]any
		if yaml.Unmarshal([]byte(text), &m) != nil {
			return offered{}
		}
		v = m
	}
	m, ok := v.(map[string]any)
	if !ok {
		return offered{value: v}
	}
	unit, _ := plain(m["unit"])
	return offered{m["value"], unit}
}
