package homing

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTakes(t *testing.T) {
	t.Parallel()
	tmpl, errs := Parse([]byte(`
homing_template_version: "2018-02-01"
demands:
  a: [{inventory_provider: aai, inventory_type: cloud}]
  b: [{inventory_provider: aai, inventory_type: cloud}]
  c: [{inventory_provider: aai, inventory_type: cloud, existing_placement: {candidate_id: c1}}]
  d: [{inventory_provider: aai, inventory_type: cloud, existing_placement: {candidate_id: c1, use: {cpu: 2}}}]
constraints:
  one: {type: capacity, demands: [a, b, c], properties: {request: {cpu: 3}, limits: {cpu: free}}}
  two: {type: capacity, demands: [a, d], properties: {request: {a: {cpu: 1, ram: 5}, d: {cpu: 6}}, limits: {cpu: free, ram: memory}}}
  far: {type: zone, demands: [a, b], properties: {qualifier: different, category: region}}
`), nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, c := range []struct {
		on   map[string]string
		want map[string]map[string]float64
	}{
		{map[string]string{"a": "c1", "b": "c2", "c": "c1", "d": "c1"}, map[string]map[string]float64{"c1": {"cpu": 3 + 4, "ram": 5}, "c2": {"cpu": 3}}},
		{map[string]string{"a": "c2", "b": "c2", "c": "c3", "d": "c3"}, map[string]map[string]float64{"c2": {"cpu": 6, "ram": 5}, "c3": {"cpu": 9}}},
	} {
		if diff := cmp.Diff(c.want, tmpl.Takes(Recommendation{Assignment: c.on})); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.on, diff)
		}
	}
}
