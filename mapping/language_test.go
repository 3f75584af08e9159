package mapping_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// languageWorld has one attribute of every shape.
func languageWorld() mapping.Input {
	return world(func(c, element, _, _ attrs) {
		for name, value := range (attrs{
			"n": int64(5), "numberAsText": " 5 ", "f": 2.5, "t": "text", "yes": "TRUE", "blank": " ", "none": nil,
			"one": []any{"single"}, "two": []any{"b", "a"}, "object": map[string]any{"b": int64(1), "a": map[string]any{"x": "y"}},
			"urn": "urn:ngsi-ld:Status:Running", "secret": "s3cret", "evil": "${component.secret}",
			"links": []any{"urn:a", "urn:ngsi-ld:none", "urn:b"}, "memory": "1024Mi", "envVars": []any{attrs1("A", "1"), attrs1("B", nil)},
		}) {
			c[name] = value
		}
		element["cpuArchitecture"] = "urn:ngsi-ld:CpuArchitecture:RISC-V"
	})
}

// TestExpressions renders one value for each expression.
func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression string
		want       any // nil: the field is dropped
	}{
		{"${component.n}", int64(5)},
		{"${component.f}", 2.5},
		{"${component.f * 2.0}", int64(5)},
		{"${component.object}", map[string]any{"b": int64(1), "a": map[string]any{"x": "y"}}},
		{"${component.object.a.x}", "y"},
		{"${component.two}", []any{"b", "a"}},
		{"${component.two.sort()}", []any{"a", "b"}},
		{"${component.evil}", "${component.secret}"},
		{"a ${component.evil} b", "a ${component.secret} b"},
		{"$${component.n} ${component.n}", "${component.n} 5"},
		{"costs $5", "costs $5"},
		{"x${component.f}y${component.n}", "x2.5y5"},
		{`${"}"}${'{'}`, "}{"},
		{"${component.absent}", nil},
		{"${component.blank}", nil},
		{"${component.none}", nil},
		{"${component.object.absent.deeper}", nil},
		{"before ${component.absent} after", nil},
		{"${component.?absent.orValue(7)}", int64(7)},
		{"${optional.none()}", nil},
		{"${null}", nil},
		{"${has(component.absent)}", false},
		{"${has(component.blank)}", false},
		{"${'n' in component}", true},
		{"${text(component.n)}", "5"},
		{"${text(component.one)}", "single"},
		{"${text(component.absent, \"other\")}", "other"},
		{"${text(component.object.b)}", "1"},
		{"${text(1 + 1)}", "2"},
		{"${integer(component.numberAsText) + 1}", int64(6)},
		{"${integer(component.?absent).orValue(3)}", int64(3)},
		{"${number(component.n) / 2.0}", 2.5},
		{"${boolean(component.yes)}", true},
		{"${boolean(component.absent, true)}", true},
		{"${enum(component.urn)}", "Running"},
		{"${enum(component.t)}", "text"},
		{"${enum(element.cpuArchitecture).lowerAscii().replace('-', '')}", "riscv"},
		{"${items(component.t)}", []any{"text"}},
		{"${links(component.links)}", []any{"urn:a", "urn:b"}},
		{"${pairs(component.envVars)}", []any{map[string]any{"key": "A", "value": "1"}, map[string]any{"key": "B"}}},
		{"${quantity(component.memory)}", "1Gi"},
		{"${quantity(component.n)}", "5"},
		{"${json(component.object)}", `{"a":{"x":"y"},"b":1}`},
		{"${component.object.map(k, k)}", []any{"a", "b"}},
		{"${{'z': 1, 'y': 2, 'x': 3}.map(k, k)}", []any{"x", "y", "z"}},
		{"${size(component.object)}", int64(2)},
		{"${when(component.n > 3, \"big\")}", "big"},
		{"${when(component.n > 5, \"big\")}", nil},
		{"${base64.encode(bytes(component.t))}", "dGV4dA=="},
		{"${hash(\"abc\")}", "ba7816bf"},
		{"${dnsLabel(\"urn:ngsi-ld:9a:B_c\", 63)}", "x-9a-b-c"},
		{"${dnsLabel(\"urn:ngsi-ld:" + strings.Repeat("x", 80) + "\", 16)}", "xxxxxxx-868a9055"},
		{"${registryHost(\"nginx:1\")}", "docker.io"},
		{"${registryHost(\"library/nginx\")}", "docker.io"},
		{"${registryHost(\"localhost/nginx\")}", "localhost"},
		{"${registryHost(\"r.example.org:5000/a/b:1\")}", "r.example.org:5000"},
		{"${firstText([\"\", \"b\"])}", "b"},
		{"${[?component.?absent, ?component.?n]}", []any{int64(5)}},
		{"${{?\"a\": component.?absent, \"b\": 1}}", map[string]any{"b": int64(1)}},
		{"${targetNamespace}", "default"},
		{"${service.id}", "urn:ngsi-ld:Service:s1"},
		{"${domain.id}", nil},
		{"${has(domain.id)}", false},
		{"${component.object.a == {\"x\": \"y\"}}", true},
		{"${type(component.n) == int}", true},
		{"${uint(7)}", int64(7)},
		{"${duration(\"90s\")}", "90s"},
	} {
		t.Run(c.expression, func(t *testing.T) {
			t.Parallel()
			quoted := "data: {kept: 1}\nspec:\n  value: '" + strings.ReplaceAll(c.expression, "'", "''") + "'"
			r, err := load(t, like("m", "", quoted)).Render(languageWorld(), "default")
			if err != nil {
				t.Fatal(err)
			}
			spec, _ := r.Objects[0].Object["spec"].(map[string]any)
			if diff := cmp.Diff(c.want, spec["value"]); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if c.want == nil && spec != nil {
				t.Errorf("a map without any entry stays: %v", spec)
			}
		})
	}
}

// TestFailingExpressions: the message names the place and the expression, and never a value.
func TestFailingExpressions(t *testing.T) {
	t.Parallel()
	const at = `mapping "m" data.value: `
	for _, c := range []struct{ expression, reason, message string }{
		{"${component.secret + 1}", "ExpressionFailed", at + "no such overload: ${component.secret + 1}"},
		{"${int(component.secret)}", "ExpressionFailed", at + "it cannot be computed from these values: ${int(component.secret)}"},
		{"${1 / (component.n - 5)}", "ExpressionFailed", at + "division by zero: ${1 / (component.n - 5)}"},
		{"${component.two[9]}", "ExpressionFailed", at + "index out of bounds: ${component.two[9]}"},
		{"a ${component.two} b", "ExpressionFailed", at + "its value cannot stand inside of a text: ${component.two}"},
		{"${element}", "ExpressionFailed", at + "it cannot be computed from these values: ${element}"},
		{"${[component.absent]}", "ExpressionFailed", at + "a value inside of a list or map is absent: name it as optional: ${[component.absent]}"},
		{"${{\"a\": text(component.absent)}}", "ExpressionFailed",
			at + "a value inside of a list or map is absent: name it as optional: ${{\"a\": text(component.absent)}}"},
		{"${component.two.map(x, component.absent)}", "ExpressionFailed",
			at + "a value inside of a list or map is absent: name it as optional: ${component.two.map(x, component.absent)}"},
		{"${lists.range(9000).map(x, lists.range(9000).map(y, x * y))}", "ExpressionFailed",
			at + "the cost limit is exceeded: ${lists.range(9000).map(x, lists.range(9000).map(y, x * y))}"},
		{"${{1: 2}}", "ExpressionFailed", at + "a key of the map is not a text: ${{1: 2}}"},
		{"${text(component.two)}", "InvalidValue", "two is a list, not a text"},
		{"${integer(component.secret)}", "InvalidValue", "secret is a text that is not a whole number"},
		{"${number(component.secret)}", "InvalidValue", "secret is a text that is not a number"},
		{"${quantity(component.secret)}", "InvalidValue", "secret is a text that is not a quantity"},
		{"${boolean(component.secret)}", "InvalidValue", "secret is a text that is neither true nor false"},
		{"${enum(component.object)}", "InvalidValue", "object is an object, not a text"},
		{"${pairs(component.two)}", "InvalidValue", "two[0] is a text, not an object with key and value"},
		{"${integer(element.hostname)}", "InvalidValue", "hostname of " + elementID + " is a text that is not a whole number"},
		{"${dnsLabel(\"x\", 3)}", "ExpressionFailed", at + "the limit of dnsLabel is not between 16 and 253: ${dnsLabel(\"x\", 3)}"},
	} {
		t.Run(c.expression, func(t *testing.T) {
			t.Parallel()
			set := load(t, like("m", "", "data:\n  value: '"+c.expression+"'"))
			_, err := set.Render(languageWorld(), "default")
			var e *mapping.Error
			if !errors.As(err, &e) || !errors.Is(err, mapping.ErrInvalid) {
				t.Fatalf("got %v", err)
			}
			if e.Reason != c.reason || e.Message != c.message {
				t.Errorf("got  %s: %s\nwant %s: %s", e.Reason, e.Message, c.reason, c.message)
			}
			if e.Entity == "" || strings.Contains(e.Message, "s3cret") {
				t.Errorf("entity %q, message %q", e.Entity, e.Message)
			}
		})
	}
}

func TestObjectsThatAreRefused(t *testing.T) {
	t.Parallel()
	const pre = `mapping "m": `
	for _, c := range []struct{ name, object, reason, message string }{
		{"no name", "metadata: {name: '${component.absent}', labels: {a: b}}", "InvalidName", pre + "ConfigMap has no name"},
		{"number as name", "metadata: {name: '${component.n}'}", "InvalidName", pre + "ConfigMap has no name"},
		{"illegal name", "metadata: {name: '${component.evil}'}", "InvalidName", pre + `ConfigMap "${component.secret}" is no legal name`},
		{"illegal namespace", "metadata: {name: a, namespace: '${component.evil}'}", "InvalidName", pre + `the namespace "${component.secret}" is no legal name`},
		{"labels", "metadata: {name: a, labels: '${component.two}'}", "InvalidValue", pre + "metadata.labels is a list, not a map"},
		{"reserved", "metadata: {name: a, annotations: '${{\"hlo-agent.github.io/\" + component.t: \"x\"}}'}", "ReservedName",
			pre + "metadata.annotations holds a name of the agent's own, hlo-agent.github.io/…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := like("m", "", "")
			text := string(source.Data)
			source.Data = []byte(text[:strings.Index(text, "      metadata:")] + "      " + c.object + "\n")
			_, err := load(t, source).Render(languageWorld(), "default")
			var e *mapping.Error
			if !errors.As(err, &e) || e.Reason != c.reason || e.Message != c.message {
				t.Errorf("got  %v\nwant %s: %s", err, c.reason, c.message)
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	set := allShipped(t)
	want, err := set.Render(world(nil), "default")
	if err != nil {
		t.Fatal(err)
	}
	o := aerosObject(t, "phase: Running")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				got, err := set.Render(world(nil), "default")
				if err != nil || got.Hash != want.Hash {
					t.Errorf("got %v, %v", got.Hash, err)
				}
				if state := set.Observe(o); state.Phase != mapping.Running {
					t.Errorf("got %+v", state)
				}
			}
		})
	}
	group.Wait()
}

func TestRequire(t *testing.T) {
	t.Parallel()
	set := load(t, like("m", "require:\n- that: component.n > 5\n  reason: TooSmall\n  field: n\n  message: n is ${component.n}\n  pending: true", "data: {a: b}"))
	_, err := set.Render(languageWorld(), "default")
	var e *mapping.Error
	want := mapping.Error{Entity: componentID, Field: "n", Reason: "TooSmall", Message: "n is 5", Err: mapping.ErrPending}
	if !errors.As(err, &e) || *e != want {
		t.Errorf("got %+v, want %+v", e, want)
	}
}

func FuzzRender(f *testing.F) {
	f.Add(`{"id":"urn:a","type":"ServiceComponent","containerImage":"x","infrastructureElement":"urn:e"}`, "Kubernetes")
	f.Add(`{"id":"urn:a","type":"ServiceComponent","envVars":{"key":1},"deployAs":"kubernetes","isPrivate":"true","infrastructureElement":"urn:e"}`, "x")
	f.Add(`{"id":"urn:a","type":"ServiceComponent","repositoryUrl":"u","chart":"c","chartValues":{"a":[null,{}]},"infrastructureElement":"urn:e"}`, "")
	f.Fuzz(func(t *testing.T, text, technology string) {
		entities, _ := ngsild.DecodeEntities([]byte(text))
		for _, c := range entities {
			element := entity("urn:e", "InfrastructureElement", attrs{"containerTechnology": technology, "deployAs": technology})
			in := mapping.Input{Component: c, Element: &element}
			for _, id := range c.Links("networkPorts") {
				in.Ports = append(in.Ports, ngsild.Entity{ID: id, Attrs: c.Attrs})
			}
			first, err := allShipped(t).Render(in, "default")
			again, err2 := allShipped(t).Render(in, "default")
			if first.Hash != again.Hash || errText(err) != errText(err2) {
				t.Fatalf("not deterministic: %v, %v", err, err2)
			}
			if err != nil && !errors.Is(err, mapping.ErrInvalid) && !errors.Is(err, mapping.ErrPending) {
				t.Fatalf("no known outcome: %v", err)
			}
			for _, o := range first.Objects {
				checkLegal(t, o.GetName(), o.GetLabels())
				o.DeepCopy()
			}
		}
	})
}

// FuzzLoad wants -fuzzminimizetime=1x. The parser keeps what it has learned, so an input that covered something new
// covers less the second time, and making it smaller goes on to the end of its minute, during which nothing is tried.
func FuzzLoad(f *testing.F) {
	sources, err := mapping.Shipped()
	if err != nil {
		f.Fatal(err)
	}
	for _, source := range sources {
		f.Add(source.Data)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := mapping.Load(mapping.Source{Name: "f", Data: data})
		if err != nil {
			return
		}
		// Whatever comes out, nothing may break.
		_, _, _ = set.Explain(languageWorld(), "default")
		set.Observe(aerosObject(t, "phase: Running"))
	})
}
