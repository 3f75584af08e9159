package homing_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// objective returns the value, and the rank between equals; ok is false when some
// function has no value for the assignment.
func (o *oracle) objective(pick map[string]*option) (value, rank float64, ok bool) {
	opt, there := o.template["optimization"].(object)
	if !there {
		return o.defaultValue(pick)
	}
	if of, generic := opt["operation_function"].(object); generic {
		value, ok = o.operation(of, pick)
		return value, 0, ok
	}
	ok = true
	for _, term := range opt["minimize"].(object)["sum"].([]any) {
		value += o.classic(term, pick, &ok)
	}
	var asked []any
	askedVersions(opt, &asked)
	for _, d := range asked {
		rank += o.versionRank(asked, pick[d.(string)])
	}
	return value, rank, ok
}

// askedVersions collects the demands of all aic_version, each once.
func askedVersions(v any, demands *[]any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			askedVersions(x, demands)
		}
	case object:
		for key, x := range v {
			if key != "aic_version" {
				askedVersions(x, demands)
				continue
			}
			for _, d := range x.([]any) {
				if !slices.Contains(*demands, d) {
					*demands = append(*demands, d)
				}
			}
		}
	}
}

func (o *oracle) defaultValue(pick map[string]*option) (value, rank float64, ok bool) {
	plain := false
	for _, list := range o.template["demands"].(object) {
		for _, r := range list.([]any) {
			plain = plain || r.(object)["inventory_type"] != "infrastructure_element"
		}
	}
	for _, x := range pick {
		if plain {
			value += x.cost
			continue
		}
		free, _ := num(x.fields["freeCpu"])
		rank -= math.Round(free / x.fields["cpuCores"].(float64) / 2 * 10_000)
	}
	if !plain {
		for _, x := range pick {
			if !x.here {
				rank += 1e-6
			}
		}
	}
	return value, rank, true
}

func (o *oracle) classic(term any, pick map[string]*option, ok *bool) float64 {
	if n, is := num(term); is {
		return n
	}
	for key, arg := range term.(object) {
		args := arg.([]any)
		switch key {
		case "sum":
			total := 0.0
			for _, a := range args {
				total += o.classic(a, pick, ok)
			}
			return total
		case "product":
			total := 1.0
			for _, a := range args {
				total *= o.classic(a, pick, ok)
			}
			return total
		case "aic_version":
			return 0
		case "hpa_score":
			total := 0.0
			for _, a := range args {
				total -= o.score(a.(string), pick[a.(string)])
			}
			return total
		}
		var demands []string
		where := ""
		for _, a := range args {
			if pick[a.(string)] != nil {
				demands = append(demands, a.(string))
			} else {
				where = a.(string)
			}
		}
		v, has := o.apart(key, demands, where, pick)
		*ok = *ok && has
		if where != "" {
			v += pick[demands[0]].cost
		}
		return v
	}
	return 0
}

// apart is the distance or latency between two ends.
func (o *oracle) apart(kind string, demands []string, where string, pick map[string]*option) (float64, bool) {
	x := pick[demands[0]]
	if kind == "latency_between" {
		from, to := x.fields["location_id"].(string), where
		if len(demands) == 2 {
			to = pick[demands[1]].fields["location_id"].(string)
		}
		best := math.Inf(1)
		for _, l := range o.between(from, to) {
			best = min(best, l["latency"].(float64))
		}
		return best, !math.IsInf(best, 1)
	}
	p, ok := x.point()
	q, _ := o.locate(where)
	if len(demands) == 2 {
		var also bool
		q, also = pick[demands[1]].point()
		ok = ok && also
	}
	return kilometres(p, q), ok
}

func (o *oracle) score(demand string, x *option) float64 {
	total := 0.0
	constraints, _ := o.template["constraints"].(object)
	for _, c := range constraints {
		c := c.(object)
		if c["type"] == "hpa" && slices.Contains(namesOf(c["demands"]), demand) {
			s, _ := hardware(c["properties"].(object), x)
			total += s
		}
	}
	return total
}

// versionRank is how many newer versions than the candidate's there are.
func (o *oracle) versionRank(demands []any, x *option) float64 {
	number := func(v string) float64 {
		major, minor, _ := strings.Cut(v, ".")
		a, _ := strconv.ParseFloat(major, 64)
		b, _ := strconv.ParseFloat(minor, 64)
		return a*1000 + b
	}
	newer := map[float64]bool{}
	for _, d := range demands {
		for _, y := range o.options[d.(string)] {
			newer[number(y.fields["cloud_region_version"].(string))] = true
		}
	}
	count := 0.0
	for n := range newer {
		if n > number(x.fields["cloud_region_version"].(string)) {
			count++
		}
	}
	return count
}

func (o *oracle) operation(of object, pick map[string]*option) (float64, bool) {
	var values []float64
	ok := true
	for _, item := range of["operands"].([]any) {
		operand := item.(object)
		var v float64
		has := true
		if inner, is := operand["operation_function"].(object); is {
			v, has = o.operation(inner, pick)
		} else {
			v, has = o.function(operand, pick)
		}
		ok = ok && has
		if n, is := operand["normalization"].(object); is {
			start, end := n["start"].(float64), n["end"].(float64)
			v = (v - start) / (end - start)
		}
		if w, is := operand["weight"].(float64); is {
			v *= w
		}
		values = append(values, v)
	}
	switch of["operator"] {
	case "min":
		return slices.Min(values), ok
	case "max":
		return slices.Max(values), ok
	}
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total, ok
}

func (o *oracle) function(operand object, pick map[string]*option) (float64, bool) {
	p := operand["params"].(object)
	var demands []string
	if d, ok := p["demand"]; ok {
		demands = namesOf(d)
	} else {
		demands = namesOf(p["demands"])
	}
	fallback, hasFallback := num(operand["default"])
	or := func(v float64, ok bool) (float64, bool) {
		if !ok && hasFallback {
			return fallback, true
		}
		return v, ok
	}
	total, ok := 0.0, true
	switch name := operand["function"]; name {
	case "distance_between", "latency_between":
		where, _ := p["location"].(string)
		return or(o.apart(name.(string), demands, where, pick))
	case "attribute", "sum_over":
		for _, d := range demands {
			v, has := or(num(pick[d].fields[p["attribute"].(string)]))
			total, ok = total+v, ok && has
		}
	case "cost":
		for _, d := range demands {
			total += pick[d].cost
		}
	case "hpa_score":
		for _, d := range demands {
			total += o.score(d, pick[d])
		}
	case "stay":
		for _, d := range demands {
			if pick[d].here {
				total++
			}
		}
	case "spread":
		category, has := p["category"].(string)
		if !has {
			category = "region"
		}
		seen := map[any]bool{}
		for _, d := range demands {
			z := zoneOf(pick[d], category)
			if z == nil {
				z = "unknown " + pick[d].id
			}
			seen[z] = true
		}
		total = float64(len(seen))
	case "utilisation":
		return o.utilisation(demands[0], pick, fallback, hasFallback)
	}
	return total, ok
}

func (o *oracle) utilisation(demand string, pick map[string]*option, fallback float64, hasFallback bool) (float64, bool) {
	constraints := o.template["constraints"].(object)
	var of object
	for _, name := range sorted(constraints) {
		c := constraints[name].(object)
		if c["type"] == "capacity" && slices.Contains(namesOf(c["demands"]), demand) && of == nil {
			of = c["properties"].(object)
		}
	}
	x := pick[demand]
	free, ok := num(x.fields["freeCpu"])
	if !ok {
		return fallback, hasFallback
	}
	limitless := object{"of": of["of"]}
	whole := x.fields["cpuCores"].(float64)
	used := whole - free
	for _, c := range o.inventory["candidates"].([]any) {
		c := c.(object)
		y := &option{id: c["candidate_id"].(string), fields: c}
		if use, has := o.inventory["capacity_in_use"].(object)[y.id].(object); has && o.placeOf(limitless, y) == o.placeOf(limitless, x) {
			used += use["cpu"].(float64)
		}
	}
	for d, y := range pick {
		most := 0.0
		for _, c := range constraints {
			c := c.(object)
			if c["type"] == "capacity" && slices.Contains(namesOf(c["demands"]), d) && y.id == x.id {
				most = max(most, o.load(c["properties"].(object), d, y))
			}
		}
		used += most
	}
	return used / whole, true
}

func sorted(m object) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
