package faults_test

import (
	"fmt"
	"maps"
	"strings"
)

// The example world of these tests: one service in domain Alpha, with elements
// k1 and k2 of Kubernetes and d1 of Docker.
const (
	service = "urn:ngsi-ld:Service:shop"
	k1      = "urn:ngsi-ld:InfrastructureElement:Alpha:k1"
	k2      = "urn:ngsi-ld:InfrastructureElement:Alpha:k2"
	d1      = "urn:ngsi-ld:InfrastructureElement:Alpha:d1"
)

func prop(value any) object { return object{"type": "Property", "value": value} }

func rel(target any) object { return object{"type": "Relationship", "object": target} }

// null takes an attribute away in a merge.
func null() object { return rel("urn:ngsi-ld:null") }

func word(status string) object { return rel("urn:ngsi-ld:ServiceComponentStatus:" + status) }

func world() []object {
	return []object{
		domain("Alpha", true), lowLevel("Alpha", "Kubernetes"), lowLevel("Alpha", "Docker"),
		element(k1, "Kubernetes"), element(k2, "Kubernetes"), element(d1, "Docker"),
		{"id": service, "type": "Service", "name": prop("shop"), "actionType": prop("DEPLOYED"), "domainHandler": rel("urn:ngsi-ld:Domain:Alpha")},
	}
}

func domain(name string, entry bool) object {
	return object{"id": "urn:ngsi-ld:Domain:" + name, "type": "Domain", "isEntrypoint": prop(entry)}
}

func lowLevel(domain, technology string) object {
	return object{
		"id": "urn:ngsi-ld:LowLevelOrchestrator:" + domain + ":" + technology, "type": "LowLevelOrchestrator",
		"domain":            rel("urn:ngsi-ld:Domain:" + domain),
		"orchestrationType": rel("urn:ngsi-ld:OrchestrationType:" + technology),
	}
}

// element is a machine; its domain and host name are in its id.
func element(id, technology string) object {
	parts := strings.Split(strings.TrimPrefix(id, "urn:ngsi-ld:InfrastructureElement:"), ":")
	return object{
		"id": id, "type": "InfrastructureElement", "hostname": prop(strings.Join(parts, "-")),
		"domain":               rel("urn:ngsi-ld:Domain:" + parts[0]),
		"lowLevelOrchestrator": rel("urn:ngsi-ld:LowLevelOrchestrator:" + parts[0] + ":" + technology),
		"containerTechnology":  prop(technology), "currentCpuUsage": prop(7),
	}
}

func componentID(name string) string { return service + ":Component:" + name }

func objectName(name string) string { return "aeros-service-shop-component-" + name }

// component is Starting on k1 unless attrs say otherwise; a nil attribute is
// left out.
func component(name string, attrs object) object {
	c := object{
		"id": componentID(name), "type": "ServiceComponent", "service": rel(service),
		"serviceComponentStatus": word("Starting"), "infrastructureElement": rel(k1),
		"containerImage": prop(image(1)),
	}
	maps.Copy(c, attrs)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func image(version int) string { return fmt.Sprintf("registry.example.org/shop/web:%d", version) }

// components are many alike: c00, c01, …
func components(n int) (names []string, entities []object) {
	for i := range n {
		names = append(names, fmt.Sprintf("c%02d", i))
		entities = append(entities, component(names[i], nil))
	}
	return names, entities
}

func componentIDs(names []string) []string {
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = componentID(name)
	}
	return ids
}
