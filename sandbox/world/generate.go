package world

import (
	"encoding/json"
	"fmt"
)

const (
	perService = 50 // components
	elements   = 20 // every fourth a Docker one
)

// Load is a generated world, for measurements. Every item is one entity in normalized form.
type Load struct {
	// Base is what the components link to, in order: domain, orchestrators, elements, services, ports.
	Base []json.RawMessage
	// Components are placed and Starting, about 1 KB each, with variables and arguments. Their ids sort in order.
	Components []json.RawMessage
}

// LoadOptions change what Generate makes. The zero value is what measurements use.
type LoadOptions struct {
	Ports int    // NetworkPorts of each component; default none
	Image string // default an image without a word for the simulated orchestrators
}

// object is an entity or attribute; encoding/json writes its keys in order, so the same load is the same bytes.
type object = map[string]any

// Generate makes n components, spread evenly over 20 elements and in services of 50. The same arguments give
// the same bytes.
func Generate(n int, o LoadOptions) Load {
	if o.Image == "" {
		o.Image = "registry.example.org/load/worker:1.0.0"
	}
	load := Load{Base: infrastructure()}
	var ports []json.RawMessage
	for i := range n {
		if i%perService == 0 {
			load.Base = append(load.Base, service(i/perService))
		}
		var ids []string
		for p := range o.Ports {
			id := fmt.Sprintf("urn:ngsi-ld:NetworkPort:%06x%02x", i, p)
			ids = append(ids, id)
			ports = append(ports, encode(object{
				"id": id, "type": "NetworkPort", "portNumber": property(8000 + p), "portProtocol": property("tcp"),
			}))
		}
		load.Components = append(load.Components, component(i, ids, o.Image))
	}
	load.Base = append(load.Base, ports...)
	return load
}

func infrastructure() []json.RawMessage {
	const domain = "urn:ngsi-ld:Domain:Load"
	all := []json.RawMessage{encode(object{
		"id": domain, "type": "Domain", "isEntrypoint": property(true),
		"publicUrl":    property("https://load.example.org"),
		"domainStatus": relationship("urn:ngsi-ld:DomainStatus:Functional"),
	})}
	for _, technology := range []string{"Kubernetes", "Docker"} {
		all = append(all, encode(object{
			"id": "urn:ngsi-ld:LowLevelOrchestrator:Load:" + technology, "type": "LowLevelOrchestrator",
			"domain":            relationship(domain),
			"orchestrationType": relationship("urn:ngsi-ld:OrchestrationType:" + technology),
		}))
	}
	for i := range elements {
		technology := "Kubernetes"
		if i%4 == 3 {
			technology = "Docker"
		}
		all = append(all, encode(object{
			"id": element(i), "type": "InfrastructureElement",
			"domain":               relationship(domain),
			"lowLevelOrchestrator": relationship("urn:ngsi-ld:LowLevelOrchestrator:Load:" + technology),
			"containerTechnology":  property(technology),
			"hostname":             property(fmt.Sprintf("load-%02d", i)),
			"internalIpAddress":    property(fmt.Sprintf("10.70.0.%d", i+1)),
			"cpuCores":             property(16),
			"currentCpuUsage":      property(20 + i),
			"ramCapacity":          property(65536),
			"availableRam":         property(32768),
			"cpuArchitecture":      relationship("urn:ngsi-ld:CpuArchitecture:AMD64"),

			"infrastructureElementStatus": relationship("urn:ngsi-ld:InfrastructureElementStatus:Ready"),
		}))
	}
	return all
}

func element(i int) string {
	return fmt.Sprintf("urn:ngsi-ld:InfrastructureElement:Load:02c3000000%02x", i)
}

func serviceID(i int) string { return fmt.Sprintf("urn:ngsi-ld:Service:load-%05d", i) }

func service(i int) json.RawMessage {
	return encode(object{
		"id": serviceID(i), "type": "Service",
		"name":          property("aeriOS_service_" + serviceID(i)),
		"description":   property("Generated for a measurement"),
		"domainHandler": relationship("urn:ngsi-ld:Domain:Load"),
		"actionType":    property("DEPLOYING"),
		"hasOverlay":    property(false),
	})
}

func component(i int, ports []string, image string) json.RawMessage {
	id := fmt.Sprintf("%s:Component:worker-%06d", serviceID(i/perService), i)
	e := object{
		"id": id, "type": "ServiceComponent",
		"service":                relationship(serviceID(i / perService)),
		"serviceComponentStatus": relationship("urn:ngsi-ld:ServiceComponentStatus:Starting"),
		"infrastructureElement":  relationship(element(i % elements)),
		"containerImage":         property(image),
		"exposePorts":            property(len(ports) > 0),
		"isJob":                  property(false),
		"isPrivate":              property(false),
		"envVars": pairs("WORKER_INDEX", fmt.Sprint(i), "QUEUE_URL", "amqp://queue.example.org:5672/work",
			"LOG_LEVEL", "info", "REGION", "south"),
		"cliArgs": pairs("--listen", "0.0.0.0:8000", "--batch-size", "32", "--verbose", ""),

		"infrastructureElementRequirements": relationship(id + ":InfrastructureElementRequirements"),
	}
	if len(ports) > 0 {
		e["networkPorts"] = relationship(ports)
	}
	return encode(e)
}

func property(value any) object { return object{"type": "Property", "value": value} }

func relationship(target any) object { return object{"type": "Relationship", "object": target} }

func pairs(keysAndValues ...string) object {
	var list []object
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		list = append(list, object{"key": keysAndValues[i], "value": keysAndValues[i+1]})
	}
	return property(list)
}

// encode cannot fail: what is given to it are maps, lists, texts, numbers and booleans.
func encode(e object) json.RawMessage {
	text, _ := json.Marshal(e)
	return text
}
