package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
)

// rules are what objects come out of entities, what may come out, and what has
// to be read for it. They are immutable, and replaced as a whole: a pass works
// with the ones that it began with.
type rules struct {
	*mapping.Set
	policy   *mapping.Policy
	followed *followed
}

// scope is which kinds may be where in a cluster.
func (u *rules) scope(cluster string) llo.Scope { return scopeOf(u.Set, u.policy.In(cluster)) }

// ruleTexts are the files that rules are made of.
type ruleTexts struct{ mappings, policies []mapping.Source }

// readRules reads what MAPPINGS and POLICY name.
func readRules(cfg *Config) (ruleTexts, error) {
	mappings, err := mappingSources(cfg.Mappings)
	if err != nil {
		return ruleTexts{}, fmt.Errorf("MAPPINGS: %w", err)
	}
	policies, err := mapping.ReadPaths(cfg.Policies...)
	if err != nil {
		return ruleTexts{}, fmt.Errorf("POLICY: %w", err)
	}
	return ruleTexts{mappings, policies}, nil
}

// compile makes rules of texts. The policy is that of exactly these mappings
// and of the agent's namespace.
func (t ruleTexts) compile(cfg *Config) (*rules, error) {
	set, err := mapping.Load(t.mappings...)
	if err != nil {
		return nil, fmt.Errorf("MAPPINGS:\n%w", err)
	}
	policy, err := mapping.LoadPolicy(t.policies...)
	if err != nil {
		return nil, fmt.Errorf("POLICY:\n%w", err)
	}
	return newRules(set, policy.For(set, cfg.Namespace)), nil
}

// digest is the same for the same texts.
func (t ruleTexts) digest() string {
	h := sha256.New()
	for _, sources := range [][]mapping.Source{t.mappings, t.policies} {
		fmt.Fprintln(h, len(sources))
		for _, s := range sources {
			fmt.Fprintf(h, "%q %d\n", s.Name, len(s.Data))
			h.Write(s.Data) // never fails
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func loadRules(cfg *Config) (*rules, error) {
	texts, err := readRules(cfg)
	if err != nil {
		return nil, err
	}
	return texts.compile(cfg)
}

func newRules(set *mapping.Set, policy *mapping.Policy) *rules {
	return &rules{Set: set, policy: policy, followed: follow(set)}
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

// replaceRules takes other rules into use while the loop runs. The kinds that
// come are followed before the first pass needs them, and those that go until
// the last that needed them has begun anew.
func (s *service) replaceRules(ctx context.Context, now *rules) {
	before := s.rules()
	s.clusters.follow(func(name string) llo.Scope { return union(before.scope(name), now.scope(name)) })
	s.use(now)
	s.clusters.follow(now.scope)
	select {
	case s.relook <- struct{}{}: // what is subscribed to may be another thing now
	default:
	}
	s.pace(ctx, s.tracker.ids())
}
