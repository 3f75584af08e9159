package mapping

import (
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	attrElement      = "infrastructureElement"
	attrService      = "service"
	attrPorts        = "networkPorts"
	attrOrchestrator = "lowLevelOrchestrator"
	attrDomain       = "domain"
)

// entities are the variables of mappings: a component and what it links to, as expressions see them.
type entities struct {
	component, element, orchestrator, domain, service entityValue
	ports                                             portList
	namespace                                         types.String
}

// variable implements variables.
func (v *entities) variable(name string) any {
	switch name {
	case "component":
		return &v.component
	case "element":
		return &v.element
	case "orchestrator":
		return &v.orchestrator
	case "domain":
		return &v.domain
	case "service":
		return &v.service
	case portsVariable:
		return &v.ports
	case namespaceVariable:
		return v.namespace
	}
	return nil
}

func variablesOf(in *Input, namespace string) *entities {
	c := &in.Component
	v := &entities{
		component:    entityValue{entity: c, kind: componentKind},
		element:      linkedValue(in.Element, c, attrElement, elementKind),
		orchestrator: linkedValue(in.Orchestrator, in.Element, attrOrchestrator, orchestratorKind),
		domain:       linkedValue(in.Domain, in.Element, attrDomain, domainKind),
		service:      serviceValue(in),
		namespace:    types.String(namespace),
	}
	v.ports.fill(in)
	return v
}

func gone(e *ngsild.Entity) bool { return e == nil || e.Deleted }

// linkedValue is the entity that from links to by name: there, missing, or not linked at all.
func linkedValue(e, from *ngsild.Entity, name string, kind entityKind) entityValue {
	if !gone(e) {
		return entityValue{entity: e, kind: kind}
	}
	if from != nil {
		if links := from.Links(name); len(links) > 0 {
			return missingValue(links[0], name, kind)
		}
	}
	return noEntity(kind)
}

func serviceValue(in *Input) entityValue {
	if !gone(in.Service) {
		return entityValue{entity: in.Service, kind: serviceKind}
	}
	if id := serviceOf(&in.Component); id != "" {
		return missingValue(ngsild.EntityID(id), attrService, serviceKind)
	}
	return noEntity(serviceKind)
}

// serviceOf is the id of a component's service: the relationship, else what stands before
// ":Component:" in its own id.
func serviceOf(c *ngsild.Entity) string {
	if links := c.Links(attrService); len(links) > 0 {
		return string(links[0])
	}
	before, _, found := strings.Cut(string(c.ID), ":Component:")
	if !found {
		return ""
	}
	return before
}

func missingValue(id ngsild.EntityID, name string, kind entityKind) entityValue {
	return entityValue{entity: &ngsild.Entity{ID: id}, kind: kind, missing: name}
}

// missing is the error for an entity that a link by name leads to in vain.
func missing(id ngsild.EntityID, name string) *Error {
	what, reason := "", ""
	switch name {
	case attrElement:
		what, reason = "element", ReasonElementMissing
	case attrOrchestrator:
		what, reason = "orchestrator", ReasonOrchestratorMissing
	case attrDomain:
		what, reason = "domain", ReasonDomainMissing
	case attrService:
		what, reason = "service", ReasonServiceMissing
	case attrPorts:
		what, reason = "network port", ReasonPortMissing
	}
	return &Error{
		Entity: id, Field: name, Reason: reason, Message: what + " " + string(id) + " is not there", Err: ErrPending,
	}
}

// portList is the list of a component's ports, in the order of networkPorts, each once.
type portList struct {
	traits.Lister
	ports []entityValue
}

// fill makes the list of a component's ports.
func (l *portList) fill(in *Input) {
	links := in.Component.Links(attrPorts)
	l.ports = make([]entityValue, 0, len(links))
	for i, id := range links {
		if slices.Contains(links[:i], id) {
			continue
		}
		value := missingValue(id, attrPorts, portKind)
		if port := portOf(in, id); port != nil {
			value = entityValue{entity: port, kind: portKind}
		}
		l.ports = append(l.ports, value)
	}
	values := make([]ref.Val, len(l.ports))
	for i := range l.ports {
		values[i] = &l.ports[i]
	}
	l.Lister = types.NewRefValList(adapter{}, values)
}

func portOf(in *Input, id ngsild.EntityID) *ngsild.Entity {
	for i := range in.Ports {
		if in.Ports[i].ID == id && !in.Ports[i].Deleted {
			return &in.Ports[i]
		}
	}
	return nil
}

// ports of the evaluation, there or not.
func (e *evaluation) ports() []entityValue {
	list, _ := e.variables.variable(portsVariable).(*portList)
	return list.ports
}
