package simulate

import "slices"

// The fixed part of every world: two domains with their elements and orchestrators,
// a service in each, and a few ports.

// element is a place where components can be put.
type element struct {
	id, domain, technology string
}

var elements = []element{
	{"urn:ngsi-ld:InfrastructureElement:North:1", "North", "Kubernetes"},
	{"urn:ngsi-ld:InfrastructureElement:North:2", "North", "Docker"},
	{"urn:ngsi-ld:InfrastructureElement:North:3", "North", "Kubernetes"},
	{"urn:ngsi-ld:InfrastructureElement:South:1", "South", "Kubernetes"},
	{"urn:ngsi-ld:InfrastructureElement:South:2", "South", "Docker"},
}

// resourceOf is the kind of custom resource that a technology takes.
var resourceOf = map[string]string{"Kubernetes": "servicecomponentk8s", "Docker": "servicecomponentdockers"}

func elementOf(id string) (element, bool) {
	for _, e := range slices.Concat(elements, more) {
		if e.id == id {
			return e, true
		}
	}
	return element{}, false
}

var (
	services = []string{"urn:ngsi-ld:Service:ships", "urn:ngsi-ld:Service:trains"}
	ports    = []string{"urn:ngsi-ld:NetworkPort:1", "urn:ngsi-ld:NetworkPort:2"}
)

func property(v any) map[string]any { return map[string]any{"type": "Property", "value": v} }

func relationship(v any) map[string]any { return map[string]any{"type": "Relationship", "object": v} }

// enum is a word in the dialect of the continuum.
func enum(kind, word string) map[string]any { return relationship("urn:ngsi-ld:" + kind + ":" + word) }

func (w *world) landscape() []any {
	var out []any
	for _, d := range []string{"North", "South"} {
		out = append(out, map[string]any{"id": "urn:ngsi-ld:Domain:" + d, "type": "Domain", "isEntrypoint": property(d == "North")})
		for _, technology := range []string{"Kubernetes", "Docker"} {
			out = append(out, map[string]any{"id": "urn:ngsi-ld:LowLevelOrchestrator:" + d + ":" + technology, "type": "LowLevelOrchestrator",
				"domain": relationship("urn:ngsi-ld:Domain:" + d), "orchestrationType": enum("OrchestrationType", technology)})
		}
	}
	for _, e := range elements {
		out = append(out, w.elementEntity(e, "host-0"))
	}
	for i, s := range services {
		out = append(out, map[string]any{"id": s, "type": "Service", "actionType": property("DEPLOYING"),
			"domainHandler": relationship("urn:ngsi-ld:Domain:" + []string{"North", "South"}[i])})
	}
	for i, p := range ports {
		out = append(out, map[string]any{"id": p, "type": "NetworkPort", "portNumber": property(8000 + i), "portProtocol": property("tcp")})
	}
	return out
}

func elementEntity(e element, hostname string) map[string]any {
	return map[string]any{"id": e.id, "type": "InfrastructureElement", "domain": relationship("urn:ngsi-ld:Domain:" + e.domain),
		"hostname": property(hostname), "containerTechnology": property(e.technology),
		"lowLevelOrchestrator": relationship("urn:ngsi-ld:LowLevelOrchestrator:" + e.domain + ":" + e.technology)}
}
