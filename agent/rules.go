package agent

import (
	"fmt"
	"slices"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// rules are what objects come out of entities, what may come out, and what has
// to be read for it. They are immutable, and replaced as a whole: a pass works
// with the ones that it began with.
type rules struct {
	*mapping.Set
	policy     *mapping.Policy
	followed   *followed
	namespaces []string // that objects may be in; none is all
}

// loadRules loads what MAPPINGS and POLICY name. The policy is that of exactly
// these mappings and of the agent's namespace.
func loadRules(cfg *Config) (*rules, error) {
	set, err := loadMappings(cfg.Mappings)
	if err != nil {
		return nil, fmt.Errorf("MAPPINGS:\n%w", err)
	}
	sources, err := mapping.ReadPaths(cfg.Policies...)
	if err != nil {
		return nil, fmt.Errorf("POLICY: %w", err)
	}
	policy, err := mapping.LoadPolicy(sources...)
	if err != nil {
		return nil, fmt.Errorf("POLICY:\n%w", err)
	}
	return newRules(set, policy.For(set, cfg.Namespace), cfg.Namespace), nil
}

func newRules(set *mapping.Set, policy *mapping.Policy, namespace string) *rules {
	return &rules{Set: set, policy: policy, followed: follow(set), namespaces: namespacesOf(policy, namespace)}
}

// namespacesOf are the agent's own and those that the policy lets objects be in.
func namespacesOf(policy *mapping.Policy, own string) []string {
	names := []string{own}
	for _, a := range policy.Allowed() {
		if slices.Contains(a.Namespaces, "*") {
			return nil
		}
		names = append(names, a.Namespaces...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// use makes rules the ones that the next pass begins with. Passes that have
// begun end with the ones before; every component is to be queued after it.
func (r *reconciler) use(now *rules) {
	r.tracker.leaveOut(now.PropertyNames())
	r.links.refollow(now.followed)
	r.current.Store(now)
}

// rules are the ones in use. They are there before the first pass.
func (r *reconciler) rules() *rules { return r.current.Load() }
