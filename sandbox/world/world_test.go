package world

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/sandbox/orchestrator"
)

type attribute struct {
	Type   string
	Value  any
	Object any
}

type entity struct {
	id, kind string
	attrs    map[string]attribute
}

func decode(t *testing.T, text []byte) entity {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	e := entity{attrs: map[string]attribute{}}
	for name, raw := range fields {
		var target any = &attribute{}
		switch name {
		case "id":
			target = &e.id
		case "type":
			target = &e.kind
		}
		if err := json.Unmarshal(raw, target); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if a, ok := target.(*attribute); ok {
			e.attrs[name] = *a
		}
	}
	return e
}

func example(t *testing.T) map[string]entity {
	t.Helper()
	var all []json.RawMessage
	if err := json.Unmarshal(Entities(), &all); err != nil {
		t.Fatal(err)
	}
	return index(t, all)
}

func index(t *testing.T, all []json.RawMessage) map[string]entity {
	t.Helper()
	found := map[string]entity{}
	for _, text := range all {
		e := decode(t, text)
		if _, twice := found[e.id]; twice {
			t.Errorf("%s is there twice", e.id)
		}
		found[e.id] = e
	}
	return found
}

func (e entity) links(name string) []string {
	switch target := e.attrs[name].Object.(type) {
	case string:
		return []string{target}
	case []any:
		var all []string
		for _, item := range target {
			all = append(all, item.(string))
		}
		return all
	}
	return nil
}

// dangling are links to entities that are not there, apart from enumerations, which often are not stored.
func dangling(all map[string]entity, within ...string) []string {
	var missing []string
	for _, e := range all {
		for name := range e.attrs {
			for _, target := range e.links(name) {
				kind := strings.SplitN(strings.TrimPrefix(target, "urn:ngsi-ld:"), ":", 2)[0]
				if strings.HasSuffix(target, ":InfrastructureElementRequirements") {
					kind = "InfrastructureElementRequirements"
				}
				if _, there := all[target]; !there && slices.Contains(within, kind) {
					missing = append(missing, e.id+" "+name+" "+target)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func TestExampleIsConsistent(t *testing.T) {
	t.Parallel()
	all := example(t)
	linked := []string{"Organization", "Domain", "LowLevelOrchestrator", "InfrastructureElement", "PowerSource", "Service",
		"ServiceComponent", "NetworkPort", "InfrastructureElementRequirements"}
	if missing := dangling(all, linked...); len(missing) > 0 {
		t.Errorf("links to nowhere:\n%s", strings.Join(missing, "\n"))
	}
	got := map[string]int{}
	for _, e := range all {
		got[e.kind]++
		for name, a := range e.attrs {
			if !slices.Contains([]string{"Property", "Relationship", "GeoProperty"}, a.Type) {
				t.Errorf("%s %s: type %q", e.id, name, a.Type)
			}
			if (a.Type == "Relationship") != (a.Object != nil) {
				t.Errorf("%s %s: a %s with value %v and object %v", e.id, name, a.Type, a.Value, a.Object)
			}
		}
	}
	want := map[string]int{"Domain": 2, "InfrastructureElement": 4, "InfrastructureElementRequirements": 10,
		"LowLevelOrchestrator": 3, "NetworkPort": 9, "Organization": 2, "PowerSource": 1, "Service": 2,
		"ServiceComponent": 10}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entities by type (-want +got):\n%s", diff)
	}
}

// What is expected must follow from what the entities say, not from what somebody hopes.
func TestExpectationsFollowFromTheEntities(t *testing.T) {
	t.Parallel()
	components, services := map[string]string{}, map[string]string{}
	var used strings.Builder
	all := example(t)
	for _, e := range all {
		if e.kind == "Service" {
			services[e.id] = "DEPLOYED"
		}
	}
	for _, e := range all {
		if e.kind != "ServiceComponent" {
			continue
		}
		image := e.attrs["containerImage"].Value.(string)
		used.WriteString(image + " ")
		switch {
		case strings.Contains(image, "sim-fails"):
			components[e.id] = "Failed"
			services[e.links("service")[0]] = "DEPLOYING"
		case e.attrs["isJob"].Value == true:
			components[e.id] = "Finished"
		default:
			components[e.id] = "Running"
		}
		status, _ := e.attrs["serviceComponentStatus"].Value.(string)
		if target := e.links("serviceComponentStatus"); len(target) == 1 {
			status = strings.TrimPrefix(target[0], "urn:ngsi-ld:ServiceComponentStatus:")
		}
		if status != "Starting" {
			t.Errorf("%s is %q, want Starting", e.id, status)
		}
		if len(e.links("infrastructureElement")) != 0 {
			t.Errorf("%s is placed already", e.id)
		}
	}
	if diff := cmp.Diff(components, Expected()); diff != "" {
		t.Errorf("components (-from entities +expected):\n%s", diff)
	}
	if diff := cmp.Diff(services, ExpectedServices()); diff != "" {
		t.Errorf("services (-from entities +expected):\n%s", diff)
	}
	if Expected()[Poke()] != "Running" {
		t.Errorf("%s is no running component", Poke())
	}
	known := map[string]bool{}
	for _, w := range orchestrator.Words() {
		known[w.Word] = true
	}
	rest := used.String()
	for _, word := range slices.Sorted(maps.Keys(known)) {
		rest = strings.ReplaceAll(rest, word, "")
	}
	if strings.Contains(rest, "sim-") {
		t.Errorf("a word that the orchestrators do not know in %s", used.String())
	}
	shown := []string{"sim-fails", "sim-slow", "sim-conditions", "sim-no-generation", "sim-holds-delete", "sim-degrades"}
	for _, word := range shown {
		if !strings.Contains(used.String(), word) {
			t.Errorf("no component shows %s", word)
		}
	}
}

func TestWhatIsGivenIsTheCallers(t *testing.T) {
	t.Parallel()
	Entities()[0] = 'x'
	if Entities()[0] != '[' {
		t.Error("a caller changed the example")
	}
	Expected()[Poke()] = "x"
	if Expected()[Poke()] != "Running" {
		t.Error("a caller changed the expectations")
	}
}
