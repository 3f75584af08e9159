package mapping

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Annotations that every rendered object carries. The values are full URNs, Mapping's apart.
const (
	annotationEntity  = "hlo-agent.github.io/entity"
	annotationService = "hlo-agent.github.io/service"
	annotationElement = "hlo-agent.github.io/element"
	annotationOrigin  = "hlo-agent.github.io/origin"
	annotationMapping = "hlo-agent.github.io/mapping"

	originBroker = "broker"
)

// Input is what one component is rendered from. A linked entity that is not there is nil. Rendering
// changes none of it.
type Input struct {
	Component                              ngsild.Entity
	Element, Orchestrator, Domain, Service *ngsild.Entity
	// Ports are the NetworkPort entities that are there, in the order of networkPorts.
	Ports []ngsild.Entity
}

// Rendered is what a component becomes. The caller owns it.
type Rendered struct {
	// Mapping is the name of the mapping that was chosen.
	Mapping string
	// Objects are complete but for our owner label; the first is the one whose state is the
	// component's.
	Objects []*unstructured.Unstructured
	// Hash tells renderings apart: hex digits over the objects' canonical JSON.
	Hash string
	// Orphan says that the objects stay, as nobody's, when they are not wanted any more.
	Orphan bool
	// Warnings are single lines without secrets.
	Warnings []string
}

// Links are the ids of the entities that rendering a component needs directly: its element, its
// service, its ports, each once. The element in turn links its orchestrator and its domain.
func Links(component *ngsild.Entity) []ngsild.EntityID {
	var links []ngsild.EntityID
	for _, name := range []string{attrElement, attrService, attrPorts} {
		for _, id := range component.Links(name) {
			if !slices.Contains(links, id) {
				links = append(links, id)
			}
		}
	}
	return links
}
