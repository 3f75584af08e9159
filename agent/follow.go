package agent

import (
	"maps"
	"slices"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// followed are the types of entities that rendering and ownership depend on,
// with the attributes that do so; nil is all of them. Everything else in them,
// load figures above all, is neither subscribed to nor kept. It is immutable.
type followed struct{ of map[string][]string }

// follow is what the loop itself reads of linked entities, and what the mappings do.
func follow(set *mapping.Set) *followed {
	f := map[string][]string{
		typeElement:            {"domain", "lowLevelOrchestrator", attrElementStatus, "hostname", "containerTechnology"},
		"LowLevelOrchestrator": {"domain", "orchestrationType"},
		"NetworkPort":          {"portNumber", "portProtocol"},
		typeService:            {"domainHandler", attrAction, attrTemplate, attrOverlay},
		typeDomain:             {"isEntrypoint", "publicUrl", "publicKey"},
	}
	read := set.Attributes()
	for role, typ := range map[string]string{"element": typeElement, "orchestrator": "LowLevelOrchestrator",
		"port": "NetworkPort", "service": typeService, "domain": typeDomain} {
		names, known := read[role]
		if known && names == nil {
			f[typ] = nil
			continue
		}
		f[typ] = append(f[typ], names...)
		slices.Sort(f[typ])
		f[typ] = slices.Compact(f[typ])
	}
	return &followed{f}
}

// types are the followed types, sorted.
func (f *followed) types() []string {
	names := slices.AppendSeq([]string{}, maps.Keys(f.of))
	slices.Sort(names)
	return names
}

// attributes are all followed attributes, sorted; nil if all of some type are.
func (f *followed) attributes() []string {
	var names []string
	for _, typ := range f.types() {
		if f.of[typ] == nil {
			return nil
		}
		names = append(names, f.of[typ]...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
