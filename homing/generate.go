package homing

import (
	"encoding/json"
	"slices"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Need is one component to be placed.
type Need struct {
	// Demand is the name of the demand: the component's id.
	Demand string
	// Requirements is its InfrastructureElementRequirements; nil wants anything.
	Requirements *ngsild.Entity
	// Existing is the element where it is now, which is preferred between equals.
	Existing string
	// Avoid are elements that must not be chosen.
	Avoid []string
}

// Generate writes the template, in JSON, that places all needs together: one
// demand for each, one constraint for each wish (named by it and the demand, so
// that counts of removed candidates say which wish removed them) and one capacity
// constraint for all of them. Parse reads it; a wish that cannot be read, such as
// an area that is none, is an error there.
func Generate(needs []Need) []byte {
	demands, constraints := map[string]any{}, map[string]any{}
	requests, names := map[string]any{}, []string{}
	for _, n := range needs {
		r := map[string]any{"inventory_provider": "aerios", "inventory_type": element}
		if n.Existing != "" {
			r["existing_placement"] = map[string]any{"candidate_id": n.Existing}
		}
		if len(n.Avoid) > 0 {
			r["excluded_candidates"] = n.Avoid
		}
		demands[n.Demand] = []any{r}
		wishes := needsOf(n.Requirements)
		for wish, c := range wishes.constraints {
			c["demands"] = []string{n.Demand}
			constraints[wish+" of "+n.Demand] = c
		}
		if len(wishes.amounts) > 0 {
			requests[n.Demand] = wishes.amounts
			names = append(names, n.Demand)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		constraints["capacity"] = map[string]any{"type": "capacity", "demands": names, "properties": map[string]any{
			"request": requests, "limits": map[string]string{"cpu": "freeCpu", "ram": "freeRam"},
		}}
	}
	template := map[string]any{"homing_template_version": genericVersion, "demands": demands}
	if len(constraints) > 0 {
		template["constraints"] = constraints
	}
	text, err := json.MarshalIndent(template, "", "  ")
	if err != nil {
		return nil // maps of text and numbers always marshal
	}
	return text
}

// wishes is what requirements ask: amounts that add up, and constraints.
type wishes struct {
	amounts     map[string]float64
	constraints map[string]map[string]any
}

// needsOf translates requirements of either dialect. Wanted 0, false, empty or
// absent is no wish.
func needsOf(e *ngsild.Entity) wishes {
	w := wishes{map[string]float64{}, map[string]map[string]any{}}
	if e == nil {
		return w
	}
	figure := func(name string) float64 {
		n, _ := number(e.Attrs[name].Value)
		return max(0, n)
	}
	ram, memory, cpu := figure("requiredRam"), figure("requiredMemoryUsage"), figure("requiredCpuUsage")
	switch {
	case e.Has("requiredMemoryUsage") && !e.Has("requiredRam"): // the published dialect counts cores
		w.amount("cpu", cpu)
	case cpu > 0: // the running one means the highest load, in percent
		w.threshold("requiredCpuUsage", "currentCpuUsage", "lt", cpu)
	}
	w.amount("ram", max(ram, memory))
	for _, name := range []string{"energyEfficiencyRatio", "greenEnergyRatio"} {
		if wanted := figure(name); wanted > 0 {
			w.threshold(name, name, "gte", wanted)
		}
	}
	for _, name := range []string{"realTimeCapable", "gpu"} {
		if wanted, _ := e.Bool(name); wanted {
			w.threshold(name, name, "eq", true)
		}
	}
	w.any(e, "cpuArchitecture", "cpuArchitecture")
	w.any(e, "diskType", "diskType")
	w.any(e, "domainId", "domain")
	w.any(e, "infrastructureElement", "candidate_id")
	if area := e.Attrs["area"].Value; !empty(area) {
		w.constraints["area"] = map[string]any{"type": "within_area", "properties": map[string]any{"area": area}}
	}
	return w
}

func (w *wishes) amount(resource string, wanted float64) {
	if wanted > 0 {
		w.amounts[resource] = wanted
	}
}

func (w *wishes) threshold(wish, attribute, operator string, value any) {
	w.constraints[wish] = map[string]any{"type": "threshold", "properties": map[string]any{
		"evaluate": []any{map[string]any{"attribute": attribute, "operator": operator, "threshold": value}},
	}}
}

// any wants a field to be one of those that are listed.
func (w *wishes) any(e *ngsild.Entity, wish, field string) {
	var words []any
	for _, v := range e.List(wish) {
		if text, ok := v.(string); ok && text != "" && text != "urn:ngsi-ld:null" && text != "urn:ngsi-ld:none" {
			words = append(words, canonical(field, text))
		}
	}
	if len(words) > 0 {
		w.constraints[wish] = map[string]any{"type": "attribute", "properties": map[string]any{
			"evaluate": map[string]any{field: map[string]any{"any": words}},
		}}
	}
}
