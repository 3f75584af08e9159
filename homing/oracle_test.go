package homing_test

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// oracle solves a problem by looking at every assignment. It reads the template
// and the inventory as they are written and shares nothing with the engine.
type oracle struct {
	template, inventory object
	demands             []string
	options             map[string][]*option
}

// option is a candidate as one demand has it.
type option struct {
	id, kind string
	fields   object
	cost     float64
	here     bool // the demand is there now
}

// verdict is what the oracle found.
type verdict struct {
	noCandidates bool
	all          []answer // every feasible assignment, best first
}

type answer struct {
	ids   []string // in order of the demands
	value float64
	rank  float64 // lesser is better between equals
}

func newOracle(p problem) *oracle {
	o := &oracle{template: p.template, inventory: p.inventory, options: map[string][]*option{}}
	for name, list := range p.template["demands"].(object) {
		o.demands = append(o.demands, name)
		o.options[name] = o.draw(list.([]any))
	}
	sort.Strings(o.demands)
	return o
}

func (o *oracle) draw(list []any) []*option {
	taken := map[string]*option{}
	var here string
	for _, item := range list {
		r := item.(object)
		if e, ok := r["existing_placement"].(object); ok {
			here = e["candidate_id"].(string)
		}
		for _, c := range o.inventory["candidates"].([]any) {
			c := c.(object)
			id := c["candidate_id"].(string)
			if c["inventory_type"] != r["inventory_type"] || taken[id] != nil || !filtered(r, c) {
				continue
			}
			if ids, ok := r["required_candidates"].([]any); ok && !slices.Contains(ids, any(id)) {
				continue
			}
			if region, ok := r["region"]; ok && c["location_id"] != region {
				continue
			}
			if list, ok := r["excluded_candidates"].([]any); ok && slices.Contains(list[0].(object)["candidate_id"].([]any), any(id)) {
				continue
			}
			taken[id] = &option{id: id, kind: c["inventory_type"].(string), fields: c, cost: costOf(r, c)}
		}
	}
	var options []*option
	for _, x := range taken {
		if x.id == here {
			x.here, x.cost = true, -8000
		}
		options = append(options, x)
	}
	return options
}

func costOf(r, c object) float64 {
	if v, ok := num(c["cost"]); ok {
		return v
	}
	if v, ok := num(r["default_cost"]); ok {
		return v
	}
	return map[string]float64{"cloud": 2, "service": 1, "nssi": 1}[c["inventory_type"].(string)]
}

func filtered(r, c object) bool {
	filters, _ := r["filtering_attributes"].(object)
	attributes := c["inventory_attributes"].(object)
	for key, f := range filters {
		have, ok := attributes[key].(string)
		m, isMap := f.(object)
		if !isMap {
			m = object{"any": f}
		}
		if wanted, asks := m["any"]; asks {
			if !ok {
				return false
			}
			list, isList := wanted.([]any)
			if !isList {
				list = []any{wanted}
			}
			if have != "" && !slices.Contains(list, any(have)) {
				return false
			}
		}
		if bad, asks := m["not"]; asks && have != "" && slices.Contains(bad.([]any), any(have)) {
			return false
		}
	}
	return true
}

func num(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}

// solve enumerates; only the named constraints count, nil meaning all of them and
// the objective.
func (o *oracle) solve(only []string) verdict {
	var v verdict
	for _, d := range o.demands {
		v.noCandidates = v.noCandidates || len(o.options[d]) == 0
	}
	if v.noCandidates {
		return v
	}
	pick := map[string]*option{}
	var choose func(k int)
	choose = func(k int) {
		if k == len(o.demands) {
			if a, ok := o.judge(pick, only); ok {
				v.all = append(v.all, a)
			}
			return
		}
		for _, x := range o.options[o.demands[k]] {
			pick[o.demands[k]] = x
			choose(k + 1)
		}
	}
	choose(0)
	sign := 1.0
	if opt, ok := o.template["optimization"].(object); ok && opt["goal"] == "maximize" {
		sign = -1
	}
	sort.Slice(v.all, func(i, j int) bool { return sign*v.all[i].value < sign*v.all[j].value })
	return v
}

func (o *oracle) judge(pick map[string]*option, only []string) (answer, bool) {
	var a answer
	for _, d := range o.demands {
		a.ids = append(a.ids, pick[d].id)
	}
	constraints, _ := o.template["constraints"].(object)
	counts := func(name string) bool { return only == nil || slices.Contains(only, name) }
	var penalty float64
	hard := object{}
	for name, c := range constraints {
		c := c.(object)
		if !counts(name) {
			continue
		}
		price, soft := num(c["penalty"])
		broken := o.broken(c, pick, soft)
		if soft {
			penalty += price * float64(broken)
		} else if hard[name] = c; broken > 0 {
			return a, false
		}
	}
	if !o.shared(hard, pick) {
		return a, false
	}
	if !counts("optimization") {
		return a, true
	}
	ok := true
	a.value, a.rank, ok = o.objective(pick)
	if opt, is := o.template["optimization"].(object); is && opt["goal"] == "maximize" {
		penalty = -penalty
	}
	a.value += penalty
	return a, ok
}

// point is a place in degrees.
type point struct{ lat, lon float64 }

func (x *option) point() (point, bool) {
	lat, ok := num(x.fields["latitude"])
	lon, also := num(x.fields["longitude"])
	return point{lat, lon}, ok && also
}

// kilometres measures by the angle between the two points as vectors.
func kilometres(p, q point) float64 {
	if p == q {
		return 0
	}
	a, b := p.lat*math.Pi/180, q.lat*math.Pi/180
	d := (q.lon - p.lon) * math.Pi / 180
	y := math.Hypot(math.Cos(b)*math.Sin(d), math.Cos(a)*math.Sin(b)-math.Sin(a)*math.Cos(b)*math.Cos(d))
	x := math.Sin(a)*math.Sin(b) + math.Cos(a)*math.Cos(b)*math.Cos(d)
	return 6371 * math.Atan2(y, x)
}

func (o *oracle) locate(name string) (point, string) {
	if name == "depot" {
		h := o.inventory["hosts"].(object)["h1"].(object)
		return point{h["latitude"].(float64), h["longitude"].(float64)}, h["country"].(string)
	}
	return point{45, 10}, ""
}

// satisfied reads "< 5 km", "1-2 mi", ">=100000Kbps" and numbers.
func satisfied(expr any, v float64) bool {
	text := strings.ReplaceAll(expr.(string), " ", "")
	factor := 1.0
	for unit, f := range map[string]float64{"km": 1, "mi": 1.609344, "ms": 1, "Mbps": 1, "Gbps": 1000, "Kbps": 0.001} {
		if rest, ok := strings.CutSuffix(text, unit); ok {
			text, factor = rest, f
			break
		}
	}
	if low, top, ok := strings.Cut(text, "-"); ok {
		a, _ := num(low)
		b, _ := num(top)
		return v >= a*factor && v <= b*factor
	}
	digits := strings.TrimLeft(text, "<>=")
	n, _ := num(digits)
	n *= factor
	switch strings.TrimSuffix(text, digits) {
	case "<":
		return v < n
	case ">":
		return v > n
	case "<=":
		return v <= n
	case ">=":
		return v >= n
	}
	return math.Abs(v-n) < 1e-6
}
