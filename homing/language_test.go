package homing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExpressions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text     any
		of       dimension
		in, out  float64
		rejected bool
	}{
		{"< 500 km", distance, 499.9, 500, false},
		{"<500 km", distance, 499.9, 500, false},
		{"<\u00a0500\u00a0km", distance, 499.9, 500, false},
		{"<= 310.7 mi", distance, 500.02, 500.03, false},
		{"500", distance, 500.0004, 501, false},
		{float64(500), distance, 500, 499, false},
		{int64(0), distance, 0, 1, false},
		{"0-20 km", distance, 0, 20.1, false},
		{"20 - 10km", distance, 15, 9.9, false},
		{"= 10-20", distance, 20, 21, false},
		{"< 1e3 km", distance, 999, 1000, false},
		{"> 2 sec", duration, 2001, 2000, false},
		{">= 1 Gbps", throughput, 1000, 999, false},
		{">= 1500 Kbps", throughput, 1.5, 1.4, false},
		{"< 0 km", distance, -1, 0, false},
		{"< 5 ms", distance, 0, 0, true}, {"about 5", distance, 0, 0, true}, {"< 5 km far", distance, 0, 0, true}, {"5 < km", distance, 0, 0, true},
		{"< 10-20 km", distance, 0, 0, true}, {"5 6 km", distance, 0, 0, true}, {"", distance, 0, 0, true}, {"< km", distance, 0, 0, true},
		{true, distance, 0, 0, true}, {"5 KM", distance, 0, 0, true}, {-5.0, distance, 0, 0, true},
	}
	for _, test := range tests {
		e, ok := (&parser{}).parseExpression(test.text, test.of)
		if ok == test.rejected {
			t.Errorf("%v: accepted %v", test.text, ok)
		} else if ok && (!e.holds(test.in) || e.holds(test.out)) {
			t.Errorf("%v: holds for %v: %v, for %v: %v", test.text, test.in, e.holds(test.in), test.out, e.holds(test.out))
		}
	}
}

func TestGreatCircle(t *testing.T) {
	t.Parallel()
	for _, test := range [][5]float64{
		{32.897480, -97.040443, 40.7128, -74.0060, 2218.763}, {45, 10, 45.5, 10, 55.597}, {1, 2, 1, 2, 0}, {0, 0, 0, 180, math.Pi * 6371}, {0, 179.5, 0, -179.5, 111.195},
	} {
		if got := greatCircle(test[0], test[1], test[2], test[3]); math.Abs(got-test[4]) > 5e-4 {
			t.Errorf("%v: got %v", test, got)
		}
	}
}

func TestAreas(t *testing.T) {
	t.Parallel()
	var area any
	if err := json.Unmarshal([]byte(`{"type":"MultiPolygon","coordinates":[
	 [[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]],
	 [[[179,-1],[-179,-1],[-179,1],[179,1],[179,-1]]]]}`), &area); err != nil {
		t.Fatal(err)
	}
	b := &withinArea{readArea(area)}
	for point, want := range map[[2]float64]bool{
		{1, 1}: true, {0, 0}: true, {10, 5}: true, {5, 5}: false, {4, 5}: true, {11, 5}: false, {0, 180}: true, {0, -179.5}: true, {0, 178}: false, {0, 20}: false,
	} {
		it := &item{c: &Candidate{}, placed: true, lat: point[0], lon: point[1]}
		if got := b.holds(nil, nil, &draw{items: []*item{it}})[0]; got != want {
			t.Errorf("%v: got %v, want %v", point, got, want)
		}
	}
	for _, bad := range []string{`{}`, `{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0]]]}`, `{"type":"Polygon","coordinates":[[["x",0],[1,1],[2,2],[0,0]]]}`, `"x"`, `3`} {
		var v any
		if err := json.Unmarshal([]byte(bad), &v); err != nil {
			t.Fatal(err)
		}
		if readArea(v) != nil {
			t.Errorf("%s was taken for an area", bad)
		}
	}
}

// answer solves a template on an inventory, both as text.
func answer(t *testing.T, template, inventory string, o Options) Result {
	t.Helper()
	tpl, errs := Parse([]byte(template), nil, nil)
	if errs != nil {
		t.Fatal(errs)
	}
	inv, errs := ParseInventory([]byte(inventory))
	if errs != nil {
		t.Fatal(errs)
	}
	return Solve(context.Background(), tpl, inv, o)
}

// clouds is an inventory of clouds with the given fields, and what follows.
func clouds3(fields ...string) string {
	var list []string
	for i, f := range fields {
		list = append(list, fmt.Sprintf(`{"candidate_id":"c%d","inventory_type":"cloud","location_id":"r%d",%s}`, i+1, i+1, f))
	}
	return `{"candidates":[` + strings.Join(list, ",") + `]`
}

const twoClouds = `homing_template_version: %s
demands:
  a: [{inventory_provider: aai, inventory_type: cloud}]
  b: [{inventory_provider: aai, inventory_type: cloud}]
`

// TestWorkedObjective is the specification's example of a generic objective.
func TestWorkedObjective(t *testing.T) {
	t.Parallel()
	got := answer(t, `homing_template_version: 2020-08-13
demands:
  core: [{inventory_provider: aai, inventory_type: nssi, required_candidates: core}]
  ran: [{inventory_provider: aai, inventory_type: nssi, required_candidates: ran}]
optimization:
  goal: maximize
  operation_function:
    operator: sum
    operands:
    - operation_function: {operator: min, operands: [{function: attribute, params: {demand: core, attribute: tp}}, {function: attribute, params: {demand: ran, attribute: tp}}]}
      normalization: {start: 100, end: 1000}
      weight: 2
    - {function: sum_over, params: {demands: [core, ran], attribute: latency}, normalization: {start: 50, end: 5}}
`, `{"candidates":[{"candidate_id":"core","inventory_type":"nssi","tp":400,"latency":"10"},{"candidate_id":"ran","inventory_type":"nssi","tp":200,"latency":13}]}`, Options{})
	if want := 2.0*100/900 + 0.6; math.Abs(*got.Objective-want) > 1e-9 {
		t.Errorf("objective %v, want %v", *got.Objective, want)
	}
	if sum := got.Recommendations[0].Terms[0].Contribution + got.Recommendations[0].Terms[1].Contribution; math.Abs(sum-*got.Objective) > 1e-12 {
		t.Errorf("terms add up to %v", sum)
	}
}

// TestCapacityAddsUp puts two demands that each fit on places that hold one.
func TestCapacityAddsUp(t *testing.T) {
	t.Parallel()
	template := fmt.Sprintf(twoClouds, "2018-02-01") + `constraints: {%s}`
	own := `fit_%s: {type: capacity, demands: [%s], properties: {request: {cpu: 3}, limits: {cpu: free}}}`
	joint := `fit: {type: capacity, demands: [a, b], properties: {request: {cpu: 3}, limits: {cpu: free}}}`
	apart := fmt.Sprintf(own, "a", "a") + ", " + fmt.Sprintf(own, "b", "b")
	for name, test := range map[string]struct{ constraints, inventory, want string }{
		"one place holds one":         {joint, clouds3(`"free":4`) + `}`, "fit"},
		"two constraints on one pot":  {apart, clouds3(`"free":4`) + `}`, "fit_a fit_b"},
		"two places":                  {joint, clouds3(`"free":4`, `"free":3`) + `}`, ""},
		"promised to others":          {joint, clouds3(`"free":4`, `"free":4`) + `,"capacity_in_use":{"c2":{"cpu":2}}}`, "fit"},
		"exactly full":                {joint, clouds3(`"free":6`) + `}`, ""},
		"utilisation":                 {strings.Replace(joint, "limits", "max_utilisation: {cpu: 0.9}, limits", 1), clouds3(`"free":6`) + `}`, "fit"},
		"unknown figure":              {joint, clouds3(`"free":-1`) + `}`, "fit"},
		"on one VIM":                  {strings.Replace(joint, "request", "of: vim, request", 1), clouds3(`"free":4,"vim-id":"v"`, `"free":4,"vim-id":"v"`) + `}`, "fit"},
		"vim_fit adds up":             {"fit: {type: vim_fit, demands: [a, b], properties: {controller: multicloud, request: {vCPU: 3}}}", clouds3(`"vim-id":"v"`) + `,"vim_capacity":{"v":{"vCPU":5}}}`, "fit"},
		"vim_fit with room":           {"fit: {type: vim_fit, demands: [a, b], properties: {controller: multicloud, request: {vCPU: 3, Memory: {quantity: 512, unit: MB}}}}", clouds3(`"vim-id":"v"`) + `,"vim_capacity":{"v":{"vCPU":6,"Memory":1}}}`, ""},
		"vim_fit without any answer":  {"fit: {type: vim_fit, demands: [a, b], properties: {controller: multicloud, request: {vCPU: 3}}}", clouds3(`"vim-id":"v"`) + `}`, "fit"},
		"max_per_zone":                {"fit: {type: max_per_zone, demands: [a, b], properties: {category: element, max: 1}}", clouds3(`"x":1`) + `}`, "fit"},
		"time zone, unknown to both":  {"fit: {type: zone, demands: [a, b], properties: {category: time, qualifier: different}}", clouds3(`"x":1`, `"x":1`) + `}`, "fit"},
		"a distance that nothing has": {"fit: {type: distance_between_demands, demands: [a, b], properties: {distance: '> 5'}}", clouds3(`"latitude":1`, `"x":1`) + `}`, "fit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := answer(t, fmt.Sprintf(template, test.constraints), test.inventory, Options{})
			if conflict := strings.Join(got.Conflict, " "); conflict != test.want || (got.Status == StatusDone) != (test.want == "") {
				t.Errorf("got %s, conflict %q, want %q; notes %q", got.Status, conflict, test.want, got.Notes)
			}
		})
	}
}

// TestNumberOfSolutions compares the k best with disjoint ones.
func TestNumberOfSolutions(t *testing.T) {
	t.Parallel()
	inventory := clouds3(`"cost":1`, `"cost":2`, `"cost":4`) + `}`
	list := func(unique string, o Options) string {
		template := strings.ReplaceAll(fmt.Sprintf(twoClouds, "2018-02-01"), "cloud}", "cloud, unique: '"+unique+"'}")
		var lines []string
		for _, r := range answer(t, template, inventory, o).Recommendations {
			lines = append(lines, r.Assignment["a"]+r.Assignment["b"])
		}
		return strings.Join(lines, " ")
	}
	for got, want := range map[string]string{
		list("true", Options{Solutions: 4}):                             "c1c1 c1c2 c2c1 c2c2",
		list("true", Options{Solutions: 5, Disjoint: true}):             "c1c1 c2c2 c3c3",
		list("false", Options{Solutions: 3, Disjoint: true}):            "c1c1 c1c2 c2c1",
		list("true", Options{Solutions: AllSolutions}):                  "c1c1 c1c2 c2c1 c2c2 c1c3 c3c1 c2c3 c3c2 c3c3",
		list("false", Options{Solutions: AllSolutions, Disjoint: true}): "c1c1 c1c2 c2c1 c2c2 c1c3 c3c1 c2c3 c3c2 c3c3",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestRunnerUp wants to be told why the second best is not the best.
func TestRunnerUp(t *testing.T) {
	t.Parallel()
	got := answer(t, `homing_template_version: 2018-02-01
locations: {plant: {latitude: 45, longitude: 10}}
demands: {a: [{inventory_provider: aai, inventory_type: cloud}]}
optimization: {minimize: {sum: [{product: [2, {distance_between: [plant, a]}]}]}}`,
		clouds3(`"latitude":45,"longitude":10,"cost":1`, `"latitude":45.5,"longitude":10,"cost":1`)+`}`, Options{RunnerUp: true})
	if got.RunnerUp == nil || got.RunnerUp.Assignment["a"] != "c2" {
		t.Fatalf("got %+v", got.RunnerUp)
	}
	text := Explain(got)
	for _, want := range []string{"objective 2, proved to be the best", "a on c1", "its objective is 113.195, 111.195 worse", "distance_between", "a on c2 instead of c1"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

// TestTimeLimit stops a search before it can begin.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	tpl, errs := Parse([]byte(fmt.Sprintf(twoClouds, "2018-02-01")), nil, nil)
	inv, more := ParseInventory([]byte(clouds3(`"cost":1`) + `}`))
	if errs != nil || more != nil {
		t.Fatal(errs, more)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	clock := time.Unix(0, 0)
	got := Solve(ctx, tpl, inv, Options{Now: func() time.Time { clock = clock.Add(time.Second); return clock }})
	if got.Status == StatusNotFound || got.ElapsedMillis != 1000 {
		t.Errorf("got %s after %v ms", got.Status, got.ElapsedMillis)
	}
	data, err := json.Marshal(got)
	if err != nil || !strings.Contains(string(data), `"elapsed_ms":1000`) {
		t.Errorf("%s %v", data, err)
	}
}

// TestResultKeys wants the JSON object whole in every case.
func TestResultKeys(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Result{
		"rejected":  Rejected([]*PathError{{"a", "b"}}),
		"done":      answer(t, fmt.Sprintf(twoClouds, "2018-02-01"), clouds3(`"cost":1`)+`}`, Options{}),
		"not found": answer(t, fmt.Sprintf(twoClouds, "2018-02-01")+"constraints: {z: {type: zone, demands: [a, b], properties: {qualifier: different, category: region}}}", clouds3(`"cost":1`)+`}`, Options{}),
	} {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"status", "objective", "bound", "gap", "recommendations", "removed", "conflict", "errors", "elapsed_ms"} {
			if _, ok := m[key]; !ok {
				t.Errorf("%s: no %s in %s", name, key, data)
			}
		}
	}
}

// keeper reserves all but what is named.
type keeper struct {
	refuse string
	log    []string
}

func (k *keeper) Reserve(_ context.Context, r Reservation, candidate string) error {
	k.log = append(k.log, "+"+r.Name+"="+candidate)
	if candidate == k.refuse {
		return errors.New("full")
	}
	return nil
}

func (k *keeper) Release(_ context.Context, r Reservation, candidate string) error {
	k.log = append(k.log, "-"+r.Name+"="+candidate)
	return nil
}

// TestReserve takes the next recommendation when the first cannot be reserved.
func TestReserve(t *testing.T) {
	t.Parallel()
	const inner = "{r: {type: instance_reservation, demands: [a, b], properties: {controller: SDN-C, request: {bw: 1}}}}"
	for _, section := range []string{"reservations: " + inner, "reservation: {service_model: DHV, service_candidates: " + inner + "}"} {
		template := fmt.Sprintf(twoClouds, "2018-02-01") + section
		tpl, errs := Parse([]byte(template), nil, nil)
		if errs != nil {
			t.Fatal(errs)
		}
		recs := answer(t, template, clouds3(`"cost":1`, `"cost":2`)+`}`, Options{Solutions: 4}).Recommendations
		k := &keeper{refuse: "c2"}
		slices.Reverse(recs)
		at, err := Reserve(context.Background(), tpl, recs, k)
		if at != 3 || err != nil {
			t.Errorf("got %d, %v", at, err)
		}
		want := "+r_a=c2 +r_a=c2 +r_a=c1 +r_b=c2 -r_a=c1 +r_a=c1 +r_b=c1"
		if got := strings.Join(k.log, " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if _, err := Reserve(context.Background(), tpl, recs[:1], k); err == nil || !strings.Contains(err.Error(), "recommendation 1: reserve r_a: full") {
			t.Errorf("got %v", err)
		}
	}
}
