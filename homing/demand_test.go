package homing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drawn lists what one demand with the given requirement may be placed on.
func drawn(t *testing.T, requirement, inventory string) []string {
	t.Helper()
	r := answer(t, "homing_template_version: 2018-02-01\ndemands: {a: ["+requirement+"]}", inventory, Options{Solutions: AllSolutions})
	var ids []string
	for _, rec := range r.Recommendations {
		ids = append(ids, rec.Assignment["a"])
	}
	for _, err := range r.Errors {
		ids = append(ids, err.Path)
	}
	slices.Sort(ids)
	return ids
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	const inventory = `{"candidates":[
	 {"candidate_id":"c1","inventory_type":"cloud","inventory_provider":"aai","location_id":"r1","physical_location_id":"S1","cloud_owner":"acme","complex_name":"x"},
	 {"candidate_id":"c2","inventory_type":"cloud","location_id":"r2","inventory_attributes":{"cloud-type":"open","status":""}},
	 {"candidate_id":"s1","inventory_type":"service","inventory_attributes":{"customer-id":"acme","status":"Act","service-type":"vpn"}},
	 {"candidate_id":"s2","inventory_type":"service","inventory_attributes":{"customer-id":"acme","status":"Activated","level":3}}]}`
	const cloud = "inventory_provider: aai, inventory_type: cloud"
	const service = "inventory_provider: aai, inventory_type: service, filtering_attributes: "
	for requirement, want := range map[string]string{
		"{" + cloud + "}":              "c1 c2",
		"{" + cloud + ", region: r2}":  "c2",
		"{" + cloud + ", complex: S1}": "c1",
		"{" + cloud + ", region: r9}":  "demands.a",
		"{" + cloud + ", filtering_attributes: {cloud-owner: [acme, other]}}":                         "c1",
		"{" + cloud + ", filtering_attributes: {status: {any: [on]}}}":                                "c2",
		"{" + cloud + ", filtering_attributes: {cloud-owner: {not: [acme]}}}":                         "c2",
		"{" + cloud + ", required_candidates: [{inventory_type: cloud, candidate_id: [c1]}]}":         "c1",
		"{" + cloud + ", required_candidates: [{inventory_type: service, candidate_id: [c1]}]}":       "demands.a",
		"{" + cloud + ", excluded_candidates: [c1]}":                                                  "c2",
		"{" + service + "{customer-id: acme, status: Activated}}":                                     "s2",
		"{" + service + "{customer-id: acme, level: '3'}}":                                            "s2",
		"{" + service + "{customer-id: acme, service-type: other}}":                                   "s1 s2",
		"{inventory_provider: aai, inventory_type: service, customer_id: acme, service_type: vpn}":    "s1 s2",
		"{inventory_provider: aai, inventory_type: service, customer_id: nobody, service_type: vpn}":  "demands.a",
		"{inventory_provider: sdc, inventory_type: cloud}":                                            "c2",
		"{" + cloud + "}, {" + service + "{customer-id: acme, status: Act}}":                          "c1 c2 s1",
		"{candidates: [{candidate_id: new, cost: 3}, {candidate_id: c1}]}":                            "c1 new",
		"{" + cloud + ", candidates: [{candidate_id: c1}], required_candidates: [{candidate_id: x}]}": "demands.a",
	} {
		if got := strings.Join(drawn(t, requirement, inventory), " "); got != want {
			t.Errorf("%s: got %q, want %q", requirement, got, want)
		}
	}
}

// TestSliceProfiles makes up the profiles that meet a service's.
func TestSliceProfiles(t *testing.T) {
	t.Parallel()
	requirement := `{inventory_provider: generator, inventory_type: slice_profiles, default_attributes: {creation-cost: 0.9}, filtering_attributes: {
	 service_profile: {latency: {value: 20, operator: lte}, reliability: {value: 99.9, operator: gte}, area: {value: A, operator: eq}},
	 subnets: {core: {latency: {min: 8, max: 11, steps: 1}, reliability: {values: [99.99]}}, ran: {latency: {values: [10, 12]}, max_throughput: {values: [5, 7]}}}}}`
	got := drawn(t, requirement, `{"candidates":[]}`)
	want := []string{}
	for _, pair := range []string{"8 10", "8 12", "9 10", "10 10"} {
		core, ran, _ := strings.Cut(pair, " ")
		for _, throughput := range []string{"5", "7"} {
			want = append(want, fmt.Sprintf("core_latency=%s,core_reliability=99.99,ran_latency=%s,ran_max_throughput=%s", core, ran, throughput))
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRecommended looks at what a recommendation says of its candidate.
func TestRecommended(t *testing.T) {
	t.Parallel()
	r := answer(t, `homing_template_version: 2018-02-01
demands:
  a:
  - {inventory_provider: aai, inventory_type: cloud, passthrough_attributes: {td: 7}, service_resource_id: sr, vlan_key: vk,
     existing_placement: {candidate_id: c2}, conflict_identifier: [vnf, {get_candidate_attribute: location_id}], unique: "false"}
constraints:
  hw: {type: hpa, demands: a, properties: {evaluate: [
    {id: vm, type: vnfc, directives: [{type: flavor_directives, attributes: [{attribute_name: label, attribute_value: ""}]}], flavorProperties: [
      {hpa-feature: numa, hpa-version: v1, architecture: generic, mandatory: true, directives: [{type: numa_directives, attributes: []}],
       hpa-feature-attributes: [{hpa-attribute-key: mem, hpa-attribute-value: "2", operator: ">=", unit: GB}]}]}]}}`,
		clouds3(`"cost":1`, `"cost":5,"flavors":{"flavor":[{"flavor-id":"id7","flavor-name":"big","hpa-capabilities":{"hpa-capability":[
		 {"hpa-feature":"numa","hpa-version":"v1","architecture":"generic","hpa-feature-attributes":[{"hpa-attribute-key":"mem","hpa-attribute-value":"{value:2048, unit:\"MB\" }"}]}]}}]}`)+`}`, Options{})
	if r.Status != StatusDone {
		t.Fatalf("%s %v %v", r.Status, r.Conflict, r.Notes)
	}
	got := r.Recommendations[0].Candidates["a"]
	delete(got, "flavors")
	want := map[string]any{
		"candidate_id": "c2", "inventory_type": "cloud", "location_id": "r2", "cost": stayCost, "existing_placement": "true", "uniqueness": "false",
		"service_resource_id": "sr", "vlan_key": "vk", "conflict_id": "vnf|r2|", "passthrough_attributes": map[string]any{"td": int64(7)},
		"flavor_map": map[string]any{"label": "big"}, "flavor_ids": map[string]any{"label": "id7"}, "hpa_score": 0.0, "inventory_provider": "aai",
		"all_directives": []any{map[string]any{"id": "vm", "type": "vnfc", "directives": []any{
			map[string]any{"type": "flavor_directives", "attributes": []any{
				map[string]any{"attribute_name": "label", "attribute_value": "big"}, map[string]any{"attribute_name": "flavorId", "attribute_value": "id7"},
			}},
			map[string]any{"type": "numa_directives", "attributes": []any{}},
		}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if *r.Objective != stayCost || r.Removed["a"]["hw"] != 1 {
		t.Errorf("objective %v, removed %v", *r.Objective, r.Removed)
	}
}

func TestLocationsResolve(t *testing.T) {
	t.Parallel()
	template := `homing_template_version: 2018-02-01
locations: {x: {host_name: h, clli_code: ABCDEFGH}}
demands: {a: [{inventory_provider: aai, inventory_type: cloud}]}
constraints: {here: {type: zone, demands: a, properties: {qualifier: same, category: country, location: x}}}`
	candidates := clouds3(`"country":"ITA"`, `"country":"FRA"`)
	for answers, want := range map[string]string{
		`"hosts":{"h":{"latitude":1,"longitude":2,"country":"FRA"}},"cllis":{"ABCDEFGH":{"latitude":0,"longitude":0,"country":"ITA"}}`: "c2",
		`"cllis":{"ABCDEFGH":{"latitude":0,"longitude":0,"country":"ITA"}}`:                                                            "c1",
		`"hosts":{"h":{"latitude":1,"longitude":2}}`:                                                                                   "",
		`"hosts":{}`: "error",
	} {
		r := answer(t, template, candidates+","+answers+"}", Options{})
		got := ""
		if len(r.Recommendations) > 0 {
			got = r.Recommendations[0].Assignment["a"]
		} else if r.Status == StatusError && strings.Contains(r.Errors[0].Message, "Unable to resolve location x") {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: got %q (%s), want %q", answers, got, r.Status, want)
		}
	}
}

func TestInventoryFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"candidates":[{"inventory_type":"cloud"}]}`:                                                          "candidates[0].candidate_id",
		`{"candidates":[{"candidate_id":"x"}]}`:                                                                "candidates[0].inventory_type",
		`{"candidates":[{"candidate_id":"x","inventory_type":"cloud","cost":"dear"}]}`:                         "candidates[0].cost",
		`{"candidates":[{"candidate_id":"x","inventory_type":"a"},{"candidate_id":"x","inventory_type":"a"}]}`: "candidates",
		`{"candidate":[]}`: "candidate",
		`{"candidates":[],"inventory_groups":[["a"]]}`:                         "inventory_groups[0]",
		`{"candidates":[],"network":[{"from":"a"}]}`:                           "network[0]",
		`{"candidates":[],"network":[{"from":"a","to":"b","latency":"slow"}]}`: "network[0].latency",
		`{"candidates":[],"vim_capacity":{"v":{"vCPU":"many"}}}`:               "vim_capacity.v.vCPU",
		`{"candidates":{}}`: "",
		`what`:              "",
		`[{"id":"x"}]`:      "x",
	} {
		inv, errs := ParseInventory([]byte(text))
		if inv != nil || len(errs) == 0 || errs[0].Path != want {
			t.Errorf("%s: got %v, want an error at %q", text, errs, want)
		}
	}
}

// TestTogether solves the same arguments several times at once.
func TestTogether(t *testing.T) {
	t.Parallel()
	tpl, errs := Parse([]byte(fmt.Sprintf(twoClouds, "2018-02-01")), nil, nil)
	inv, more := ParseInventory([]byte(clouds3(`"cost":3`, `"cost":3`) + `}`))
	if errs != nil || more != nil {
		t.Fatal(errs, more)
	}
	results := make([]Result, 4)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i] = Solve(context.Background(), tpl, inv, Options{Solutions: 3}) })
	}
	all.Wait()
	for _, r := range results[1:] {
		if diff := cmp.Diff(results[0], r); diff != "" {
			t.Error(diff)
		}
	}
}

// TestTranslate draws candidates and resolves locations without solving.
func TestTranslate(t *testing.T) {
	t.Parallel()
	tpl, errs := Parse([]byte(`homing_template_version: 2018-02-01
locations: {here: {host_name: h1}, there: {clli_code: DLLSTX55}}
demands: {a: [{inventory_provider: aai, inventory_type: cloud}], b: [{inventory_provider: aai, inventory_type: cloud, region: r1}]}`), nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	inv, errs := ParseInventory([]byte(`{"candidates": [{"candidate_id": "c1", "inventory_type": "cloud", "location_id": "r2"}], "hosts": {"h1": {"latitude": 1, "longitude": 2, "country": "ITA"}}}`))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	got, errs := Translate(tpl, inv)
	if got.Candidates["a"] != 1 || got.Candidates["b"] != 0 || got.Locations["here"] != (Place{1, 2, "ITA"}) {
		t.Errorf("got %+v", got)
	}
	var paths []string
	for _, err := range errs {
		paths = append(paths, err.Path)
	}
	if diff := cmp.Diff([]string{"demands.b", "locations.there"}, paths); diff != "" {
		t.Error(diff)
	}
}
