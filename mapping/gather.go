package mapping

import "github.com/hlo-agent/hlo-agent/ngsild"

// Gather follows a component's links, by find, which returns nil for an entity that is not there. It
// asks for each entity at most once.
func Gather(component ngsild.Entity, find func(ngsild.EntityID) *ngsild.Entity) Input {
	in := Input{Component: component}
	linked := func(from *ngsild.Entity, name string) *ngsild.Entity {
		if from == nil {
			return nil
		}
		if links := from.Links(name); len(links) > 0 {
			return find(links[0])
		}
		return nil
	}
	in.Element = linked(&component, attrElement)
	in.Orchestrator = linked(in.Element, attrOrchestrator)
	in.Domain = linked(in.Element, attrDomain)
	if service := serviceOf(&component); service != "" {
		in.Service = find(ngsild.EntityID(service))
	}
	seen := map[ngsild.EntityID]bool{}
	for _, id := range component.Links(attrPorts) {
		if seen[id] {
			continue
		}
		seen[id] = true
		if port := find(id); port != nil {
			in.Ports = append(in.Ports, *port)
		}
	}
	return in
}
