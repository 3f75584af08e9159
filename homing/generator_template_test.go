package homing_test

import "fmt"

// constraint makes up one of any type, soft now and then.
func (m *maker) constraint() object {
	types := []string{
		"attribute", "threshold", "distance_to_location", "distance_between_demands", "zone", "zone", "hpa", "vim_fit", "instance_fit", "region_fit",
		"inventory_group", "license", "network_between_demands", "network_to_location", "within_area", "capacity", "capacity", "max_per_zone",
	}
	kind := m.word(types...)
	least, most := 1, len(m.demands)
	switch kind {
	case "distance_between_demands", "network_between_demands":
		least = 2
	case "inventory_group":
		least, most = 2, 2
	}
	names := m.some(m.demands, least)
	names = names[:min(len(names), most)]
	c := object{"type": kind, "demands": names}
	if len(names) == 1 && m.chance(0.5) {
		c["demands"] = names[0]
	}
	if properties := m.properties(kind, names); properties != nil {
		c["properties"] = properties
	}
	if m.chance(0.2) {
		c["penalty"] = m.tenth(0.1, 60)
	} else if kind == "capacity" {
		for _, n := range names {
			m.pots = append(m.pots, n.(string))
		}
	}
	if kind == "hpa" {
		for _, n := range names {
			m.hpa = append(m.hpa, n.(string))
		}
	}
	return c
}

func (m *maker) properties(kind string, names []any) object {
	switch kind {
	case "attribute":
		return object{"evaluate": m.conditions()}
	case "threshold":
		return object{"evaluate": m.thresholds()}
	case "distance_to_location":
		return object{"distance": m.expression(30, 300, "km", "mi"), "location": m.word("plant", "depot")}
	case "distance_between_demands":
		return object{"distance": m.expression(30, 400, "km", "mi")}
	case "zone":
		category := m.word("region", "complex", "country", "disaster", "disaster_zone", "time", "time_zone", "maintenance", "maintenance_zone", "element", "tier", "orchestrator")
		z := object{"qualifier": m.word("same", "different"), "category": category}
		if category == "country" && m.chance(0.4) {
			z["location"] = m.word("depot", "depot", "plant")
		}
		return z
	case "hpa":
		return object{"evaluate": m.machines()}
	case "vim_fit":
		return object{"controller": m.word("multicloud", "multicloud", "multicloud", "other"), "request": object{"vCPU": m.IntN(10), "Memory": object{"quantity": m.IntN(20), "unit": "GB"}}}
	case "instance_fit", "region_fit":
		return object{"controller": m.word("SDN-C", "sdn-c", "sdn-c", "none"), "request": object{"bw": m.IntN(12), "name": "any"}}
	case "license":
		return object{"id": "lic", "key": m.word("k1", "k2", "k1", "k3")}
	case "network_between_demands", "network_to_location":
		n := object{}
		m.maybe(n, "latency", m.expression(10, 40, "ms", "ms"), 0.6)
		m.maybe(n, "distance", m.expression(100, 500, "km", "mi"), 0.2)
		if len(n) == 0 || m.chance(0.2) {
			n["bandwidth"] = m.word(">= 300 Mbps", "> 0.2 Gbps", ">=100000Kbps")
		}
		if kind == "network_to_location" {
			n["location"] = "plant"
		}
		return n
	case "within_area":
		x, y := 9+3*m.Float64(), 44+2*m.Float64()
		square := []any{[]any{x, y}, []any{x + 2, y}, []any{x + 2, y + 2}, []any{x, y + 2}, []any{x, y}}
		if m.chance(0.5) {
			return object{"area": object{"type": "Polygon", "coordinates": []any{square}}}
		}
		return object{"area": object{"type": "MultiPolygon", "coordinates": []any{[]any{square}, []any{[]any{[]any{9, 44}, []any{10, 44}, []any{10, 45}, []any{9, 44}}}}}}
	case "capacity":
		return m.capacity(names)
	case "max_per_zone":
		return object{"category": m.word("region", "element", "country"), "max": 1 + m.IntN(2)}
	}
	return nil
}

func (m *maker) expression(low, top int, units ...string) any {
	a, b := low+m.IntN(top-low), low+m.IntN(top-low)
	switch m.IntN(5) {
	case 0:
		return fmt.Sprintf("> %d %s", a, units[m.IntN(2)])
	case 1:
		return fmt.Sprintf("%d-%d %s", min(a, b)-low/2, max(a, b), units[0])
	case 2:
		return fmt.Sprintf("<=%d%s", a, units[m.IntN(2)])
	default:
		return fmt.Sprintf("< %d", a)
	}
}

func (m *maker) conditions() object {
	all := object{
		"country": object{"any": m.some([]string{"ITA", "FRA", "DEU"}, 1)},
		"complex": object{"all": []any{m.word("x1", "x2")}},
		"label":   m.word("alpha", "beta"),
		"latency": object{m.word("lt", "gt", "lte", "gte", "ne", "eq"): m.IntN(50)},
		"fast":    m.chance(0.5),
		"region":  object{"regex": "/^.*$/"},
		"cloud-region": object{"cloud-requests": m.some([]string{"r1", "r2", "r3"}, 1), "service-requests": m.some([]string{"r1", "r2", "r3"}, 1),
			"vfmodule-requests": []any{}},
		"network_roles": object{m.word("any", "all"): m.some([]string{"edge", "core"}, 1)},
		"time_zone":     object{"regex": "t[1-2]$", "ne": "t1"},
	}
	names := []string{"country", "complex", "label", "latency", "fast", "region", "cloud-region", "network_roles", "time_zone"}
	picked := object{}
	for range 1 + m.IntN(2) {
		n := m.word(names...)
		picked[n] = all[n]
	}
	return picked
}

func (m *maker) thresholds() []any {
	list := []any{}
	for range 1 + m.IntN(2) {
		switch m.IntN(3) {
		case 0:
			list = append(list, object{"attribute": "latency", "operator": m.word("lte", "lt", "gt", "gte"), "threshold": m.IntN(50), "unit": "ms"})
		case 1:
			list = append(list, object{"attribute": "fast", "operator": "eq", "threshold": m.chance(0.5)})
		default:
			list = append(list, object{"attribute": "green", "operator": m.word("gte", "lte"), "threshold": fmt.Sprint(m.tenth(0, 1))})
		}
	}
	return list
}

func (m *maker) machines() []any {
	list := []any{}
	for i := range 1 + m.IntN(2) {
		features := []any{m.feature("basic", "generic", "True", "numVirtualCpu", fmt.Sprint(1<<m.IntN(4)), m.word(">=", "=", "<="), "")}
		if m.chance(0.5) {
			features = append(features, m.feature("basic", "generic", m.word("True", "False"), "mem", fmt.Sprint(1024*(1+m.IntN(6))), ">=", "MB"))
		}
		if m.chance(0.5) {
			features = append(features, m.feature("isa", m.word("x64", "arm"), m.word("true", "False", "False"), "ext", m.some([]string{"a", "b", "c"}, 1), "ALL", ""))
		}
		features = append(features, m.feature("dpdk", "generic", "False", "lib", "v18", "=", ""))
		list = append(list, object{
			"id": fmt.Sprint("vm", i), "type": "vnfc", "flavorProperties": features,
			"directives": []any{object{"type": "flavor_directives", "attributes": []any{object{"attribute_name": fmt.Sprint("label", i), "attribute_value": ""}}}},
		})
	}
	return list
}

func (m *maker) feature(name, architecture, mandatory, key string, value any, op, unit string) object {
	attribute := object{"hpa-attribute-key": key, "hpa-attribute-value": value, "operator": op}
	if unit != "" {
		attribute["unit"] = unit
	}
	return object{
		"hpa-feature": name, "hpa-version": "v1", "architecture": architecture, "mandatory": mandatory, "score": fmt.Sprint(1 + m.IntN(20)),
		"directives": []any{}, "hpa-feature-attributes": []any{attribute},
	}
}

func (m *maker) capacity(names []any) object {
	c := object{"limits": object{"cpu": "freeCpu"}, "request": object{"cpu": m.tenth(0, 4)}}
	if m.chance(0.4) {
		each := object{}
		for _, n := range names {
			each[n.(string)] = object{"cpu": m.tenth(0, 5)}
		}
		c["request"] = each
	}
	m.maybe(c, "of", m.word("candidate", "vim", "region"), 0.4)
	m.maybe(c, "max_utilisation", object{"cpu": 0.9}, 0.2)
	return c
}

func (m *maker) classicTerms() []any {
	terms := []any{}
	for range 1 + m.IntN(3) {
		switch m.IntN(4) {
		case 0:
			terms = append(terms, m.classicFunction())
		case 1:
			terms = append(terms, object{"product": []any{fmt.Sprint(m.tenth(-1, 3)), m.classicFunction()}})
		case 2:
			terms = append(terms, object{"product": []any{2, 0.5, object{"sum": []any{object{"product": []any{"1.5", m.classicFunction()}}, object{"product": []any{m.classicFunction()}}}}}})
		default:
			terms = append(terms, object{"product": []any{m.classicFunction(), m.tenth(0.1, 2)}})
		}
	}
	return terms
}

func (m *maker) classicFunction() object {
	d := m.word(m.demands...)
	switch m.IntN(5) {
	case 0:
		if e := m.word(m.demands...); e != d {
			return object{"distance_between": []any{d, e}}
		}
		return object{"distance_between": []any{d, "depot"}}
	case 1:
		if len(m.hpa) > 0 {
			return object{"hpa_score": []any{m.hpa[0]}}
		}
		return object{"aic_version": []any{d}}
	case 2:
		if m.chance(0.3) {
			return object{"latency_between": []any{"plant", d}}
		}
		return object{"aic_version": []any{d}}
	default:
		return object{"distance_between": []any{"plant", d}}
	}
}

func (m *maker) operation(depth int) object {
	operands := []any{}
	for range 1 + m.IntN(3) {
		o := object{}
		if depth > 0 && m.chance(0.3) {
			o["operation_function"] = m.operation(depth - 1)
		} else {
			m.operand(o)
		}
		m.maybe(o, "weight", m.tenth(-2, 3), 0.5)
		if m.chance(0.3) {
			o["normalization"] = object{"start": m.tenth(0, 50), "end": m.tenth(51, 100)}
			if m.chance(0.5) {
				o["normalization"] = object{"start": 100, "end": 5}
			}
		}
		operands = append(operands, o)
	}
	return object{"operator": m.word("sum", "sum", "min", "max"), "operands": operands}
}

func (m *maker) operand(o object) {
	d := m.word(m.demands...)
	name := m.word("distance_between", "distance_between", "latency_between", "attribute", "attribute", "sum_over", "cost", "hpa_score", "stay", "spread", "utilisation")
	params := object{"demand": d}
	switch name {
	case "distance_between", "latency_between":
		params["location"] = "plant"
		if e := m.word(m.demands...); e != d && m.chance(0.4) {
			params = object{"demands": []any{d, e}}
		}
		m.maybe(o, "default", 20, 0.5)
	case "attribute":
		params["attribute"] = m.word("latency", "green", "fast")
		m.maybe(o, "default", 5, 0.5)
	case "sum_over":
		params = object{"demands": m.some(m.demands, 1), "attribute": m.word("latency", "green")}
		m.maybe(o, "default", 5, 0.5)
	case "hpa_score":
		if len(m.hpa) == 0 {
			name = "cost"
		} else {
			params["demand"] = m.hpa[0]
		}
	case "cost", "stay":
		m.maybe(params, "demands", m.some(m.demands, 1), 0.5)
		if params["demands"] != nil {
			delete(params, "demand")
		}
	case "spread":
		params = object{"demands": m.some(m.demands, 1)}
		m.maybe(params, "category", m.word("country", "element"), 0.5)
	case "utilisation":
		if len(m.pots) == 0 {
			name = "cost"
		} else {
			params = object{"demands": []any{m.pots[0]}, "resource": "cpu"}
			m.maybe(o, "default", 1, 0.5)
		}
	}
	o["function"], o["params"] = name, params
}
