package homing

import (
	"fmt"
	"math"
	"strings"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// element is an InfrastructureElement as a candidate.
func (w *world) element(e *ngsild.Entity) *Candidate {
	domain, orchestrator := w.linked(e, "domain"), w.linked(e, "lowLevelOrchestrator")
	c := &Candidate{ID: string(e.ID), Kind: element, Fields: fieldsOf(e), open: true, zones: map[string]string{}, related: w.related(e)}
	f := c.Fields
	f["candidate_id"], f["inventory_type"], f["inventory_provider"], f["location_type"] = c.ID, element, "aerios", "domain"
	if cost, ok := number(f[w.o.Cost]); ok && w.o.Cost != "" {
		f["cost"] = cost
	} else {
		f["cost"] = w.o.DefaultCost
	}
	if links := e.Links("domain"); len(links) > 0 {
		f["location_id"], f["domain"], f["cloud_owner"] = string(links[0]), string(links[0]), string(links[0])
		if owners := domain.Links("owner"); len(owners) > 0 {
			f["cloud_owner"] = string(owners[0])
		}
	}
	if links := e.Links("lowLevelOrchestrator"); len(links) > 0 {
		f["vim-id"] = string(links[0])
	}
	set(f, "llo_type", orchestrator.Enum("orchestrationType"))
	set(f, "domain_status", domain.Enum("domainStatus"))
	if green, ok := number(c.related["powerSource"]["greenEnergyRatio"]); ok {
		f["greenEnergyRatio"] = green
	}
	derive(f)
	c.locate(e, domain)
	w.zones(c, e, domain)
	c.equip(e)
	status := e.Enum("infrastructureElementStatus")
	c.unready = status != "" && !strings.EqualFold(status, "Ready")
	c.stale = w.o.Stale != nil && w.o.Stale(e.ID)
	return c
}

func set(fields map[string]any, name, text string) {
	if text != "" {
		fields[name] = text
	}
}

// derive adds what is free, as far as the figures for it are known.
func derive(f map[string]any) {
	figure := func(name string) (float64, bool) { return number(f[name]) }
	cores, ok := figure("cpuCores")
	usage, also := figure("currentCpuUsage")
	if ok && also {
		f["freeCpu"] = cores * max(0, 100-usage) / 100
	}
	if free, ok := figure("availableRam"); ok {
		f["freeRam"] = free
	} else if whole, ok := figure("ramCapacity"); ok {
		if used, ok := figure("currentRamUsage"); ok {
			f["freeRam"] = max(0, whole-used)
		}
	}
	if now, ok := figure("currentPowerConsumption"); ok {
		if usual, ok := figure("avgPowerConsumption"); ok {
			f["powerHeadroom"] = now - usual
		}
	}
}

// locate sets where the element is: its own location, else its domain's.
func (c *Candidate) locate(e, domain *ngsild.Entity) {
	for _, from := range []*ngsild.Entity{e, domain} {
		geometry, _ := from.Attrs["location"].Value.(map[string]any)
		lat, lon, area, ok := representative(geometry)
		if !ok {
			continue
		}
		c.Fields["latitude"], c.Fields["longitude"], c.area = lat, lon, area
		if from == domain {
			c.Fields["location_inherited"] = true
		}
		break
	}
	for _, from := range []*ngsild.Entity{e, domain} {
		address, _ := from.Attrs["address"].Value.(map[string]any)
		for field, key := range map[string]string{"country": "addressCountry", "region": "addressRegion", "state": "addressRegion", "city": "addressLocality"} {
			if text, _ := plain(address[key]); text != "" && c.Fields[field] == nil {
				c.Fields[field] = text
			}
		}
	}
	if site := zoneText("site", e, domain); site != "" {
		c.Fields["complex_name"], c.Fields["physical_location_id"] = site, site
	} else if text, ok := e.Text("address"); ok && text != "" {
		c.Fields["complex_name"], c.Fields["physical_location_id"] = text, text
	}
}

// representative is the point that stands for a geometry, and the area if it has
// one. Of a polygon that is the middle of its outline's corners.
func representative(geometry map[string]any) (lat, lon float64, area []polygon, ok bool) {
	if geometry["type"] == "Point" {
		lat, lon, ok = readPoint(geometry["coordinates"])
		return lat, lon, nil, ok
	}
	area = readArea(geometry)
	if len(area) == 0 || len(area[0]) == 0 {
		return 0, 0, nil, false
	}
	outline := area[0][0]
	corners := outline[:len(outline)-1]
	first := corners[0][0]
	for _, p := range corners {
		lat += p[1] / float64(len(corners))
		lon += (first + math.Remainder(p[0]-first, 360)) / float64(len(corners))
	}
	return lat, math.Remainder(lon, 360), area, true
}

// zones sets what zone constraints compare, where it is no plain field.
func (w *world) zones(c *Candidate, e, domain *ngsild.Entity) {
	vim, _ := c.Fields["vim-id"].(string)
	where, _ := c.Fields["location_id"].(string)
	site, _ := c.Fields["complex_name"].(string)
	c.zones["complex"] = site
	if site == "" && !w.o.SiteUnknown {
		c.zones["complex"] = vim
	}
	c.zones["disaster"] = first(zoneText("disasterZone", e, domain), site, where)
	c.zones["maintenance"] = first(zoneText("maintenanceZone", e, domain), vim)
	if name := zoneText("timeZone", e, domain); name != "" {
		c.zones["time"] = clockZone(name, w.o.Now)
	} else if lon, ok := number(c.Fields["longitude"]); ok {
		c.zones["time"] = fmt.Sprintf("UTC%+.4g", math.Round(lon/15))
		c.Fields["time_zone_derived"] = true
	}
	for _, category := range []string{"disaster", "maintenance", "time"} {
		set(c.Fields, category+"_zone", c.zones[category])
	}
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// equip presents the element as one flavor, unless it lists flavors itself.
func (c *Candidate) equip(e *ngsild.Entity) {
	if c.equipment = parseFlavors(e.Attrs["flavors"].Value); len(c.equipment) > 0 {
		return
	}
	own := flavor{id: c.ID, name: c.ID, capabilities: parseCapabilities(e.List("hpaCapabilities"))}
	add := func(feature, architecture string, figures map[string]string, unit string) {
		k := capability{feature, "v1", architecture, map[string]offered{}}
		for key, field := range figures {
			if v, ok := c.Fields[field]; ok {
				if key == "freeVirtualCpu" {
					n, _ := number(v)
					v = math.Floor(n)
				}
				if text, ok := plain(v); ok && key == "realTimeCapable" {
					v = text
				}
				of := offered{value: v}
				if strings.Contains(strings.ToLower(key), "mem") || key == "diskSize" {
					of.unit = unit
				}
				k.attributes[key] = of
			}
		}
		if len(k.attributes) > 0 {
			own.capabilities = append(own.capabilities, k)
		}
	}
	add("basicCapabilities", "generic", map[string]string{
		"numVirtualCpu": "cpuCores", "virtualMemSize": "ramCapacity", "freeVirtualCpu": "freeCpu", "freeMemSize": "freeRam",
	}, "MB")
	disk := "availableDisk"
	if _, ok := c.Fields["diskCapacity"]; ok {
		disk = "diskCapacity"
	}
	add("localStorage", "generic", map[string]string{"diskSize": disk}, "MB")
	add("realTime", "generic", map[string]string{"realTimeCapable": "realTimeCapable"}, "")
	add("operatingSystem", "generic", map[string]string{"osType": "operatingSystem", "osVersion": "operatingSystemVersion"}, "")
	add("energy", "generic", map[string]string{
		"energyEfficiencyRatio": "energyEfficiencyRatio", "greenEnergyRatio": "greenEnergyRatio", "avgPowerConsumption": "avgPowerConsumption",
	}, "")
	add("tier", "generic", map[string]string{"infrastructureElementTier": "infrastructureElementTier"}, "")
	c.instructionSet(&own)
	c.equipment = []flavor{own}
}

// instructionSet gives the listed extensions the element's architecture.
func (c *Candidate) instructionSet(own *flavor) {
	architecture := "generic"
	switch c.Fields["cpuArchitecture"] {
	case "x64":
		architecture = "Intel64"
	case "arm64":
		architecture = "ARM64"
	case "arm32":
		architecture = "ARM32"
	case "riscv64":
		architecture = "RISCV64"
	}
	for i := range own.capabilities {
		if k := &own.capabilities[i]; strings.HasSuffix(strings.ToLower(k.feature), "instructionsetextensions") {
			k.architecture = architecture
		}
	}
}
