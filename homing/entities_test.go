package homing

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// decoded is one of the example worlds.
func decoded(t *testing.T, file string) []ngsild.Entity {
	t.Helper()
	data, err := os.ReadFile("testdata/continuum/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return entitiesOf(t, string(data))
}

func entitiesOf(t *testing.T, text string) []ngsild.Entity {
	t.Helper()
	entities, errs := ngsild.DecodeEntities([]byte(text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return entities
}

// needs are those of all components, unplaced.
func needs(entities []ngsild.Entity) []Need {
	byID := map[ngsild.EntityID]*ngsild.Entity{}
	for i := range entities {
		byID[entities[i].ID] = &entities[i]
	}
	var list []Need
	for i := range entities {
		if e := &entities[i]; e.Type == "ServiceComponent" {
			list = append(list, Need{Demand: string(e.ID), Requirements: byID[e.Links("infrastructureElementRequirements")[0]]})
		}
	}
	return list
}

// TestPlaceWorld homes all components of the example world together, from both
// forms of the same entities.
func TestPlaceWorld(t *testing.T) {
	t.Parallel()
	const porto1, arm, raspi = "PortoCloud:02420a0d0011", "Mill01:dca632f1a07e", "Mill01:e45f01c2b9d4"
	want := map[string]string{
		"9b3e61d0c75a:Component:camera-gw": raspi, "9b3e61d0c75a:Component:inference": arm, "9b3e61d0c75a:Component:retrain": porto1,
		"coldchain:Component:dashboard": porto1, "coldchain:Component:ingest_broker": porto1,
	}
	for _, file := range []string{"world.simplified.json", "world.normalized.json"} {
		entities := decoded(t, file)
		inv := FromEntities(entities, EntityOptions{})
		inv.CapacityInUse = nil
		got := placed(t, inv, needs(entities)...)
		short := map[string]string{}
		for demand, id := range got.Recommendations[0].Assignment {
			short[strings.TrimPrefix(demand, "urn:ngsi-ld:Service:")] = strings.TrimPrefix(id, "urn:ngsi-ld:InfrastructureElement:")
		}
		if diff := cmp.Diff(want, short); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

func placed(t *testing.T, inv *Inventory, list ...Need) Result {
	t.Helper()
	template, errs := Parse(Generate(list), nil, nil)
	if errs != nil {
		t.Fatal(errs)
	}
	return Solve(context.Background(), template, inv, Options{})
}

// twoElements are an ARM element in the mill's roof power and an x64 one, of two
// domains; %s are further entities.
const twoElements = `[
 {"id":"urn:ngsi-ld:Domain:A","type":"Domain","domainStatus":"urn:ngsi-ld:DomainStatus:Functional","timeZone":"Europe/Rome",
  "location":{"type":"Point","coordinates":[9,45]},"address":{"addressCountry":"ITA"}},
 {"id":"urn:ngsi-ld:LowLevelOrchestrator:A:K","type":"LowLevelOrchestrator","domain":"urn:ngsi-ld:Domain:A","orchestrationType":"Kubernetes"},
 {"id":"urn:ngsi-ld:PowerSource:P","type":"PowerSource","greenEnergyRatio":0.9},
 {"id":"ie:arm","type":"InfrastructureElement","domain":"urn:ngsi-ld:Domain:A","lowLevelOrchestrator":"urn:ngsi-ld:LowLevelOrchestrator:A:K",
  "powerSource":"urn:ngsi-ld:PowerSource:P","cpuCores":4,"currentCpuUsage":50,"ramCapacity":4096,"currentRamUsage":1024,"gpuMemory":-1,
  "cpuArchitecture":"urn:ngsi-ld:CpuArchitecture:ARM64","realTimeCapable":true,"infrastructureElementStatus":"Ready","avgPowerConsumption":5},
 {"id":"ie:amd","type":"InfrastructureElement","domain":"urn:ngsi-ld:Domain:B","cpuCores":8,"currentCpuUsage":25,"availableRam":8192,
  "cpuArchitecture":"amd64","infrastructureElementStatus":"urn:ngsi-ld:InfrastructureElementStatus:Ready","greenEnergyRatio":0.2,"avgPowerConsumption":50,
  "location":{"type":"Polygon","coordinates":[[[10,50],[12,50],[12,52],[10,52],[10,50]]]}},
 {"id":"ie:off","type":"InfrastructureElement","infrastructureElementStatus":"Disabled","cpuCores":64,"availableRam":99999,"currentCpuUsage":0}%s]`

func TestElementFields(t *testing.T) {
	t.Parallel()
	entities := entitiesOf(t, strings.Replace(twoElements, "%s", "", 1))
	inv := FromEntities(entities, EntityOptions{Now: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)})
	at := slices.IndexFunc(inv.candidates, func(c *Candidate) bool { return c.ID == "ie:arm" })
	it := &item{c: inv.candidates[at], id: "ie:arm", kind: element}
	want := map[string]any{
		"freeCpu": 2.0, "freeRam": 3072.0, "greenEnergyRatio": 0.9, "cpuArchitecture": "arm64", "location_id": "urn:ngsi-ld:Domain:A",
		"vim-id": "urn:ngsi-ld:LowLevelOrchestrator:A:K", "llo_type": "Kubernetes", "domain_status": "Functional", "latitude": 45.0, "longitude": 9.0,
		"location_inherited": true, "country": "ITA", "time_zone": "UTC+2", "domain.domainStatus": "Functional", "gpuMemory": nil,
		"https://uri.etsi.org/ngsi-ld/default-context/cpuCores": 4.0, "powerSource.greenEnergyRatio": 0.9,
	}
	got := map[string]any{}
	for name := range want {
		got[name], _ = it.field(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for category, want := range map[string]string{"complex": "urn:ngsi-ld:LowLevelOrchestrator:A:K", "disaster": "urn:ngsi-ld:Domain:A", "time": "UTC+2", "element": ""} {
		if got := it.zone(category); got != want && category != "element" {
			t.Errorf("zone %s: got %q, want %q", category, got, want)
		}
	}
}

func TestWishes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		wish string // attributes of the requirements
		want string // chosen element, or the constraints in conflict
	}{
		"nothing: least power":        {``, "ie:arm"},
		"x64 in another spelling":     {`"cpuArchitecture":"urn:ngsi-ld:CpuArchitecture:x64"`, "ie:amd"},
		"a list of architectures":     {`"cpuArchitecture":["riscv64","x86_64"]`, "ie:amd"},
		"percent of load":             {`"requiredCpuUsage":40,"requiredRam":10`, "ie:amd"},
		"cores, published dialect":    {`"requiredCpuUsage":3,"requiredMemoryUsage":10`, "ie:amd"},
		"cores that one has":          {`"requiredCpuUsage":2,"requiredMemoryUsage":10`, "ie:arm"},
		"memory":                      {`"requiredRam":4000`, "ie:amd"},
		"too much memory":             {`"requiredRam":9000`, "capacity"},
		"real time":                   {`"realTimeCapable":true,"requiredRam":100`, "ie:arm"},
		"no wish is none":             {`"realTimeCapable":false,"greenEnergyRatio":0,"cpuArchitecture":"","area":{}`, "ie:arm"},
		"green by the power source":   {`"greenEnergyRatio":0.5`, "ie:arm"},
		"unknown satisfies nothing":   {`"energyEfficiencyRatio":0.1`, "energyEfficiencyRatio of d"},
		"domain":                      {`"domainId":"urn:ngsi-ld:Domain:B"`, "ie:amd"},
		"fixed element":               {`"infrastructureElement":["ie:amd"]`, "ie:amd"},
		"area that covers a polygon":  {`"area":{"type":"Polygon","coordinates":[[[9.5,49],[13,49],[13,53],[9.5,53],[9.5,49]]]}`, "ie:amd"},
		"area that cuts it":           {`"area":{"type":"Polygon","coordinates":[[[11,49],[13,49],[13,53],[11,53],[11,49]]]}`, "area of d"},
		"two that exclude each other": {`"cpuArchitecture":"x64","realTimeCapable":true`, "cpuArchitecture of d realTimeCapable of d"},
	}
	inv := FromEntities(entitiesOf(t, strings.Replace(twoElements, "%s", "", 1)), EntityOptions{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := `{"id":"r","type":"InfrastructureElementRequirements"`
			if test.wish != "" {
				text += "," + test.wish
			}
			requirements := entitiesOf(t, text+"}")
			got := placed(t, inv, Need{Demand: "d", Requirements: &requirements[0]})
			answer := strings.Join(got.Conflict, " ")
			if got.Status == StatusDone {
				answer = got.Recommendations[0].Assignment["d"]
			}
			if answer != test.want {
				t.Errorf("got %q (%s %v), want %q", answer, got.Status, got.Errors, test.want)
			}
		})
	}
}

// TestPromised keeps room for a component that is placed and does not run yet, and
// prefers to stay only between equals.
func TestPromised(t *testing.T) {
	t.Parallel()
	starting := `,{"id":"sc","type":"ServiceComponent","infrastructureElement":"ie:arm","serviceComponentStatus":"Starting","infrastructureElementRequirements":"rq"},
	 {"id":"rq","type":"InfrastructureElementRequirements","requiredRam":2000}`
	requirements := entitiesOf(t, `{"id":"r","type":"InfrastructureElementRequirements","requiredRam":1500}`)
	for status, want := range map[string]string{"Starting": "ie:amd", "Running": "ie:arm"} {
		inv := FromEntities(entitiesOf(t, strings.Replace(twoElements, "%s", strings.Replace(starting, "Starting", status, 1), 1)), EntityOptions{})
		if got := placed(t, inv, Need{Demand: "d", Requirements: &requirements[0]}); got.Recommendations[0].Assignment["d"] != want {
			t.Errorf("%s: got %v, want %s", status, got.Recommendations[0].Assignment, want)
		}
	}
}

func TestUnusableElements(t *testing.T) {
	t.Parallel()
	entities := entitiesOf(t, strings.Replace(twoElements, "%s", "", 1))
	fixed := entitiesOf(t, `{"id":"r","type":"InfrastructureElementRequirements","requiredRam":90000}`)
	got := placed(t, FromEntities(entities, EntityOptions{}), Need{Demand: "d", Requirements: &fixed[0]})
	if got.Status != StatusNotFound || got.Removed["d"]["capacity"] != 2 {
		t.Errorf("a disabled element counts: %s %v", got.Status, got.Removed)
	}
	stale := FromEntities(entities, EntityOptions{Stale: func(ngsild.EntityID) bool { return true }})
	got = placed(t, stale, Need{Demand: "d"})
	if got.Status != StatusError || !strings.Contains(got.Errors[0].Message, "3 with figures too old") {
		t.Errorf("got %s %v", got.Status, got.Errors)
	}
	if _, errs := ParseInventory([]byte(`[{"id":"x"}]`)); len(errs) == 0 {
		t.Error("an entity without a type was accepted")
	}
	got = placed(t, FromEntities(entities, EntityOptions{}), Need{Demand: "d", Avoid: []string{"ie:arm"}, Existing: "ie:arm"})
	if got.Recommendations[0].Assignment["d"] != "ie:amd" {
		t.Errorf("an element to avoid was chosen: %v", got.Recommendations[0].Assignment)
	}
}

// TestGenerateDeterministic wants the same text from the same needs in any order.
func TestGenerateDeterministic(t *testing.T) {
	t.Parallel()
	list := needs(decoded(t, "world.simplified.json"))
	first := Generate(list)
	slices.Reverse(list)
	if second := Generate(list); !json.Valid(first) || string(first) != string(second) {
		t.Errorf("differ:\n%s\n%s", first, second)
	}
}

// TestWhatElementsReferTo: fields of any linked entity by a dotted name, and
// locations by an element's host name, its id and its site.
func TestWhatElementsReferTo(t *testing.T) {
	t.Parallel()
	inv, errs := ParseInventory([]byte(`[
	 {"id": "urn:ie:1", "type": "InfrastructureElement", "hostname": "node-1", "site": "DLLSTX55", "rack": "urn:rack:1", "location": {"type": "Point", "coordinates": [10, 45]}},
	 {"id": "urn:ie:2", "type": "InfrastructureElement", "rack": {"type": "Relationship", "object": "urn:rack:2"}, "location": {"type": "Point", "coordinates": [12, 45]}},
	 {"id": "urn:rack:1", "type": "Rack", "row": 3}, {"id": "urn:rack:2", "type": "Rack", "row": 4}]`))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for constraint, want := range map[string]string{
		"attribute, demands: a, properties: {evaluate: {rack.row: 4}}":                           "urn:ie:2",
		"attribute, demands: a, properties: {evaluate: {rack.row: 5}}":                           "",
		"distance_to_location, demands: a, properties: {distance: < 1 km, location: byName}":     "urn:ie:1",
		"distance_to_location, demands: a, properties: {distance: < 1 km, location: byID}":       "urn:ie:2",
		"distance_to_location, demands: a, properties: {distance: 100-200 km, location: bySite}": "urn:ie:2",
	} {
		tpl, errs := Parse([]byte("homing_template_version: 2018-02-01\nlocations: {byName: {host_name: node-1}, byID: {host_name: 'urn:ie:2'}, bySite: {clli_code: DLLSTX55}}\n"+
			"demands: {a: [{inventory_provider: aerios, inventory_type: infrastructure_element}]}\nconstraints: {c: {type: "+constraint+"}}"), nil, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		got := ""
		if r := Solve(t.Context(), tpl, inv, Options{}); len(r.Recommendations) > 0 {
			got = r.Recommendations[0].Assignment["a"]
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", constraint, got, want)
		}
	}
}
