package homing_test

import "strings"

func vimRequest(p object) map[string]float64 {
	r := p["request"].(object)
	return map[string]float64{"vCPU": r["vCPU"].(float64), "Memory": r["Memory"].(object)["quantity"].(float64)}
}

func (o *oracle) load(p object, demand string, x *option) float64 {
	r := p["request"].(object)
	if each, ok := r[demand].(object); ok {
		r = each
	}
	if v, ok := r["cpu"].(float64); ok && !x.here {
		return v
	}
	return 0
}

func (o *oracle) placeOf(p object, x *option) string {
	switch p["of"] {
	case "vim":
		return x.fields["vim-id"].(string)
	case "region":
		return x.fields["location_id"].(string)
	}
	return x.id
}

func (o *oracle) limit(p object, x *option) (float64, bool) {
	v, ok := num(x.fields["freeCpu"])
	if m, has := p["max_utilisation"].(object); has {
		v *= m["cpu"].(float64)
	}
	for _, c := range o.inventory["candidates"].([]any) {
		c := c.(object)
		y := &option{id: c["candidate_id"].(string), fields: c}
		if use, has := o.inventory["capacity_in_use"].(object)[y.id].(object); has && o.placeOf(p, y) == o.placeOf(p, x) {
			v -= use["cpu"].(float64)
		}
	}
	return max(v, 0), ok
}

// shared checks the limits that hard constraints on one pot add up to.
func (o *oracle) shared(hard object, pick map[string]*option) bool {
	pots := map[string]object{}
	for name, c := range hard {
		c := c.(object)
		p, _ := c["properties"].(object)
		key := c["type"].(string)
		switch key {
		case "capacity":
			of, _ := p["of"].(string)
			key += strings.Replace(of, "candidate", "", 1)
		case "vim_fit":
			if p["controller"] != "multicloud" {
				continue
			}
		default:
			continue
		}
		if pots[key] == nil {
			pots[key] = object{}
		}
		pots[key][name] = c
	}
	for _, pot := range pots {
		if o.overfull(pot, pick) > 0 {
			return false
		}
	}
	return true
}

// load is one resource of one place.
type load struct{ place, resource string }

// overfull counts places whose limit, the strictest that any candidate states for
// them, is exceeded; a demand in several constraints takes once, the most.
func (o *oracle) overfull(constraints object, pick map[string]*option) int {
	takes := map[string]map[load]float64{}
	limits := map[load]float64{}
	for _, c := range constraints {
		c := c.(object)
		p := c["properties"].(object)
		for _, d := range namesOf(c["demands"]) {
			if takes[d] == nil {
				takes[d] = map[load]float64{}
			}
			for _, x := range o.options[d] {
				for key, amount := range o.wants(c["type"].(string), p, d, x, limits) {
					if x == pick[d] {
						takes[d][key] = max(takes[d][key], amount)
					}
				}
			}
		}
	}
	sums := map[load]float64{}
	for _, t := range takes {
		for key, amount := range t {
			sums[key] += amount
		}
	}
	count := 0
	for key, sum := range sums {
		if sum > limits[key]+1e-9 {
			count++
		}
	}
	return count
}

func (o *oracle) wants(kind string, p object, d string, x *option, limits map[load]float64) map[load]float64 {
	w := map[load]float64{}
	lower := func(key load, limit float64) {
		if old, ok := limits[key]; !ok || limit < old {
			limits[key] = limit
		}
	}
	if kind == "vim_fit" {
		if x.kind != "cloud" && x.kind != "infrastructure_element" || p["controller"] != "multicloud" {
			return nil
		}
		free, listed := o.inventory["vim_capacity"].(object)[x.fields["vim-id"].(string)].(object)
		for resource, n := range vimRequest(p) {
			if listed && n > 0 {
				key := load{x.fields["vim-id"].(string), resource}
				w[key] = n
				lower(key, free[resource].(float64))
			}
		}
		return w
	}
	away := *x
	away.here = false
	if limit, known := o.limit(p, x); known && o.load(p, d, &away) > 0 {
		key := load{o.placeOf(p, x), "cpu"}
		w[key] = o.load(p, d, x)
		lower(key, limit)
	}
	return w
}
