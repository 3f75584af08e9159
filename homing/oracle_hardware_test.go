package homing_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hardware returns the score of the best flavors, and whether there are any.
func hardware(p object, x *option) (float64, bool) {
	if x.kind != "cloud" && x.kind != "infrastructure_element" {
		return 0, true
	}
	total := 0.0
	for _, vm := range p["evaluate"].([]any) {
		best := math.Inf(-1)
		for _, f := range x.fields["flavors"].(object)["flavor"].([]any) {
			score := 0.0
			for _, want := range vm.(object)["flavorProperties"].([]any) {
				w := want.(object)
				must := strings.EqualFold(w["mandatory"].(string), "true")
				has := flavorHas(f.(object), w)
				if must && !has {
					score = math.Inf(-1)
				} else if !must && has {
					n, _ := num(w["score"])
					score += n
				}
			}
			best = max(best, score)
		}
		if math.IsInf(best, -1) {
			return 0, false
		}
		total += best
	}
	return total, true
}

func flavorHas(f, w object) bool {
	a := w["hpa-feature-attributes"].([]any)[0].(object)
	for _, item := range f["hpa-capabilities"].(object)["hpa-capability"].([]any) {
		c := item.(object)
		if c["hpa-feature"] != w["hpa-feature"] || c["architecture"] != w["architecture"] {
			continue
		}
		for _, item := range c["hpa-feature-attributes"].([]any) {
			have := item.(object)
			if have["hpa-attribute-key"] == a["hpa-attribute-key"] && offers(have["hpa-attribute-value"], a) {
				return true
			}
		}
	}
	return false
}

func offers(have any, a object) bool {
	m, ok := have.(object)
	if text, isText := have.(string); isText && !ok {
		text = strings.ReplaceAll(text, "{value:", "{value: ")
		text = strings.ReplaceAll(text, "unit:", "unit: ")
		var v object
		if yaml.Unmarshal([]byte(text), &v) != nil {
			return false
		}
		data, _ := json.Marshal(v)
		_ = json.Unmarshal(data, &m)
	}
	want := a["hpa-attribute-value"]
	switch {
	case a["operator"] == "ALL":
		return !slices.ContainsFunc(want.([]any), func(w any) bool { return !slices.Contains(m["value"].([]any), w) })
	case a["hpa-attribute-key"] == "lib":
		return m["value"] == want
	}
	x, _ := num(m["value"])
	y, _ := num(want)
	if m["unit"] == "GB" {
		x *= 1024
	}
	return map[string]bool{">=": x >= y, "=": x == y, "<=": x <= y}[a["operator"].(string)]
}
