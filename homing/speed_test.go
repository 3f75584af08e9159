package homing_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/homing"
)

// large makes the problems of the speed table; one seed always makes the same.
type large struct {
	*rand.Rand
	template, inventory object
}

func newLarge(seed uint64, version string) *large {
	return &large{
		rand.New(rand.NewPCG(seed, 4)),
		object{"homing_template_version": version, "locations": object{"plant": object{"latitude": 45, "longitude": 10}, "depot": object{"latitude": 47, "longitude": 8}}},
		object{},
	}
}

// sites makes n cloud regions over Europe in so many complexes.
func (l *large) sites(n, complexes int) {
	var list []any
	for i := range n {
		site := l.IntN(complexes)
		list = append(list, object{
			"candidate_id": fmt.Sprintf("region-%05d", i), "inventory_type": "cloud", "inventory_provider": "aai", "cost": float64(l.IntN(40)),
			"location_id": fmt.Sprintf("r%d", i), "complex_name": fmt.Sprintf("site-%d", site), "country": []string{"ITA", "FRA", "DEU", "ESP"}[site%4],
			"latitude": 42 + 8*l.Float64(), "longitude": 4 + 14*l.Float64(),
		})
	}
	l.inventory["candidates"] = list
}

// wish declares n demands for clouds and returns their names.
func (l *large) wish(n int) []any {
	demands, names := object{}, []any{}
	for i := range n {
		name := fmt.Sprintf("vnf-%02d", i)
		names = append(names, name)
		demands[name] = []any{object{"inventory_provider": "aai", "inventory_type": "cloud"}}
	}
	l.template["demands"] = demands
	return names
}

// nearPlant minimises the distances of all demands to one of two places.
func (l *large) nearPlant(names []any) {
	var terms []any
	for i, n := range names {
		terms = append(terms, object{"product": []any{1 + i%3, object{"distance_between": []any{[]string{"plant", "depot"}[i%2], n}}}})
	}
	l.template["optimization"] = object{"minimize": object{"sum": terms}}
}

// distanceZone is the mixed problem of distances and zones.
func distanceZone(seed uint64, demands, candidates int) *large {
	l := newLarge(seed, "2018-02-01")
	l.sites(candidates, candidates/10)
	names := l.wish(demands)
	l.nearPlant(names)
	l.template["constraints"] = object{
		"near":   object{"type": "distance_to_location", "demands": names, "properties": object{"distance": "< 500 km", "location": "plant"}},
		"apart":  object{"type": "zone", "demands": names, "properties": object{"qualifier": "different", "category": "complex"}},
		"close":  object{"type": "distance_between_demands", "demands": names[:2], "properties": object{"distance": "< 60 km"}},
		"nation": object{"type": "zone", "demands": names[1:3], "properties": object{"qualifier": "same", "category": "country"}},
	}
	return l
}

// impossible cannot be satisfied: each two constraints go together, all three not.
func impossible(seed uint64, candidates int) *large {
	l := newLarge(seed, "2018-02-01")
	l.sites(candidates, candidates/10)
	names := l.wish(3)
	l.nearPlant(names)
	l.template["constraints"] = object{
		"a-b": object{"type": "distance_between_demands", "demands": names[:2], "properties": object{"distance": "< 40 km"}},
		"b-c": object{"type": "distance_between_demands", "demands": names[1:3], "properties": object{"distance": "< 40 km"}},
		"a-c": object{"type": "distance_between_demands", "demands": []any{names[0], names[2]}, "properties": object{"distance": "> 100 km"}},
	}
	return l
}

// crowded wants more different zones than there are.
func crowded(seed uint64, candidates int) *large {
	l := newLarge(seed, "2018-02-01")
	l.sites(candidates, 9)
	names := l.wish(10)
	l.nearPlant(names)
	l.template["constraints"] = object{"apart": object{"type": "zone", "demands": names, "properties": object{"qualifier": "different", "category": "complex"}}}
	return l
}

// service is one service of many components on the elements of several domains:
// capacity, groups of replicas kept apart, as much green energy as possible.
func service(seed uint64, components, elements int) *large {
	l := newLarge(seed, "2020-08-13")
	var list []any
	for i := range elements {
		cores := []float64{4, 8, 16, 32}[l.IntN(4)]
		list = append(list, object{
			"candidate_id": fmt.Sprintf("urn:ngsi-ld:InfrastructureElement:D%d:%05d", i%12, i), "inventory_type": "infrastructure_element", "inventory_provider": "aerios",
			"location_id": fmt.Sprintf("urn:ngsi-ld:Domain:D%d", i%12), "greenEnergyRatio": float64(l.IntN(101)) / 100, "cpuCores": cores,
			"freeCpu": cores * (0.1 + 0.5*l.Float64()), "freeRam": float64(1024 * (1 + l.IntN(16))), "energyEfficiencyRatio": l.Float64(),
		})
	}
	l.inventory["candidates"] = list
	demands, names, requests, operands := object{}, []any{}, object{}, []any{}
	for i := range components {
		name := fmt.Sprintf("component-%02d", i)
		names = append(names, name)
		demands[name] = []any{object{"inventory_provider": "aerios", "inventory_type": "infrastructure_element"}}
		requests[name] = object{"cpu": 0.5 + 0.25*float64(l.IntN(8)), "ram": float64(512 * (1 + l.IntN(6)))}
		operands = append(operands, object{"function": "attribute", "params": object{"demand": name, "attribute": "greenEnergyRatio"}, "weight": 1 + float64(l.IntN(3))})
	}
	constraints := object{"fit": object{"type": "capacity", "demands": names, "properties": object{"request": requests, "limits": object{"cpu": "freeCpu", "ram": "freeRam"}}}}
	for i := 0; i+5 <= components; i += 5 {
		category := []string{"element", "region"}[i/5%2]
		constraints[fmt.Sprintf("apart-%02d", i)] = object{"type": "zone", "demands": names[i : i+5], "properties": object{"qualifier": "different", "category": category}}
	}
	l.template["demands"], l.template["constraints"] = demands, constraints
	l.template["optimization"] = object{"goal": "maximize", "operation_function": object{"operator": "sum", "operands": operands}}
	return l
}

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func (l *large) parse(tb testing.TB) (*homing.Template, *homing.Inventory) {
	tb.Helper()
	template, errs := homing.Parse(encode(tb, l.template), nil, nil)
	if errs != nil {
		tb.Fatal(errs)
	}
	inventory, errs := homing.ParseInventory(encode(tb, l.inventory))
	if errs != nil {
		tb.Fatal(errs)
	}
	return template, inventory
}

// measure solves problems of several seeds; the figures are for one each.
func measure(b *testing.B, limit time.Duration, status string, problem func(seed uint64) *large) {
	gap, worst := 0.0, 0.0
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		template, inventory := problem(uint64(i%5 + 1)).parse(b)
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		b.StartTimer()
		r := homing.Solve(ctx, template, inventory, homing.Options{Now: time.Now})
		cancel()
		if r.Status != status {
			b.Fatalf("seed %d: %s %v", i%5+1, r.Status, r.Errors)
		}
		if worst = max(worst, r.ElapsedMillis); r.Gap != nil {
			gap = max(gap, *r.Gap)
		}
	}
	b.ReportMetric(worst, "worst-ms")
	b.ReportMetric(100*gap, "gap-%")
}

func BenchmarkDistanceZone3x2000(b *testing.B) {
	measure(b, 5*time.Second, homing.StatusDone, func(seed uint64) *large { return distanceZone(seed, 3, 2000) })
}

func BenchmarkDistanceZone8x500(b *testing.B) {
	measure(b, 5*time.Second, homing.StatusDone, func(seed uint64) *large { return distanceZone(seed, 8, 500) })
}

func BenchmarkImpossible2000(b *testing.B) {
	measure(b, 5*time.Second, homing.StatusNotFound, func(seed uint64) *large { return impossible(seed, 2000) })
}

func BenchmarkCrowded2000(b *testing.B) {
	measure(b, 5*time.Second, homing.StatusNotFound, func(seed uint64) *large { return crowded(seed, 2000) })
}

func BenchmarkService50x1000(b *testing.B) {
	measure(b, 5*time.Second, homing.StatusDone, func(seed uint64) *large { return service(seed, 50, 1000) })
}

// BenchmarkFilter shows that validating and filtering grow with the candidates
// only: what one candidate costs stays the same.
func BenchmarkFilter(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := distanceZone(1, 3, n)
			l.template["constraints"] = object{"near": l.template["constraints"].(object)["near"]}
			template, inventory := encode(b, l.template), encode(b, l.inventory)
			var validating, filtering, worst time.Duration
			for b.Loop() {
				start := time.Now()
				t, errs := homing.Parse(template, nil, nil)
				inv, wrong := homing.ParseInventory(inventory)
				valid := time.Now()
				if len(errs)+len(wrong) > 0 {
					b.Fatal(errs, wrong)
				}
				if r := homing.Solve(context.Background(), t, inv, homing.Options{}); r.Status != homing.StatusDone {
					b.Fatal(r.Status)
				}
				validating += valid.Sub(start)
				filtering += time.Since(valid)
				worst = max(worst, time.Since(start))
			}
			each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n*b.N) }
			b.ReportMetric(each(validating), "validate-us/candidate")
			b.ReportMetric(each(filtering), "filter-us/candidate")
			b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
		})
	}
}

// BenchmarkEnumeration is the yardstick of the machine: the oracle looks at every
// assignment of a problem of 3 demands and 30 candidates.
func BenchmarkEnumeration(b *testing.B) {
	l := distanceZone(1, 3, 30)
	l.sites(30, 12)
	delete(l.template["constraints"].(object), "close")
	data, err := json.Marshal(object{"template": l.template, "inventory": l.inventory})
	if err != nil {
		b.Fatal(err)
	}
	var again struct{ Template, Inventory object }
	if err := json.Unmarshal(data, &again); err != nil {
		b.Fatal(err)
	}
	for _, c := range again.Inventory["candidates"].([]any) {
		c.(object)["inventory_attributes"] = object{}
	}
	worst := time.Duration(0)
	for b.Loop() {
		start := time.Now()
		if v := newOracle(problem{again.Template, again.Inventory}).solve([]string{"near", "apart", "nation"}); len(v.all) == 0 {
			b.Fatal("nothing feasible")
		}
		worst = max(worst, time.Since(start))
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
}
