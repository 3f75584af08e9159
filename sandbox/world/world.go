package world

import (
	_ "embed"
	"slices"
)

//go:embed world.json
var entities []byte

// The parts of the ids that the tables below have in common.
const (
	reefer  = "urn:ngsi-ld:Service:reefer"
	sorting = "urn:ngsi-ld:Service:4f1c7a90be52"
	part    = ":Component:"
)

// Entities is the example world as a JSON array in normalized form, good for one batch create: what an entity
// links to comes before it. The caller owns it.
func Entities() []byte { return slices.Clone(entities) }

// Expected is, by entity id, the serviceComponentStatus (without its prefix) that each component comes to and
// stays at. The caller owns it.
func Expected() map[string]string {
	return map[string]string{
		reefer + part + "ingest_broker":  "Running",
		reefer + part + "dashboard":      "Running",
		reefer + part + "alarms":         "Running",
		reefer + part + "customs-link":   "Running",
		reefer + part + "report":         "Finished",
		sorting + part + "camera-gw":     "Running",
		sorting + part + "inference":     "Running",
		sorting + part + "belt-control":  "Running",
		sorting + part + "label-printer": "Failed",
		sorting + part + "retrain":       "Finished",
	}
}

// ExpectedServices is, by entity id, the actionType that each service comes to: DEPLOYED only where every
// component runs or is a finished job. The caller owns it.
func ExpectedServices() map[string]string {
	return map[string]string{reefer: "DEPLOYED", sorting: "DEPLOYING"}
}

// Poke is the id of a component on which people are invited to try things: it runs, as a plain container.
func Poke() string { return reefer + part + "dashboard" }
