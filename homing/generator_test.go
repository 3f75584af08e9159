package homing_test

import (
	"fmt"
	"math/rand/v2"
)

type object = map[string]any

// problem is a template and an inventory, as a person would write them.
type problem struct{ template, inventory object }

// maker makes up small problems; one seed always makes the same.
type maker struct {
	*rand.Rand
	demands []string
	kinds   map[string]string
	generic bool
	hpa     []string // demands with an hpa constraint
	pots    []string // demands with a hard capacity constraint on cpu
}

func makeProblem(seed uint64) problem {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 77)), kinds: map[string]string{}}
	m.generic = m.chance(0.5)
	p := problem{object{"homing_template_version": "2018-02-01"}, object{}}
	if m.generic {
		p.template["homing_template_version"] = "2020-08-13"
	}
	p.template["locations"] = object{
		"plant": object{"latitude": 45.0, "longitude": "10"},
		"depot": object{"host_name": "h1"},
	}
	count := 2 + m.IntN(3)
	demands := object{}
	for i := range count {
		name := fmt.Sprintf("d%d", (i*7+3)%10)
		m.demands = append(m.demands, name)
		demands[name] = m.requirements(name)
	}
	p.template["demands"] = demands
	m.inventory(p.inventory)
	constraints := object{}
	for i := range m.IntN(5) {
		constraints[fmt.Sprintf("c%d", i)] = m.constraint()
	}
	p.template["constraints"] = constraints
	if m.chance(0.85) {
		if m.generic {
			p.template["optimization"] = object{"goal": m.word("minimize", "maximize"), "operation_function": m.operation(2)}
		} else {
			p.template["optimization"] = object{"minimize": object{"sum": m.classicTerms()}}
		}
	}
	return p
}

func (m *maker) chance(p float64) bool       { return m.Float64() < p }
func (m *maker) word(words ...string) string { return words[m.IntN(len(words))] }
func (m *maker) tenth(low, top float64) float64 {
	return float64(int((low+(top-low)*m.Float64())*10)) / 10
}
func (m *maker) maybe(o object, key string, v any, p float64) {
	if m.chance(p) {
		o[key] = v
	}
}

func (m *maker) some(words []string, least int) []any {
	list := []any{}
	for _, i := range m.Perm(len(words))[:least+m.IntN(len(words)-least+1)] {
		list = append(list, words[i])
	}
	return list
}

func (m *maker) requirements(name string) []any {
	kind := m.word("cloud", "cloud", "cloud", "service", "nssi", "infrastructure_element")
	m.kinds[name] = kind
	one := func(kind string) object {
		r := object{"inventory_provider": "aai", "inventory_type": kind}
		if kind == "service" {
			r["filtering_attributes"] = object{"global-customer-id": "acme", "status": m.filter()}
		} else if m.chance(0.2) {
			r["filtering_attributes"] = object{"status": m.filter()}
		}
		m.maybe(r, "default_cost", m.tenth(0, 9), 0.2)
		m.maybe(r, "region", m.word("r1", "r2"), 0.05)
		m.maybe(r, "unique", m.word("true", "false"), 0.2)
		m.maybe(r, "excluded_candidates", []any{object{"inventory_type": kind, "candidate_id": []any{kind + "-1"}}}, 0.1)
		m.maybe(r, "required_candidates", []any{kind + "-0", kind + "-2", kind + "-3"}, 0.1)
		m.maybe(r, "existing_placement", object{"candidate_id": kind + "-2"}, 0.2)
		if kind == "nssi" {
			r["default_attributes"] = object{"creation-cost": m.tenth(0, 3)}
		}
		return r
	}
	list := []any{one(kind)}
	if m.chance(0.2) {
		second := one("service")
		delete(second, "existing_placement")
		list = append(list, second)
	}
	return list
}

func (m *maker) filter() any {
	switch m.IntN(4) {
	case 0:
		return "on"
	case 1:
		return []any{"on", "idle"}
	case 2:
		return object{"any": []any{"on", "idle"}}
	default:
		return object{"not": []any{"off"}}
	}
}

func (m *maker) inventory(inv object) {
	var candidates []any
	var ids, vims []string
	for _, kind := range []string{"cloud", "service", "nssi", "infrastructure_element"} {
		for i := range 3 + m.IntN(3) {
			c := m.candidate(kind, i)
			candidates = append(candidates, c)
			ids = append(ids, c["candidate_id"].(string))
			if v, ok := c["vim-id"].(string); ok {
				vims = append(vims, v)
			}
		}
	}
	m.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
	inv["candidates"] = candidates
	inv["hosts"] = object{"h1": object{"latitude": 46.5, "longitude": 11.5, "country": "ITA"}}
	groups := []any{}
	for range 12 {
		groups = append(groups, []any{m.word(ids...), m.word(ids...)})
	}
	inv["inventory_groups"] = groups
	inv["network_roles"] = object{"edge": m.some(ids, 3), "core": m.some(ids, 3)}
	vimCapacity, serviceCapacity, inUse := object{}, object{}, object{}
	for _, v := range vims {
		if m.chance(0.8) {
			vimCapacity[v] = object{"vCPU": m.IntN(20), "Memory": m.IntN(40)}
		}
	}
	for _, id := range ids {
		if m.chance(0.8) {
			serviceCapacity[id] = object{"bw": m.IntN(20)}
		}
		if m.chance(0.2) {
			inUse[id] = object{"cpu": m.tenth(0, 3)}
		}
	}
	inv["vim_capacity"], inv["service_capacity"], inv["capacity_in_use"] = vimCapacity, serviceCapacity, inUse
	inv["licenses"] = object{"lic": object{"k1": m.some(ids, 5), "k2": m.some(ids, 5)}}
	places := []string{"r1", "r2", "r3", "plant"}
	var network []any
	for i, from := range places {
		for _, to := range places[i:] {
			for m.chance(0.75) {
				l := object{"from": from, "to": to, "latency": m.IntN(40), "bandwidth": m.IntN(1000)}
				m.maybe(l, "one_way", true, 0.2)
				m.maybe(l, "distance", m.IntN(500), 0.6)
				network = append(network, l)
				if m.chance(0.7) {
					break
				}
			}
		}
	}
	inv["network"] = network
}

func (m *maker) candidate(kind string, i int) object {
	c := object{
		"candidate_id": fmt.Sprintf("%s-%d", kind, i), "inventory_type": kind, "inventory_provider": "aai",
		"location_id": m.word("r1", "r2", "r3"), "vim-id": m.word("v1", "v2", "v3"), "cloud_region_version": m.word("1", "2.5", "1.10"),
		"inventory_attributes": object{"global-customer-id": m.word("acme", "acme", "acme", "other"), "status": m.word("on", "on", "idle", "off", "")},
	}
	if m.chance(0.95) {
		lat, lon := 44+3*m.Float64(), 9+4*m.Float64()
		if m.chance(0.15) {
			lat, lon = 45, 10
		}
		c["latitude"], c["longitude"] = lat, lon
		if m.chance(0.3) {
			c["latitude"], c["longitude"] = fmt.Sprintf("%.4f", lat), fmt.Sprintf("%.4f", lon)
		}
	}
	m.maybe(c, "cost", m.tenth(0, 50), 0.5)
	if m.chance(0.1) {
		c["cost"] = "12.5"
	}
	m.maybe(c, "complex_name", m.word("x1", "x2", "x3"), 0.9)
	m.maybe(c, "country", m.word("ITA", "FRA", "DEU"), 0.9)
	m.maybe(c, "disaster_zone", m.word("z1", "z2", "z3"), 0.9)
	m.maybe(c, "time_zone", m.word("t1", "t2"), 0.9)
	m.maybe(c, "maintenance_zone", m.word("m1", "m2", "m3"), 0.9)
	m.maybe(c, "infrastructureElementTier", m.word("Edge", "Cloud"), 0.9)
	m.maybe(c, "latency", m.IntN(50), 0.9)
	m.maybe(c, "green", m.tenth(0, 1), 0.9)
	m.maybe(c, "fast", m.chance(0.5), 0.9)
	m.maybe(c, "label", m.word("alpha", "beta", "0"), 0.9)
	m.maybe(c, "freeCpu", m.tenth(0, 8), 0.95)
	c["cpuCores"] = 8 + m.IntN(8)
	if kind == "cloud" || kind == "infrastructure_element" {
		c["flavors"] = object{"flavor": m.flavors()}
	}
	return c
}

func (m *maker) flavors() []any {
	list := []any{}
	for i := range m.IntN(4) {
		caps := []any{capability("basic", "generic", "numVirtualCpu", fmt.Sprintf(`{"value": "%d"}`, 1<<m.IntN(5)), "mem", fmt.Sprintf(`{value:%d, unit:"GB"}`, 1+m.IntN(8)))}
		if m.chance(0.6) {
			caps = append(caps, capability("isa", m.word("x64", "arm"), "ext", object{"value": m.some([]string{"a", "b", "c"}, 1)}))
		}
		if m.chance(0.6) {
			caps = append(caps, capability("dpdk", "generic", "lib", fmt.Sprintf(`{"value": "%s"}`, m.word("v18", "v17"))))
		}
		list = append(list, object{"flavor-id": fmt.Sprint("id", i), "flavor-name": fmt.Sprint("f", i), "hpa-capabilities": object{"hpa-capability": caps}})
	}
	return list
}

func capability(feature, architecture string, pairs ...any) object {
	attributes := []any{}
	for i := 0; i < len(pairs); i += 2 {
		attributes = append(attributes, object{"hpa-attribute-key": pairs[i], "hpa-attribute-value": pairs[i+1]})
	}
	return object{"hpa-feature": feature, "hpa-version": "v1", "architecture": architecture, "hpa-feature-attributes": attributes}
}
