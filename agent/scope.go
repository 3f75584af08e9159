package agent

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
)

// scopeOf is what the agent looks at in a cluster: the kinds of some mappings, where the policy lets their objects
// stand for themselves. For anything else it would need rights that the allow list does not ask for, and a kind
// that is not allowed is not looked at at all.
func scopeOf(set *mapping.Set, policy *mapping.Policy) llo.Scope {
	scope := llo.Scope{}
	for _, kind := range set.Kinds() {
		for _, a := range policy.Allowed() {
			if len(a.Within) == 0 && a.Group == kind.Group && slices.Contains(a.Kinds, kind.Kind) {
				scope[kind] = append(scope[kind], a.Namespaces...)
			}
		}
		if slices.Contains(scope[kind], "*") {
			scope[kind] = nil // all of them
		}
	}
	return scope
}

// union is both; a kind that is looked at everywhere in one of them is so in both.
func union(a, b llo.Scope) llo.Scope {
	both := maps.Clone(a)
	for kind, namespaces := range b {
		before, there := both[kind]
		switch {
		case !there:
			both[kind] = namespaces
		case len(before) == 0 || len(namespaces) == 0:
			both[kind] = nil
		default:
			both[kind] = slices.Concat(before, namespaces)
		}
	}
	return both
}

func compareKinds(a, b schema.GroupVersionKind) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Version, b.Version))
}
