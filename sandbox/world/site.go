package world

import "encoding/json"

// Site is one of two domains that have an element each. The home domain handles
// a service with one component, which has no element at first.
type Site struct {
	Name    string // of the domain, without urn
	Element string // id of its element
	home    bool
}

// Traveller is the id of the component that can go from one to the other.
const Traveller = "urn:ngsi-ld:Service:tour:Component:traveller"

// Home is the domain that handles the service.
func Home() Site {
	return Site{Name: "PortoCloud", Element: "urn:ngsi-ld:InfrastructureElement:PortoCloud:02420a0d0011", home: true}
}

// Away is the other one.
func Away() Site {
	return Site{Name: "Mill01", Element: "urn:ngsi-ld:InfrastructureElement:Mill01:e45f01c2b9d4"}
}

// Entities are what the broker of the domain holds, as a JSON array; the domain
// is reached at publicURL.
func (s Site) Entities(publicURL string) []byte {
	domain, orchestrator := "urn:ngsi-ld:Domain:"+s.Name, "urn:ngsi-ld:LowLevelOrchestrator:"+s.Name+":Kubernetes"
	all := []object{
		{"id": domain, "type": "Domain", "isEntrypoint": property(s.home), "publicUrl": property(publicURL),
			"domainStatus": relationship("urn:ngsi-ld:DomainStatus:Functional")},
		{"id": orchestrator, "type": "LowLevelOrchestrator", "domain": relationship(domain),
			"orchestrationType": relationship("urn:ngsi-ld:OrchestrationType:Kubernetes")},
		{"id": s.Element, "type": "InfrastructureElement", "domain": relationship(domain), "lowLevelOrchestrator": relationship(orchestrator),
			"containerTechnology": property("Kubernetes"), "hostname": property(s.Name + "-worker-1")},
	}
	if s.home {
		all = append(all,
			object{"id": "urn:ngsi-ld:Service:tour", "type": "Service", "name": property("tour"), "actionType": property("DEPLOYING"),
				"domainHandler": relationship(domain), "hasOverlay": property(false)},
			object{"id": Traveller, "type": "ServiceComponent", "service": relationship("urn:ngsi-ld:Service:tour"),
				"serviceComponentStatus": relationship("urn:ngsi-ld:ServiceComponentStatus:Starting"),
				"containerImage":         property("registry.example.org/tour/traveller:1.0.0")})
	}
	text, _ := json.Marshal(all) // maps, texts and booleans can always be written
	return text
}
