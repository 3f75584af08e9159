package homing

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlacements shows recommendations as the plan API gives them.
func TestPlacements(t *testing.T) {
	t.Parallel()
	const flavors = `"flavors": {"flavor": [{"flavor-id": "f-1", "flavor-name": "m1", "hpa-capabilities": {"hpa-capability": [{"hpa-feature": "basicCapabilities", "hpa-version": "v1", "architecture": "generic", "hpa-feature-attributes": [{"hpa-attribute-key": "numVirtualCpu", "hpa-attribute-value": "{value: 4}"}]}]}}]}`
	const inventory = `{"candidates": [
	 {"candidate_id": "c1", "inventory_type": "cloud", "cloud_owner": "acme", "location_id": "r1", "location_type": "att_aic", "vim-id": "acme_r1", "physical_location_id": "DLLSTX55", "cloud_region_version": "2.5", "cost": 3, ` + flavors + `},
	 {"candidate_id": "s1", "inventory_type": "service", "inventory_attributes": {"customer-id": "acme"}, "host_id": "vnf1", "location_id": "r2", "cloud_owner": "acme", "cloud_region_version": "3.0"},
	 {"candidate_id": "n1", "inventory_type": "nssi", "latency": 5}]}`
	const template = `homing_template_version: 2018-02-01
parameters: {request_type: speed changed}
demands:
  vm: [{inventory_provider: aai, inventory_type: cloud, service_resource_id: res-1, conflict_identifier: [x, {get_candidate_attribute: location_id}], passthrough_attributes: {td-role: side_a, cloud_owner: other}}]
  vpn: [{inventory_provider: aai, inventory_type: service, filtering_attributes: {customer-id: acme}, vlan_key: v7, existing_placement: {candidate_id: s1}}]
  ran: [{inventory_provider: aai, inventory_type: nssi, default_attributes: {max-number: 3}}]
constraints:
  hw: {type: hpa, demands: vm, properties: {evaluate: [{id: vgw_0, type: vnfc, directives: [{type: flavor_directives, attributes: [{attribute_name: label_0, attribute_value: ''}]}],
    flavorProperties: [{hpa-feature: basicCapabilities, hpa-version: v1, architecture: generic, mandatory: 'True', directives: [], hpa-feature-attributes: [{hpa-attribute-key: numVirtualCpu, hpa-attribute-value: '2', operator: '>='}]}]}]}}`
	tpl, errs := Parse([]byte(template), nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	inv, errs := ParseInventory([]byte(inventory))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	r := Solve(t.Context(), tpl, inv, Options{})
	if r.Status != StatusDone {
		t.Fatal(Explain(r))
	}
	text, err := json.MarshalIndent(tpl.Placements(r.Recommendations[0]), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(`{
	 "vm": {"inventory_provider": "aai", "service_resource_id": "res-1",
	  "candidate": {"candidate_id": "c1", "inventory_type": "cloud", "cloud_owner": "acme", "location_type": "att_aic", "location_id": "", "vim-id": "acme_r1", "conflict_id": "x|r1|", "is_rehome": "true"},
	  "attributes": {"cloud_owner": "acme", "physical-location-id": "DLLSTX55", "aic_version": "2.5", "td-role": "side_a", "flavor_map": {"label_0": "m1"}, "flavor_ids": {"label_0": "f-1"},
	   "directives": {"directives": [{"id": "vgw_0", "type": "vnfc", "directives": [{"type": "flavor_directives", "attributes": [{"attribute_name": "label_0", "attribute_value": "m1"}, {"attribute_name": "flavorId", "attribute_value": "f-1"}]}]}]}}},
	 "vpn": {"inventory_provider": "aai", "service_resource_id": "",
	  "candidate": {"candidate_id": "s1", "inventory_type": "service", "cloud_owner": "acme", "location_id": "r2", "host_id": "vnf1", "is_rehome": "false"},
	  "attributes": {"cloud_owner": "acme", "host_id": "vnf1", "vlan_key": "v7", "aic_version": "3.0", "service_instance_id": "s1"}},
	 "ran": {"inventory_provider": "aai", "service_resource_id": "",
	  "candidate": {"candidate_id": "n1", "inventory_type": "nssi", "inventory_provider": "aai", "latency": 5, "cost": 1, "max_number": 3, "uniqueness": "true"}, "attributes": {}}}`, "\n", "")), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
