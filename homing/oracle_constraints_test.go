package homing_test

import (
	"regexp"
	"slices"
	"strings"
)

func namesOf(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	var names []string
	for _, x := range v.([]any) {
		names = append(names, x.(string))
	}
	return names
}

// broken counts how often an assignment breaks a constraint: per demand, per pair
// of demands, or per place. Limits of hard constraints that several demands share
// are the matter of shared.
func (o *oracle) broken(c object, pick map[string]*option, soft bool) int {
	names := namesOf(c["demands"])
	p, _ := c["properties"].(object)
	kind := c["type"].(string)
	count := 0
	for i, d := range names {
		if !o.single(kind, p, d, pick[d], len(names), soft) {
			count++
		}
		for _, e := range names[i+1:] {
			if !o.pair(kind, p, pick[d], pick[e]) {
				count++
			}
		}
	}
	switch kind {
	case "max_per_zone":
		zones := map[any]int{}
		for _, d := range names {
			if z := zoneOf(pick[d], p["category"].(string)); z != nil {
				zones[z]++
			}
		}
		for _, n := range zones {
			if float64(n) > p["max"].(float64) {
				count++
			}
		}
	case "capacity", "vim_fit":
		if soft {
			count += o.overfull(map[string]any{"it": c}, pick)
		}
	}
	return count
}

func (o *oracle) single(kind string, p object, demand string, x *option, demands int, soft bool) bool {
	cloud := x.kind == "cloud" || x.kind == "infrastructure_element"
	switch kind {
	case "attribute":
		for key, cond := range p["evaluate"].(object) {
			if !o.attribute(key, cond, x, cloud) {
				return false
			}
		}
	case "threshold":
		for _, e := range p["evaluate"].([]any) {
			e := e.(object)
			have, ok := num(x.fields[e["attribute"].(string)])
			want, _ := num(e["threshold"])
			if !ok || !compares(e["operator"].(string), have, want) {
				return false
			}
		}
	case "distance_to_location":
		at, _ := o.locate(p["location"].(string))
		from, ok := x.point()
		return ok && satisfied(p["distance"], kilometres(from, at))
	case "zone":
		if where, ok := p["location"].(string); ok {
			_, country := o.locate(where)
			have, ok := x.fields["country"].(string)
			return ok && country != "" && (have == country) == (p["qualifier"] == "same")
		}
	case "hpa":
		_, ok := hardware(p, x)
		return ok
	case "vim_fit":
		if !cloud {
			return true
		}
		if p["controller"] != "multicloud" {
			return false
		}
		free, listed := o.inventory["vim_capacity"].(object)[x.fields["vim-id"].(string)].(object)
		if !listed || soft {
			return listed
		}
		for resource, n := range vimRequest(p) {
			if n > free[resource].(float64) {
				return false
			}
		}
	case "instance_fit", "region_fit":
		if kind == "instance_fit" && x.kind != "service" || kind == "region_fit" && !cloud {
			return true
		}
		free, listed := o.inventory["service_capacity"].(object)[x.id].(object)
		return strings.EqualFold(p["controller"].(string), "sdn-c") && listed && p["request"].(object)["bw"].(float64) <= free["bw"].(float64)
	case "license":
		list, _ := o.inventory["licenses"].(object)[p["id"].(string)].(object)[p["key"].(string)].([]any)
		return slices.Contains(list, any(x.id))
	case "network_to_location":
		return o.link(p, x.fields["location_id"].(string), "plant")
	case "within_area":
		at, ok := x.point()
		return ok && inArea(p["area"].(object), at)
	case "max_per_zone":
		return zoneOf(x, p["category"].(string)) != nil
	case "capacity":
		load := o.load(p, demand, x)
		_, known := o.limit(p, x)
		return load == 0 || known && (soft || o.fitsAlone(p, load, x))
	}
	return true
}

func (o *oracle) fitsAlone(p object, load float64, x *option) bool {
	limit, _ := o.limit(p, x)
	return load <= limit+1e-9
}

func (o *oracle) attribute(key string, cond any, x *option, cloud bool) bool {
	if key == "network_roles" {
		if !cloud {
			return true
		}
		in := func(role any) bool {
			return slices.Contains(o.inventory["network_roles"].(object)[role.(string)].([]any), any(x.id))
		}
		if list, ok := cond.(object)["any"].([]any); ok {
			return slices.ContainsFunc(list, in)
		}
		return !slices.ContainsFunc(cond.(object)["all"].([]any), func(r any) bool { return !in(r) })
	}
	field := map[string]string{"complex": "complex_name", "cloud-region": "location_id"}[key]
	if field == "" {
		field = key
	}
	have, ok := x.fields[field]
	if !ok {
		return false
	}
	m, isMap := cond.(object)
	if !isMap {
		return have == cond
	}
	if key == "cloud-region" {
		list := map[string]string{"cloud": "cloud-requests", "infrastructure_element": "cloud-requests", "service": "service-requests"}[x.kind]
		ids, _ := m[list].([]any)
		return slices.Contains(ids, have)
	}
	for op, want := range m {
		switch op {
		case "any":
			if !slices.Contains(want.([]any), have) {
				return false
			}
		case "all":
			if slices.ContainsFunc(want.([]any), func(w any) bool { return w != have }) {
				return false
			}
		case "regex":
			if !regexp.MustCompile(strings.Trim(want.(string), "/")).MatchString(have.(string)) {
				return false
			}
		case "ne":
			if have == want {
				return false
			}
		default:
			a, ok := num(have)
			b, _ := num(want)
			if !ok || !compares(op, a, b) {
				return false
			}
		}
	}
	return true
}

func compares(op string, a, b float64) bool {
	return map[string]bool{"lt": a < b, "gt": a > b, "lte": a <= b, "gte": a >= b, "eq": a == b}[op]
}

func zoneOf(x *option, category string) any {
	field, ok := map[string]string{
		"region": "location_id", "complex": "complex_name", "country": "country", "element": "candidate_id",
		"tier": "infrastructureElementTier", "orchestrator": "vim-id",
	}[category]
	if !ok {
		field = strings.TrimSuffix(category, "_zone") + "_zone"
	}
	return x.fields[field]
}

func (o *oracle) pair(kind string, p object, x, y *option) bool {
	switch kind {
	case "distance_between_demands":
		a, ok := x.point()
		b, also := y.point()
		return ok && also && satisfied(p["distance"], kilometres(a, b))
	case "zone":
		a, b := zoneOf(x, p["category"].(string)), zoneOf(y, p["category"].(string))
		return a != nil && b != nil && (a == b) == (p["qualifier"] == "same")
	case "inventory_group":
		for _, g := range o.inventory["inventory_groups"].([]any) {
			g := g.([]any)
			if g[0] == x.id && g[1] == y.id || g[0] == y.id && g[1] == x.id {
				return true
			}
		}
		return false
	case "network_between_demands":
		return o.link(p, x.fields["location_id"].(string), y.fields["location_id"].(string))
	}
	return true
}

func (o *oracle) link(p object, from, to string) bool {
	for _, l := range o.between(from, to) {
		good := true
		for _, key := range []string{"latency", "bandwidth", "distance"} {
			if expr, ok := p[key]; ok {
				v, has := l[key].(float64)
				good = good && has && satisfied(expr, v)
			}
		}
		if good {
			return true
		}
	}
	return false
}

func (o *oracle) between(from, to string) []object {
	var links []object
	list, _ := o.inventory["network"].([]any)
	for _, item := range list {
		l := item.(object)
		if l["from"] == from && l["to"] == to || l["one_way"] != true && l["from"] == to && l["to"] == from {
			links = append(links, l)
		}
	}
	return links
}

// inArea works for the axis-parallel squares and the one triangle that are made.
func inArea(area object, at point) bool {
	rings := area["coordinates"].([]any)
	if area["type"] == "MultiPolygon" {
		for _, poly := range rings {
			if inArea(object{"type": "Polygon", "coordinates": poly}, at) {
				return true
			}
		}
		return false
	}
	ring := rings[0].([]any)
	corner := func(i int) (float64, float64) {
		c := ring[i].([]any)
		return c[0].(float64), c[1].(float64)
	}
	inside := true // a convex ring that turns left
	for i := range len(ring) - 1 {
		x1, y1 := corner(i)
		x2, y2 := corner(i + 1)
		inside = inside && (x2-x1)*(at.lat-y1)-(y2-y1)*(at.lon-x1) >= -1e-12
	}
	return inside
}
