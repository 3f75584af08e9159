package mapping

import (
	"embed"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Policy limits what rendered objects may be, so that neither a mapping nor an entity can harm the cluster:
// only allowed kinds, in allowed namespaces, that keep every rule. It is immutable and safe for concurrent
// use.
type Policy struct {
	every                    []Allowance // as they were written
	allow                    []Allowance // those that count, with the agent's own namespace filled in
	registries, repositories []string
	namespace                string
	cluster                  string // that some allowances are not for; else empty
	rules                    []policyRule
	// at are the rules for fields of a name; always are those for whole objects. Numbers into rules.
	at     map[string][]int
	always []int
}

// Allowance lets objects of some kinds in.
type Allowance struct {
	// Group is empty for the kinds of Kubernetes' core.
	Group string
	Kinds []string
	// Resources are the plural names of the kinds, in their order, as paths and RBAC have them.
	Resources []string
	// Namespaces may hold "*", which stands for any, and for objects without one.
	Namespaces []string
	// Within are the kinds of objects in which these may be embedded; if it is empty, they stand for
	// themselves and not inside of any other.
	Within []string
	// Clusters are the names of those that the objects may be in; none is any.
	Clusters []string
	// Mappings are those that need the allowance: it counts if one of them is loaded, or if there are none.
	Mappings []string
}

// policyRule is a condition that must hold for each field of some names, or for each object.
type policyRule struct {
	name, policy, file string
	line, column       int
	at                 []string // empty: for each object
	that               *expression
	message            string
}

//go:embed policies/default.yaml
var shippedPolicies embed.FS

// The names of the shipped policy and of the namespace that stands for the agent's own.
const (
	defaultPolicy = "default"
	ownNamespace  = "${" + namespaceVariable + "}"
)

// DefaultPolicy is the shipped policy: the kinds that the shipped mappings need, and nothing privileged. It
// panics if the program was built with a policy file that is wrong, which its tests exclude.
func DefaultPolicy() *Policy {
	p, err := LoadPolicy()
	if err != nil {
		panic(err)
	}
	return p
}

// LoadPolicy compiles the shipped policy and those of the sources into one: allowances add up, and so do lists
// of addresses, those of the shipped one apart, which count while no other has any; a rule takes the place of a
// shipped one of the same name, and a policy that is called default takes the place of the whole shipped one. The error is of type Problems. Until For is called, all mappings count as loaded
// and the agent's namespace is "default".
func LoadPolicy(sources ...Source) (*Policy, error) {
	data, err := shippedPolicies.ReadFile("policies/default.yaml")
	if err != nil {
		return nil, fmt.Errorf("read the shipped policy: %w", err)
	}
	env, err := policyEnvironment()
	if err != nil {
		return nil, err
	}
	shipped := Source{Name: "policies/default.yaml", Data: data, Shipped: true}
	var parts []*policyPart
	var problems Problems
	for _, source := range append([]Source{shipped}, sources...) {
		found, wrong := compilePolicies(source, env)
		parts, problems = append(parts, found...), append(problems, wrong...)
	}
	p, wrong := joinPolicies(parts)
	if problems = append(problems, wrong...); len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	return p.bind(nil, "default"), nil
}

// joinPolicies makes one policy of all; the shipped one is the first part.
func joinPolicies(parts []*policyPart) (*Policy, Problems) {
	var problems Problems
	p := &Policy{}
	names := map[string]*policyPart{}
	for _, part := range parts[1:] {
		if before := names[part.name]; before != nil {
			problems = append(problems, Problem{part.file, part.line, part.column, "metadata.name",
				fmt.Sprintf("the policy %q is in %s too", part.name, before.file)})
		}
		names[part.name] = part
	}
	if names[defaultPolicy] != nil {
		parts = parts[1:]
	}
	for _, part := range parts {
		p.every = append(p.every, part.allow...)
		for _, rule := range part.rules {
			i := slices.IndexFunc(p.rules, func(r policyRule) bool { return r.name == rule.name })
			switch {
			case i < 0:
				p.rules = append(p.rules, rule)
			case !part.shipped && p.rules[i].file == parts[0].file && parts[0].shipped:
				p.rules[i] = rule
			default:
				problems = append(problems, Problem{rule.file, rule.line, rule.column, "spec.rules",
					fmt.Sprintf("the rule %q is in %s too", rule.name, p.rules[i].file)})
			}
		}
	}
	p.registries = joinAddresses(parts, func(part *policyPart) []string { return part.registries })
	p.repositories = joinAddresses(parts, func(part *policyPart) []string { return part.repositories })
	return p, problems
}

// joinAddresses are those of all parts, but of the shipped one only if no other has any.
func joinAddresses(parts []*policyPart, of func(*policyPart) []string) []string {
	var own, shipped []string
	for _, part := range parts {
		if part.shipped {
			shipped = append(shipped, of(part)...)
		} else {
			own = append(own, of(part)...)
		}
	}
	if len(own) == 0 {
		return shipped
	}
	return own
}

// For is the policy of an agent with a set of mappings and a namespace of its own, whichever p was for.
func (p *Policy) For(set *Set, namespace string) *Policy {
	loaded := set.Names()
	return p.bind(func(name string) bool { return slices.Contains(loaded, name) }, namespace)
}

// In is what p allows in the cluster of that name.
func (p *Policy) In(cluster string) *Policy {
	elsewhere := func(a Allowance) bool { return len(a.Clusters) > 0 && !slices.Contains(a.Clusters, cluster) }
	if !slices.ContainsFunc(p.allow, elsewhere) {
		return p
	}
	narrow := *p
	narrow.cluster = cluster
	narrow.allow = slices.DeleteFunc(slices.Clone(p.allow), elsewhere)
	return &narrow
}

// Ever says whether objects of a kind may be in a namespace for the sake of any mapping, loaded or not: they may
// have been made before.
func (p *Policy) Ever(kind schema.GroupKind, namespace string) bool {
	return slices.ContainsFunc(p.every, func(a Allowance) bool {
		names := a.namespaces(p.namespace)
		return a.takes(kind, "") && (slices.Contains(names, "*") || slices.Contains(names, namespace))
	})
}

// Allowed are the allowances that count, with the agent's own namespace filled in. The caller owns them.
func (p *Policy) Allowed() []Allowance {
	allowed := slices.Clone(p.allow)
	for i := range allowed {
		a := &allowed[i]
		a.Kinds, a.Resources, a.Namespaces = slices.Clone(a.Kinds), slices.Clone(a.Resources), slices.Clone(a.Namespaces)
		a.Within, a.Mappings, a.Clusters = slices.Clone(a.Within), slices.Clone(a.Mappings), slices.Clone(a.Clusters)
	}
	return allowed
}

// bind makes the allowances of loaded mappings count, all of them if loaded is nil.
func (p *Policy) bind(loaded func(name string) bool, namespace string) *Policy {
	bound := *p
	bound.namespace, bound.allow = namespace, nil
	for _, a := range p.every {
		if loaded == nil || len(a.Mappings) == 0 || slices.ContainsFunc(a.Mappings, loaded) {
			a.Namespaces = a.namespaces(namespace)
			bound.allow = append(bound.allow, a)
		}
	}
	bound.at, bound.always = map[string][]int{}, nil
	for i, rule := range p.rules {
		for _, name := range rule.at {
			bound.at[name] = append(bound.at[name], i)
		}
		if len(rule.at) == 0 {
			bound.always = append(bound.always, i)
		}
	}
	return &bound
}

// namespaces of an allowance, of which none means the agent's own.
func (a Allowance) namespaces(own string) []string {
	if len(a.Namespaces) == 0 {
		return []string{own}
	}
	names := slices.Clone(a.Namespaces)
	for i, name := range names {
		if name == ownNamespace {
			names[i] = own
		}
	}
	return names
}
