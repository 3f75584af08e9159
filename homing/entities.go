package homing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// EntityOptions say how entities become candidates. The zero value is usual.
type EntityOptions struct {
	// Now is the time at which time zones are compared by their offset from UTC;
	// if it is zero, by name.
	Now time.Time
	// Stale marks elements whose figures are too old to be believed; nil means none.
	Stale func(ngsild.EntityID) bool
	// Cost is the attribute that holds an element's cost, DefaultCost what it is
	// without.
	Cost        string
	DefaultCost float64
	// SiteUnknown leaves an element without a site in no complex; otherwise its
	// orchestrator counts as its complex, as a cluster usually is one site.
	SiteUnknown bool
}

// FromEntities makes an inventory of InfrastructureElements, with what their
// Domain, LowLevelOrchestrator and PowerSource say of them, and of components that
// run on one. What components that are placed but do not run yet will need is
// noted in CapacityInUse. Entities of other types are ignored; of entities with
// the same id the last counts. The entities are not changed, but kept.
func FromEntities(entities []ngsild.Entity, o EntityOptions) *Inventory {
	w := newWorld(entities, o)
	inv := &Inventory{CapacityInUse: map[string]map[string]float64{}, Hosts: map[string]Place{}, CLLIs: map[string]Place{}}
	elements := map[ngsild.EntityID]*Candidate{}
	for _, id := range w.order {
		if e := w.byID[id]; e.Type == "InfrastructureElement" {
			elements[id] = w.element(e)
			inv.place(e, elements[id])
			inv.candidates = append(inv.candidates, elements[id])
		}
	}
	for _, id := range w.order {
		e := w.byID[id]
		links := e.Links("infrastructureElement")
		if e.Type != "ServiceComponent" || len(links) == 0 {
			continue
		}
		if on := elements[links[0]]; on != nil && strings.EqualFold(e.Enum("serviceComponentStatus"), "Running") {
			inv.candidates = append(inv.candidates, w.running(e, on))
		}
		w.promise(inv, e, string(links[0]))
	}
	slices.SortStableFunc(inv.candidates, byKindAndID)
	return inv
}

func parseEntities(data []byte) (*Inventory, []*PathError) {
	entities, errs := ngsild.DecodeEntities(data)
	found := &findings{}
	for _, err := range errs {
		path := "entities"
		var of ngsild.EntityError
		if errors.As(err, &of) && of.ID != "" {
			path = string(of.ID)
		}
		found.add(path, "%v: accepted is an NGSI-LD entity", err)
	}
	if len(found.list) > 0 {
		return nil, found.sorted()
	}
	return FromEntities(entities, EntityOptions{}), nil
}

// world looks entities up by id.
type world struct {
	byID   map[ngsild.EntityID]*ngsild.Entity
	order  []ngsild.EntityID
	fields map[ngsild.EntityID]map[string]any // of entities that others refer to
	o      EntityOptions
}

func newWorld(entities []ngsild.Entity, o EntityOptions) *world {
	w := &world{byID: map[ngsild.EntityID]*ngsild.Entity{}, fields: map[ngsild.EntityID]map[string]any{}, o: o}
	for i := range entities {
		e := &entities[i]
		if e.Deleted {
			delete(w.byID, e.ID)
			continue
		}
		w.byID[e.ID] = e
	}
	for id := range w.byID {
		w.order = append(w.order, id)
	}
	slices.Sort(w.order)
	return w
}

// linked is the entity at the end of a relationship, an empty one if there is none.
func (w *world) linked(e *ngsild.Entity, name string) *ngsild.Entity {
	for _, id := range e.Links(name) {
		if other := w.byID[id]; other != nil {
			return other
		}
	}
	return &ngsild.Entity{}
}

// related are the fields of the entities that e refers to, by relationship.
func (w *world) related(e *ngsild.Entity) map[string]map[string]any {
	related := map[string]map[string]any{}
	for name, a := range e.Attrs {
		if a.Kind != ngsild.Relationship && a.Kind != ngsild.KindUnknown {
			continue
		}
		other := w.linked(e, name)
		if other.ID == "" {
			continue
		}
		if w.fields[other.ID] == nil {
			w.fields[other.ID] = fieldsOf(other)
		}
		related[name] = w.fields[other.ID]
	}
	return related
}

// place notes where an element is, so that locations can be found by its host's
// name or id, and by the code of its site.
func (inv *Inventory) place(e *ngsild.Entity, c *Candidate) {
	lat, ok := number(c.Fields["latitude"])
	lon, also := number(c.Fields["longitude"])
	if !ok || !also {
		return
	}
	country, _ := plain(c.Fields["country"])
	at := Place{lat, lon, country}
	inv.Hosts[c.ID] = at
	if name, ok := e.Text("hostname"); ok && name != "" {
		inv.Hosts[name] = at
	}
	if site, _ := plain(c.Fields["physical_location_id"]); site != "" {
		if _, known := inv.CLLIs[site]; !known {
			inv.CLLIs[site] = at
		}
	}
}

// fieldsOf are an entity's attributes as a candidate has them: without figures
// that are not known yet (-1 and empty text), enumerations by their bare word.
func fieldsOf(e *ngsild.Entity) map[string]any {
	fields := make(map[string]any, len(e.Attrs)+16)
	for name, a := range e.Attrs {
		v := a.Value
		if n, isNumber := v.(int64); isNumber {
			v = float64(n)
		}
		if v == nil || v == "" || v == -1.0 {
			continue
		}
		if enumerated(name) {
			v = canonical(name, v)
		}
		fields[name] = v
	}
	return fields
}

// enumerated reports whether an attribute's values are words of a list, which some
// write as the URN of an entity.
func enumerated(name string) bool {
	switch name {
	case "cpuArchitecture", "operatingSystem", "infrastructureElementTier", "infrastructureElementStatus", "orchestrationType",
		"domainStatus", "serviceComponentStatus", "llo_type", "domain_status":
		return true
	}
	return false
}

// canonical is a value of a field in the spelling that is compared.
func canonical(name string, v any) any {
	if _, rest, dotted := strings.Cut(name, "."); dotted {
		name = rest
	}
	text, ok := v.(string)
	if !ok || !enumerated(name) {
		return v
	}
	text = text[strings.LastIndexByte(text, ':')+1:]
	if name != "cpuArchitecture" {
		return text
	}
	switch strings.ReplaceAll(strings.ToLower(text), "_", "-") {
	case "x64", "amd64", "x86-64":
		return "x64"
	case "arm64", "aarch64", "armv8":
		return "arm64"
	case "arm32", "arm", "armv7", "armhf":
		return "arm32"
	case "riscv64", "risc-v", "riscv":
		return "riscv64"
	}
	return text
}

// running is a component that runs, as something to be used again.
func (w *world) running(e *ngsild.Entity, on *Candidate) *Candidate {
	c := &Candidate{ID: string(e.ID), Kind: component, Fields: fieldsOf(e), open: true, zones: on.zones, related: map[string]map[string]any{"infrastructureElement": on.Fields}}
	for _, name := range []string{"location_id", "location_type", "vim-id", "cloud_owner", "complex_name", "physical_location_id", "latitude", "longitude", "country", "region", "state", "city"} {
		if v, ok := on.Fields[name]; ok {
			c.Fields[name] = v
		}
	}
	c.Fields["candidate_id"], c.Fields["inventory_type"], c.Fields["inventory_provider"] = c.ID, c.Kind, "aerios"
	c.Fields["host_id"] = on.ID
	return c
}

// promise adds what a placed component that does not run yet will need.
func (w *world) promise(inv *Inventory, e *ngsild.Entity, on string) {
	switch status := strings.ToLower(e.Enum("serviceComponentStatus")); status {
	case "", "starting", "migrating":
	default:
		return
	}
	for resource, amount := range needsOf(w.linked(e, "infrastructureElementRequirements")).amounts {
		if inv.CapacityInUse[on] == nil {
			inv.CapacityInUse[on] = map[string]float64{}
		}
		inv.CapacityInUse[on][resource] += amount
	}
}

// zoneText is an attribute of the element, else of its domain.
func zoneText(name string, from ...*ngsild.Entity) string {
	for _, e := range from {
		if text, ok := e.Text(name); ok && text != "" {
			return text
		}
	}
	return ""
}

// clockZone names a time zone by its offset from UTC at a time.
func clockZone(name string, now time.Time) string {
	if now.IsZero() {
		return name
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return name
	}
	_, seconds := now.In(zone).Zone()
	return fmt.Sprintf("UTC%+.4g", float64(seconds)/3600)
}
