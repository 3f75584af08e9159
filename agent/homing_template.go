package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// templateText is the service's own template: text in YAML or JSON, or a JSON
// value. Empty if it has none.
func templateText(service *ngsild.Entity) string {
	switch value := service.Attrs[attrTemplate].Value.(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(value)
	default:
		text, err := json.Marshal(value)
		if err != nil {
			return ""
		}
		return string(text)
	}
}

// parse makes the problem: the service's own template with what is fixed
// already, or one made of the components' requirements. names are the demands
// of those who asked.
func (q *question) parse() (t *homing.Template, names map[ngsild.EntityID]string, wrong []*homing.PathError) {
	if q.template != "" {
		return q.parseOwn()
	}
	names = map[ngsild.EntityID]string{}
	var needs []homing.Need
	for _, id := range slices.Sorted(maps.Keys(q.asks)) {
		a := q.asks[id]
		names[id] = string(id)
		needs = append(needs, homing.Need{Demand: string(id), Requirements: q.requirements[a.requirements], Existing: a.existing(), Avoid: a.avoid()})
	}
	t, wrong = homing.Parse(homing.Generate(needs), nil, nil)
	return t, names, wrong
}

// existing is the present element, where it is no reason to leave it.
func (a *ask) existing() string {
	if a.cause == causeOverload {
		return ""
	}
	return string(a.from)
}

// avoid are elements that shall not be chosen: the overloaded one, and those on
// which the component did not come up before.
func (a *ask) avoid() []string {
	var ids []string
	if a.cause == causeOverload {
		ids = append(ids, string(a.from))
	}
	return append(ids, strings.Fields(a.notOn)...)
}

// parseOwn reads the service's template. Its demands are named as the
// components are, by id or by what follows :Component: in it. Components that
// do not ask are taken as placed where they are.
func (q *question) parseOwn() (*homing.Template, map[ngsild.EntityID]string, []*homing.PathError) {
	if _, wrong := homing.Parse([]byte(listed(q.template)), nil, nil); len(wrong) > 0 {
		return nil, nil, wrong
	}
	var document map[string]any
	if err := yaml.Unmarshal([]byte(listed(q.template)), &document); err != nil {
		return nil, nil, []*homing.PathError{{Message: err.Error()}}
	}
	demands, _ := document["demands"].(map[string]any)
	names, wrong := q.named(demands)
	if len(wrong) > 0 {
		return nil, nil, wrong
	}
	for id, name := range names {
		list, _ := demands[name].([]any)
		for _, item := range list {
			if requirement, ok := item.(map[string]any); ok {
				q.fix(requirement, id)
			}
		}
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, nil, []*homing.PathError{{Message: err.Error()}}
	}
	t, wrong := homing.Parse(text, nil, nil)
	return t, names, wrong
}

// listed puts back the brackets of lists of one, which brokers take away from
// requirements of a demand in a JSON value.
func listed(template string) string {
	var document map[string]any
	if !strings.HasPrefix(template, "{") || json.Unmarshal([]byte(template), &document) != nil {
		return template
	}
	demands, _ := document["demands"].(map[string]any)
	whole := true
	for name, requirement := range demands {
		if _, single := requirement.(map[string]any); single {
			demands[name], whole = []any{requirement}, false
		}
	}
	if whole {
		return template
	}
	text, err := json.Marshal(document)
	if err != nil {
		return template
	}
	return string(text)
}

// named finds the demand of every component, and reports demands that are no
// component's and components without one.
func (q *question) named(demands map[string]any) (map[ngsild.EntityID]string, []*homing.PathError) {
	names, used := map[ngsild.EntityID]string{}, map[string]bool{}
	var wrong []*homing.PathError
	all := slices.AppendSeq(slices.Collect(maps.Keys(q.asks)), maps.Keys(q.others))
	slices.Sort(all)
	for _, id := range all {
		name := string(id)
		if _, ok := demands[name]; !ok {
			_, name, _ = strings.Cut(name, ":Component:")
		}
		if _, ok := demands[name]; ok {
			names[id], used[name] = name, true
		} else if _, asks := q.asks[id]; asks {
			wrong = append(wrong, &homing.PathError{Path: "demands", Message: fmt.Sprintf("no demand for component %s: accepted is its id, or what follows :Component: in it", id)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(demands)) {
		if !used[name] {
			wrong = append(wrong, &homing.PathError{Path: "demands." + name, Message: "no component of the service has this name"})
		}
	}
	return names, wrong
}

// fix adds to a requirement what is known of the component's place.
func (q *question) fix(requirement map[string]any, id ngsild.EntityID) {
	a, asks := q.asks[id]
	if on := q.others[id]; !asks && on != "" {
		requirement["required_candidates"] = []any{map[string]any{"candidate_id": string(on)}}
		requirement["existing_placement"] = map[string]any{"candidate_id": string(on)}
		delete(requirement, "excluded_candidates")
		return
	}
	if existing := a.existing(); existing != "" {
		requirement["existing_placement"] = map[string]any{"candidate_id": existing}
	}
	var excluded []any
	switch had := requirement["excluded_candidates"].(type) {
	case []any:
		excluded = had
	case nil:
	default:
		excluded = []any{had}
	}
	for _, avoid := range a.avoid() {
		excluded = append(excluded, map[string]any{"candidate_id": avoid})
	}
	if len(excluded) > 0 {
		requirement["excluded_candidates"] = excluded
	}
}
