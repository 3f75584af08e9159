package mapping

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// statusRules say what the status of an object means. The first rule whose condition holds decides.
type statusRules struct {
	lets       []let
	rules      []statusRule
	properties []property
}

type statusRule struct {
	when            *expression // nil: always
	phase           template
	reason, message template // nil: none
	silent          bool
}

// property is a further value to write back to the entity.
type property struct {
	name  string
	value template
}

// statusRules compiles the status of an object template.
func (c *compiler) statusRules(n *yaml.Node, path string) *statusRules {
	fields := c.doc.fields(n, path, "let", "rules", "properties")
	s := &statusRules{}
	env, lets := c.lets(c.status, fields["let"], join(path, "let"))
	s.lets = lets
	status := *c // rules see the object, not the entities
	status.status = env
	for i, item := range c.doc.items(fields["rules"], join(path, "rules")) {
		s.rules = append(s.rules, status.statusRule(item, index(join(path, "rules"), i), index("status.rules", i)))
	}
	if fields["properties"] == nil {
		return s
	}
	for _, f := range c.doc.entries(fields["properties"], join(path, "properties")) {
		at := join(join(path, "properties"), f.name)
		if !identifier.MatchString(f.name) || slices.Contains(ownProperties(), f.name) {
			c.doc.problem(f.key, at, "is no name for a property: letters, digits and _, and not one that the agent writes itself")
			continue
		}
		if value := status.template(env, f.value, at, "status.properties."+f.name, 0); value != nil {
			s.properties = append(s.properties, property{f.name, value})
		}
	}
	return s
}

// ownProperties of a component are written by the agent, or are orders to it.
func ownProperties() []string {
	return []string{
		"id", "type", "serviceComponentStatus", "deploymentStatus", "homingDecision", "homingTemplate",
		"orchestrationPaused", "reconcileRequestedAt", "deletePolicy", attrElement, attrService, attrPorts,
	}
}

func (c *compiler) statusRule(n *yaml.Node, path, at string) statusRule {
	fields := c.doc.fields(n, path, "when", "phase", "reason", "message", "silent")
	r := statusRule{silent: c.doc.boolean(fields["silent"], join(path, "silent"))}
	if fields["when"] != nil {
		r.when = c.condition(c.status, fields["when"], join(path, "when"), at+".when")
	}
	if c.doc.required(fields["phase"], n, join(path, "phase")) != "" {
		r.phase = c.text(c.status, fields["phase"], join(path, "phase"), at+".phase")
		c.checkPhase(r.phase, fields["phase"], join(path, "phase"))
	}
	if fields["reason"] != nil {
		r.reason = c.text(c.status, fields["reason"], join(path, "reason"), at+".reason")
	}
	if fields["message"] != nil {
		r.message = c.text(c.status, fields["message"], join(path, "message"), at+".message")
	}
	return r
}

func (c *compiler) checkPhase(t template, n *yaml.Node, path string) {
	plain, isConstant := t.(constant)
	if !isConstant {
		return
	}
	word, _ := plain.value.(string)
	if _, known := observable(word); !known {
		words := make([]string, 0, 7)
		for _, phase := range observablePhases() {
			words = append(words, string(phase))
		}
		c.doc.problem(n, path, "is no phase of an object%s", didYouMean(word, words, "they are "+joinWords(words)))
	}
}

// observablePhases are those that an object can be in; the others are the agent's own.
func observablePhases() []Phase {
	return []Phase{Pending, Progressing, Running, Succeeded, Failed, Removing, Unknown}
}

func observable(word string) (Phase, bool) {
	return Phase(word), slices.Contains(observablePhases(), Phase(word))
}

// Observe reads the state of an object from the object alone; it knows no time. The object is not
// changed. The rules are those of the mapping that rendered the object, or of another one for its kind,
// or, where there are none, the conventions of Kubernetes.
func (s *Set) Observe(object *unstructured.Unstructured) State {
	status, _ := object.Object["status"].(map[string]any)
	state := State{ObservedGeneration: integer(status["observedGeneration"])}
	switch {
	case object.GetDeletionTimestamp() != nil:
		state.Phase, state.Reason = Removing, "Deleting"
	case state.ObservedGeneration != 0 && state.ObservedGeneration < object.GetGeneration():
		state.Phase, state.Reason = Progressing, reasonNotObserved
		state.Message = "the orchestrator has not seen the newest change yet"
	default:
		s.read(&state, object)
	}
	state.Reason, state.Message = line(state.Reason, maxReason), line(state.Message, maxMessage)
	if state.Reason == "" {
		state.Reason = string(state.Phase)
	}
	return state
}

func (s *Set) read(state *State, object *unstructured.Unstructured) {
	rules := s.rulesFor(object)
	if rules == nil || len(rules.rules) == 0 {
		readGeneric(state, object)
		return
	}
	e := rules.evaluation(object)
	for _, rule := range rules.rules {
		applies, err := rule.apply(e, state)
		if err != nil {
			state.Phase, state.Reason, state.Message = Unknown, ReasonExpressionFailed, messageOf(err)
			return
		}
		if applies {
			return
		}
	}
	state.Phase, state.Reason = Progressing, "NoRule"
	state.Message = "no status rule of the mapping is for this status"
}

func (r *statusRules) evaluation(object *unstructured.Unstructured) *evaluation {
	return &evaluation{
		variables: named{objectVariable: adapter{}.NativeToValue(object.Object)}, lets: r.lets,
	}
}

// apply fills state if the rule's condition holds.
func (r statusRule) apply(e *evaluation, state *State) (bool, error) {
	if r.when != nil {
		if holds, err := r.when.holds(e); err != nil || !holds {
			return false, err
		}
	}
	word, err := textFrom(r.phase, e)
	if err != nil {
		return false, err
	}
	phase, known := observable(word)
	if !known {
		return false, nil
	}
	state.Phase, state.Silent = phase, r.silent
	if state.Reason, err = textFrom(r.reason, e); err != nil {
		return false, err
	}
	state.Message, err = textFrom(r.message, e)
	return true, err
}

func textFrom(t template, e *evaluation) (string, error) {
	if t == nil {
		return "", nil
	}
	value, _, err := t.build(e)
	text, _ := asText(value)
	return text, err
}

// rulesFor finds the status rules for an object: by the mapping that it names, else by its kind.
func (s *Set) rulesFor(object *unstructured.Unstructured) *statusRules {
	kind := object.GroupVersionKind()
	name := object.GetAnnotations()[annotationMapping]
	var other *statusRules
	for _, m := range s.mappings {
		for _, o := range m.objects {
			if o.kind != kind {
				continue
			}
			if m.stampOf(o) == name {
				return o.status
			}
			if other == nil {
				other = o.status
			}
		}
	}
	return other
}

// stampOf is the value of an object's mapping annotation.
func (m *definition) stampOf(t objectTemplate) string {
	if t.id == "" {
		return m.name
	}
	return m.name + "/" + t.id
}

// Properties are the further properties that the mapping of an object wants written back to its entity,
// from the object alone: nil if there are none. One that cannot be computed is left out.
func (s *Set) Properties(object *unstructured.Unstructured) map[string]any {
	rules := s.rulesFor(object)
	if rules == nil || len(rules.properties) == 0 {
		return nil
	}
	e := rules.evaluation(object)
	properties := map[string]any{}
	for _, p := range rules.properties {
		// What the status does not hold yet, or holds in another shape, is simply not known.
		if value, present, err := p.value.build(e); err == nil && present {
			properties[p.name] = value
		}
	}
	if len(properties) == 0 {
		return nil
	}
	return properties
}

// PropertyNames are the names of all further properties that the set may write back, sorted.
func (s *Set) PropertyNames() []string {
	names := map[string]bool{}
	for _, m := range s.mappings {
		for _, o := range m.objects {
			if o.status == nil {
				continue
			}
			for _, p := range o.status.properties {
				names[p.name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
