package mapping

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// shortcuts are the expressions of all shipped mappings, and some more, that are computed in another way than by
// the limited program.
func shortcuts(t testing.TB) map[*expression][]let {
	t.Helper()
	sources, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	more := `{apiVersion: hlo-agent.github.io/v1alpha1, kind: Mapping, metadata: {name: more}, spec: {let: {
	  ready: "boolean(component.isJob)", maybe: "component.?containerImage", host: "enum(element.?hostname)"},
	objects: [{object: {apiVersion: v1, kind: X, metadata: {name: x}, spec: {
	  a: "${ready ? component.containerImage : element.hostname}", b: "${!ready}", c: "${ready && has(element.domain)}",
	  d: "${maybe}", e: "${maybe.orValue(component.id)}", f: "${host.or(maybe).orValue(service.id)}", g: "${component.?envVars.?key}",
	  h: "${text(component.?envVars.?value)}", i: "${when(has(component.isPrivate), component.repoPassword)}", j: "${service.id}",
	  k: "${aerosName(component.containerImage)}", l: "${hash(text(component.cliArgs))}", m: "${!component.isJob}",
	  n: "${component.isJob && ready}", o: "${quantity(component.memory, '1Gi')}", p: "${targetNamespace}", q: "${component}",
	  r: "${component.containerImage.lowerAscii()}", s: "${element.?hostname.or(service.?id)}", t: "${port(component.isJob, 80)}",
	  u: "${ports.map(p, p.id + text(p.portProtocol))}", v: "${ports.filter(p, has(p.number)).map(p, [p.?number])}"}}}]}}`
	found := map[*expression][]let{}
	for _, source := range append(sources, Source{Name: "more", Data: []byte(more)}) {
		set, err := Load(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range set.mappings {
			m.eachExpression(func(x *expression) {
				if x.quick != nil || x.brief != nil {
					found[x] = m.lets
				}
			})
		}
	}
	if len(found) < 60 {
		t.Fatalf("only %d expressions have a shortcut", len(found))
	}
	return found
}

// outcome is what an expression gives: its JSON, or why there is none.
func outcome(x *expression, in *Input, lets []let, shortcut bool) string {
	e := &evaluation{variables: variablesOf(in, "default")}
	e.use(lets)
	plain := *x
	if !shortcut {
		plain.quick, plain.brief = nil, nil
	}
	value, err := plain.compute(e)
	if err != nil {
		return "error: " + err.Error()
	}
	result, present, err := toJSON(value, 0)
	if err != nil {
		return "no JSON: " + err.Error()
	}
	text, err := json.Marshal(result)
	if err != nil {
		return "cannot be written: " + err.Error()
	}
	if !present {
		return "nothing"
	}
	return string(text)
}

// TestShortcutsAreTheSame gives every attribute many values, and compares what the shortcuts make of them with what
// the interpreter does.
func TestShortcutsAreTheSame(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("testdata", "aeros-vision-camera-gw", "entity.jsonld"))
	if err != nil {
		t.Fatal(err)
	}
	found, errs := ngsild.DecodeEntities(text)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	find := func(id ngsild.EntityID) *ngsild.Entity {
		for i := range found {
			if found[i].ID == id {
				return &found[i]
			}
		}
		return nil
	}
	var component ngsild.Entity
	for _, e := range found {
		if e.Type == "ServiceComponent" {
			component = e
		}
	}
	full := Gather(component, find)
	all := shortcuts(t)
	compare := func(what string, in Input) {
		for x, lets := range all {
			if diff := cmp.Diff(outcome(x, &in, lets, false), outcome(x, &in, lets, true)); diff != "" {
				t.Errorf("%s: ${%s} (-interpreted +shortcut):\n%s", what, x.source, diff)
			}
		}
	}
	compare("as it is", full)
	compare("nothing linked is there", Input{Component: component, Element: full.Element})
	for _, value := range []any{
		nil, "", "a", " B ", "urn:x:Y", true, "true", "no", int64(8080), "8080", 0.5, int64(-1), []any{}, []any{"A"}, []any{"a", true}, map[string]any{},
		map[string]any{"key": "a", "value": "b"}, []any{map[string]any{"key": "a"}}, map[string]any{"internalIp": "10.0.0.1", "endpoint": nil},
	} {
		for role, e := range map[string]*ngsild.Entity{"component": &full.Component, "element": full.Element, "service": full.Service, "port": &full.Ports[0]} {
			if e == nil {
				continue
			}
			changed := *e
			changed.Attrs = map[string]ngsild.Attribute{}
			for name := range e.Attrs {
				changed.Attrs[name] = ngsild.Attribute{Value: value}
			}
			for _, name := range vocabulary()[kindOfRole(role)] {
				changed.Attrs[name] = ngsild.Attribute{Value: value}
			}
			in := full
			switch role {
			case "component":
				in.Component = changed
			case "element":
				in.Element = &changed
			case "service":
				in.Service = &changed
			case "port":
				in.Ports = append([]ngsild.Entity{changed}, full.Ports[1:]...)
			}
			compare(role+" with nothing but "+quoted(value), in)
		}
	}
}

func kindOfRole(role string) entityKind {
	for kind := componentKind; kind <= portKind; kind++ {
		if kind.variableName() == role || role == "port" && kind == portKind {
			return kind
		}
	}
	return noKind
}

// TestObjectNames compares with what Kubernetes says.
func TestObjectNames(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	legal := 0
	for range 20_000 {
		name := make([]byte, random.IntN(9))
		for i := range name {
			name[i] = "ab09.-.-A_é"[random.IntN(11)]
		}
		want := len(validation.IsDNS1123Subdomain(string(name))) == 0
		if got := isObjectName(string(name)); got != want {
			t.Fatalf("%q: %v, want %v", name, got, want)
		}
		if want {
			legal++
		}
	}
	if legal < 1000 {
		t.Errorf("only %d names were legal: the test shows little", legal)
	}
	for _, n := range []int{252, 253, 254} {
		if name := strings.Repeat("x", n); isObjectName(name) != (len(validation.IsDNS1123Subdomain(name)) == 0) {
			t.Errorf("a name of %d characters", n)
		}
	}
}
