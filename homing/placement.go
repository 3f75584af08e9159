package homing

import (
	"maps"
	"slices"
)

// Placement is a demand's place in a recommendation, in the format of the plan API.
type Placement struct {
	Provider   string         `json:"inventory_provider,omitempty"`
	Resource   string         `json:"service_resource_id"`
	Candidate  map[string]any `json:"candidate"`
	Attributes map[string]any `json:"attributes"`
}

// Placements are the places of all demands of a recommendation for t.
func (t *Template) Placements(r Recommendation) map[string]Placement {
	places := make(map[string]Placement, len(r.Candidates))
	for demand, c := range r.Candidates {
		p := Placement{Attributes: attributesOf(c)}
		p.Provider, _ = plain(c["inventory_provider"])
		p.Resource, _ = plain(c["service_resource_id"])
		p.Candidate = t.candidateOf(c)
		if passed, ok := c["passthrough_attributes"].(map[string]any); ok {
			for name, v := range passed {
				if _, taken := p.Attributes[name]; !taken {
					p.Attributes[name] = v
				}
			}
		}
		places[demand] = p
	}
	return places
}

// candidateOf is what the plan API tells of a candidate: of slices and models
// everything, of others what names them.
func (t *Template) candidateOf(c map[string]any) map[string]any {
	kind, _ := plain(c["inventory_type"])
	if !located(kind) {
		return maps.Clone(c)
	}
	names := []string{"candidate_id", "inventory_type", "cloud_owner", "location_type", "location_id", "vim-id", "conflict_id"}
	if serviceLike(kind) || kind == "vfmodule" {
		names = append(names, "host_id")
	}
	shown := chosenFields(c, names...)
	shown["is_rehome"] = "false"
	if t.Rehome() && c["existing_placement"] != "true" {
		shown["is_rehome"] = "true"
	}
	if v, _ := plain(c["cloud_region_version"]); v == "2.5" && shown["location_id"] != nil {
		shown["location_id"] = ""
	}
	return shown
}

// located are the types of candidates that are in some place.
func located(kind string) bool {
	return cloudLike(kind) || serviceLike(kind) || kind == "vfmodule" || kind == "transport"
}

// attributesOf is what is to be known for using a candidate.
func attributesOf(c map[string]any) map[string]any {
	kind, _ := plain(c["inventory_type"])
	names := []string{"cloud_owner", "flavor_map", "flavor_ids"}
	switch {
	case serviceLike(kind):
		names = append(names, "host_id", "vlan_key", "port_key")
	case kind == "vfmodule":
		names = append(names, "host_id", "vlan_key", "port_key", "nf-name", "nf-id", "nf-type", "vnf-type", "ipv4-oam-address", "ipv6-oam-address",
			"service_instance_id", "vf-module-id", "vf-module-name", "vservers")
	}
	shown := chosenFields(c, names...)
	for name, from := range map[string]string{"physical-location-id": "physical_location_id", "aic_version": "cloud_region_version"} {
		if v, ok := c[from]; ok {
			shown[name] = v
		}
	}
	if serviceLike(kind) {
		shown["service_instance_id"] = c["candidate_id"]
	}
	if list, ok := c["all_directives"].([]any); ok && len(list) > 0 {
		shown["directives"] = map[string]any{"directives": list}
	}
	return shown
}

func chosenFields(c map[string]any, names ...string) map[string]any {
	shown := map[string]any{}
	for name, v := range c {
		if slices.Contains(names, name) {
			shown[name] = v
		}
	}
	return shown
}
