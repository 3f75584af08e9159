package mapping

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

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
	  u: "${ports.map(p, p.id + text(p.portProtocol))}", v: "${ports.filter(p, has(p.number)).map(p, [p.?number])}",
	  w: "${ports.map(p, has(p.portNumber), {'a': p.portNumber, ?'b': p.?portProtocol, 'c': {'d': p.id}})}", x: "${ports.filter(p, p.portProtocol)}",
	  y: "${ports.map(p, p.portNumber + 1)}", z: "${ports.map(p, {'a': p.portProtocol})}", aa: "${optional.ofNonZeroValue(ports.map(p, p.id + 'x'))}",
	  ab: "${ports.map(p, when(has(p.portNumber), p.id))}", ac: "${ports.map(p, p)}", ad: "${ports.exists(p, has(p.portNumber))}",
	  ae: "${ports.map(component, component.id)}", af: "${ports.map(p, {p.id: 1})}", ag: "${ports.map(p, ports.map(q, q.id))}"}}}]}}`
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

// TestStatusShortcutsAreTheSame does the same for the status rules that ship.
func TestStatusShortcutsAreTheSame(t *testing.T) {
	t.Parallel()
	sources, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	set, err := Load(sources...)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, text := range []string{
		"{}", "{status: {}}", "{status: null}", "{status: text}", "{status: {phase: Running, reason: A, message: b}}", "{status: {phase: 7, conditions: []}}",
		"{status: {conditions: [{type: Ready, status: 'True', reason: A, message: b}, {type: Failed, status: 'False'}]}}", "{status: {conditions: {a: b}}}",
		"{spec: {replicas: 2}, status: {replicas: 2, readyReplicas: 1, succeeded: 1, health: {status: Healthy}, sync: {status: Synced}}}",
	} {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		for _, m := range set.mappings {
			for _, o := range m.objects {
				if o.status == nil {
					continue
				}
				o.status.eachExpression(func(x *expression) {
					if x.quick == nil {
						return
					}
					compared++
					results := map[bool]string{}
					for _, shortcut := range []bool{true, false} {
						one := *x
						if !shortcut {
							one.quick = nil
						}
						e := o.status.evaluation(&unstructured.Unstructured{Object: object})
						value, err := one.compute(e)
						results[shortcut] = fmt.Sprint(value, err)
					}
					if results[true] != results[false] {
						t.Errorf("%s: ${%s}: interpreted %s, by the shortcut %s", text, x.source, results[false], results[true])
					}
				})
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d were compared", compared)
	}
}

func (r *statusRules) eachExpression(visit func(*expression)) {
	for _, l := range r.lets {
		visit(l.value)
	}
	for _, rule := range r.rules {
		if rule.when != nil {
			visit(rule.when)
		}
		for _, t := range []template{rule.phase, rule.reason, rule.message} {
			eachOf(t, visit)
		}
	}
	for _, p := range r.properties {
		eachOf(p.value, visit)
	}
}

// TestLongListsAreCounted: the program without a limit is for few ports with short values.
func TestLongListsAreCounted(t *testing.T) {
	t.Parallel()
	port := func(attrs map[string]ngsild.Attribute) ngsild.Entity {
		return ngsild.Entity{ID: "urn:p", Type: "NetworkPort", Attrs: attrs}
	}
	value := func(v any) map[string]ngsild.Attribute { return map[string]ngsild.Attribute{"portNumber": {Value: v}} }
	many := make([]string, maxFewPorts+1)
	for i := range many {
		many[i] = fmt.Sprint("urn:", i)
	}
	for name, c := range map[string]struct {
		links []string
		port  ngsild.Entity
		few   bool
	}{
		"none":           {nil, port(nil), true},
		"one":            {[]string{"urn:p"}, port(value(int64(80))), true},
		"one not there":  {[]string{"urn:q"}, port(value(int64(80))), true},
		"too many":       {many, port(nil), false},
		"a long value":   {[]string{"urn:p"}, port(value(strings.Repeat("x", maxShortText+1))), false},
		"a value inside": {[]string{"urn:p"}, port(value([]any{strings.Repeat("x", 1<<20)})), false},
	} {
		links := make([]any, len(c.links))
		for i, link := range c.links {
			links[i] = link
		}
		in := Input{Ports: []ngsild.Entity{c.port}, Component: ngsild.Entity{Attrs: map[string]ngsild.Attribute{attrPorts: {Value: links}}}}
		e := &evaluation{variables: variablesOf(&in, "default")}
		if got := e.fewPorts(); got != c.few {
			t.Errorf("%s: few is %v", name, got)
		}
	}
}
