package world

import (
	"encoding/json"
	"fmt"
	"time"
)

// Fleet is n elements as they describe themselves, about 3 KB each, in a domain
// of their own, with what they link to before them. The same n gives the same bytes.
func Fleet(n int) []json.RawMessage {
	const domain, orchestrator = "urn:ngsi-ld:Domain:Fleet", "urn:ngsi-ld:LowLevelOrchestrator:Fleet:Kubernetes"
	all := []json.RawMessage{
		encode(object{"id": domain, "type": "Domain", "isEntrypoint": property(true), "domainStatus": relationship("urn:ngsi-ld:DomainStatus:Functional")}),
		encode(object{"id": orchestrator, "type": "LowLevelOrchestrator", "domain": relationship(domain), "orchestrationType": relationship("urn:ngsi-ld:OrchestrationType:Kubernetes")}),
	}
	for i := range n {
		e := figures(i, 0, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		for name, value := range map[string]any{
			"domain": relationship(domain), "lowLevelOrchestrator": relationship(orchestrator), "powerSource": relationship("urn:ngsi-ld:none"),
			"hostname": property(fmt.Sprintf("fleet-%05d", i)), "containerTechnology": property("Kubernetes"),
			"internalIpAddress": property(fmt.Sprintf("10.%d.%d.%d", 80+i>>16, i>>8&255, i&255)), "macAddress": property(fmt.Sprintf("02:f0:00:%02x:%02x:%02x", i>>16, i>>8&255, i&255)),
			"cpuCores": property(16), "cpuFreqMax": property(3200), "ramCapacity": property(65536), "gpu": property(false), "gpuMemory": property(-1),
			"diskType": property("SSD"), "diskCapacity": property(240000), "netSpeedUp": property(900), "netSpeedDown": property(900),
			"avgPowerConsumption": property(100 + i%50), "energyEfficiencyRatio": property(0.5), "realTimeCapable": property(false), "trustScore": property(0.8),
			"cpuArchitecture": relationship("urn:ngsi-ld:CpuArchitecture:AMD64"), "operatingSystem": relationship("urn:ngsi-ld:OperatingSystem:Linux"),
			"infrastructureElementTier":   relationship("urn:ngsi-ld:InfrastructureElementTier:Edge"),
			"infrastructureElementStatus": relationship("urn:ngsi-ld:InfrastructureElementStatus:Ready"),
			"location":                    object{"type": "GeoProperty", "value": object{"type": "Point", "coordinates": []float64{9 + float64(i%100)/100, 45}}},
		} {
			e[name] = value
		}
		all = append(all, encode(e))
	}
	return all
}

// FleetReport is what element i of a Fleet says of its load at a time: good for
// a batch update. Rounds differ by little, as loads do.
func FleetReport(i, round int, at time.Time) json.RawMessage { return encode(figures(i, round, at)) }

func figures(i, round int, at time.Time) object {
	e := object{"id": fmt.Sprintf("urn:ngsi-ld:InfrastructureElement:Fleet:%05d", i), "type": "InfrastructureElement"}
	wobble := (i*7 + round*3) % 5
	for name, value := range map[string]int{
		"currentCpuUsage": 20 + i%40 + wobble, "availableRam": 30000 - i%1000 - 10*wobble, "currentRamUsage": 35536 + i%1000 + 10*wobble,
		"currentRamUsagePct": 54, "availableDisk": 179000 - wobble, "currentDiskUsage": 61000 + wobble, "currentDiskUsagePct": 25,
		"netTrafficUp": wobble, "netTrafficDown": 2 * wobble, "netLostPackages": 0, "currentPowerConsumption": 90 + wobble,
	} {
		e[name] = object{"type": "Property", "value": value, "observedAt": at.UTC().Format("2006-01-02T15:04:05.000Z")}
	}
	return e
}
