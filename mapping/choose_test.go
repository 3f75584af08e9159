package mapping_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// like is a mapping with one ConfigMap; spec are further lines of its spec, object of its object.
func like(name, spec, object string) mapping.Source {
	text := `apiVersion: hlo-agent.github.io/v1alpha1
kind: Mapping
metadata: {name: ` + name + `}
spec:
` + indent(spec, "  ") + `
  objects:
  - object:
      apiVersion: v1
      kind: ConfigMap
      metadata:
        name: ` + name + `
` + indent(object, "      ")
	return mapping.Source{Name: name + ".yaml", Data: []byte(text)}
}

func indent(text, by string) string {
	if text == "" {
		return ""
	}
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}

func TestChoice(t *testing.T) {
	t.Parallel()
	// Every way to say the same: none of it may depend on how a condition is indexed.
	for _, c := range []struct {
		name     string
		mappings map[string]string // spec by name
		want     string            // the mapping chosen, or the error
	}{
		{"equal", map[string]string{"a": `when: ['element.hostname == "h1"']`, "b": `when: ['element.hostname == "h2"']`}, "a"},
		{"turned round", map[string]string{"a": `when: ['"h1" == element.hostname']`, "b": `when: ['"x" == element.hostname']`}, "a"},
		{"one of", map[string]string{"a": `when: ['element.hostname in ["h0", "h1"]']`, "b": `when: ['element.hostname in ["h2"]']`}, "a"},
		{"presence", map[string]string{"a": "when: [has(element.hostname)]", "b": "when: [has(element.gpu)]"}, "a"},
		{"presence of the id", map[string]string{"a": "when: [has(element.id)]", "b": "when: [has(element.gpu)]"}, "a"},
		{"and", map[string]string{"a": `when: ['1 < 2 && element.hostname == "h1"']`, "b": `when: ['1 > 2 && element.hostname == "h1"']`}, "a"},
		{"all of several", map[string]string{"a": `when: [has(element.hostname), 'element.hostname != "h2"']`,
			"b": `when: [has(element.hostname), 'element.hostname == "h2"']`}, "a"},
		{"named", map[string]string{"a": "let: {x: text(element.hostname)}\nwhen: ['x == \"h1\"']", "b": "let: {x: text(element.hostname)}\nwhen: ['x == \"h2\"']"}, "a"},
		{"one name, other meaning", map[string]string{"a": "let: {x: text(element.hostname)}\nwhen: ['x == \"h1\"']",
			"b": "let: {x: '\"h\" + \"2\"'}\nwhen: ['x == \"h1\"']"}, "a"},
		{"name of a name", map[string]string{"a": "let: {y: text(element.hostname), x: y}\nwhen: ['x == \"h1\"']",
			"b": "let: {y: '\"z\"', x: y}\nwhen: ['x == \"h1\"']"}, "a"},
		{"other", map[string]string{"a": `when: ['element.hostname.startsWith("h")']`, "b": `when: ['element.hostname.endsWith("h")']`}, "a"},
		{"no condition", map[string]string{"a": ""}, "a"},
		{"priority", map[string]string{"a": "priority: 1", "b": "priority: 2", "c": "priority: -1"}, "b"},
		{"priority before condition", map[string]string{"a": "", "b": "priority: 1\nwhen: [has(element.gpu)]"}, "a"},
		{"absent is false", map[string]string{"a": "", "b": `{priority: 1, when: ['element.gpuMemory > 5']}`}, "a"},
		{"absent negated is false too", map[string]string{"a": "", "b": `{priority: 1, when: ['!(element.gpuMemory > 5)']}`}, "a"},
		{"false decides over an error", map[string]string{"a": "", "b": `{priority: 1, when: ['element.hostname > 5', 'element.hostname == "h2"']}`}, "a"},
		{"tie", map[string]string{"a": "", "b": "when: [has(element.hostname)]"},
			`MappingTie: the mappings "a" and "b" are both for it, with the same priority`},
		{"tie below the chosen one", map[string]string{"a": "priority: 1", "b": "", "c": ""}, "a"},
		{"none", map[string]string{"a": "when: ['false']"},
			`UnknownTechnology: no mapping for technology "Kubernetes" of ` + elementID},
		{"error", map[string]string{"a": `when: ['element.hostname > 5']`},
			`ExpressionFailed: mapping "a" when[0]: no such overload: ${element.hostname > 5}`},
		{"error below the chosen one", map[string]string{"a": `when: ['element.hostname > 5']`, "b": "priority: 1"}, "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var sources []mapping.Source
			for name, spec := range c.mappings {
				spec = strings.TrimSuffix(strings.TrimPrefix(spec, "{"), "}")
				if strings.HasPrefix(c.mappings[name], "{") {
					spec = strings.Replace(spec, ", when", "\nwhen", 1)
				}
				sources = append(sources, like(name, spec, "data: {a: b}"))
			}
			r, err := load(t, sources...).Render(world(nil), "default")
			got := r.Mapping
			var e *mapping.Error
			if errors.As(err, &e) {
				got = e.Reason + ": " + e.Message
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestConditionWaitsForItsEntity: nobody knows which mapping it will be while the orchestrator is
// missing, unless one that does not need it comes first.
func TestConditionWaitsForItsEntity(t *testing.T) {
	t.Parallel()
	for _, condition := range []string{
		"has(orchestrator.description)", `orchestrator.description == "x"`, `orchestrator.?description.orValue("") == "x"`,
		`"description" in orchestrator`, `orchestrator.description.startsWith("x")`,
	} {
		in := world(nil)
		in.Orchestrator = nil
		set := load(t, like("a", "priority: 1\nwhen: ['"+condition+"']", "data: {a: b}"), like("b", "", "data: {a: b}"))
		_, err := set.Render(in, "default")
		var e *mapping.Error
		if !errors.As(err, &e) || e.Reason != mapping.ReasonOrchestratorMissing || e.Entity != lloID {
			t.Errorf("%s: got %v", condition, err)
		}
		set = load(t, like("a", "priority: -1\nwhen: ['"+condition+"']", "data: {a: b}"), like("b", "", "data: {a: b}"))
		if r, err := set.Render(in, "default"); r.Mapping != "b" {
			t.Errorf("%s: got %v, %v", condition, r.Mapping, err)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	set := load(t,
		like("a", "priority: 2\nwhen: [has(element.gpu)]", "data: {a: b}"),
		like("b", "priority: 1\nlet: {host: text(element.hostname)}\nwhen: ['host == \"h1\"']",
			"data:\n  host: at ${host}\n  gone: ${component.gone}\n  list: ${ports.map(p, port(p.portNumber))}"),
		like("c", "", "data: {a: b}"),
	)
	r, got, err := set.Explain(world(nil), "default")
	if err != nil || r.Mapping != "b" {
		t.Fatalf("got %q, %v", r.Mapping, err)
	}
	var lines []string
	for _, m := range got.Mappings {
		lines = append(lines, fmt.Sprintf("%s %s %d %t %s", m.Name, m.File, m.Priority, m.Chosen, m.Why))
	}
	for _, x := range got.Expressions {
		lines = append(lines, fmt.Sprintf("%s:%d:%d %s %s = %s%s", x.File, x.Line, x.Column, x.Path, x.Expression, x.Value, x.Problem))
	}
	want := []string{
		"a a.yaml 2 false does not hold: has(element.gpu)",
		"b b.yaml 1 true chosen",
		`c c.yaml 0 false its conditions hold, but "b" has the higher priority`,
		`b.yaml:6:15 spec.let.host text(element.hostname) = "h1"`,
		`b.yaml:7:11 spec.when[0] host == "h1" = true`,
		`b.yaml:6:15 spec.let.host text(element.hostname) = "h1"`,
		`b.yaml:15:20 spec.objects[0].object.data.host host = "h1"`,
		"b.yaml:16:17 spec.objects[0].object.data.gone component.gone = ",
		"b.yaml:17:17 spec.objects[0].object.data.list ports.map(p, port(p.portNumber)) = [80]",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	in := world(nil)
	in.Element = nil
	if _, got, err := set.Explain(in, "default"); err == nil || len(got.Mappings) != 0 {
		t.Errorf("without an element: got %+v, %v", got, err)
	}
}
