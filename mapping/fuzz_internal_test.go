package mapping

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// decoded are the entities of one JSON text, by id, and a component of theirs with all that it links to.
func decoded(text string) (Input, bool) {
	found, _ := ngsild.DecodeEntities([]byte(text))
	for i := range found {
		if found[i].Type == "ServiceComponent" {
			in := Gather(found[i], func(id ngsild.EntityID) *ngsild.Entity {
				for j := range found {
					if found[j].ID == id {
						return &found[j]
					}
				}
				return nil
			})
			return in, in.Element != nil
		}
	}
	return Input{}, false
}

const fuzzWorld = `[{"id":"urn:c","type":"ServiceComponent","infrastructureElement":"urn:e","networkPorts":["urn:p","urn:q"],"containerImage":"x/y:1",
 "envVars":[{"key":"A","value":"1"}],"isPrivate":"true","repoUsername":"u","repoPassword":"p","n":5,"list":["b","a"],"object":{"b":1,"a":{"x":null}}},
 {"id":"urn:e","type":"InfrastructureElement","hostname":"h","containerTechnology":"urn:x:Kubernetes","lowLevelOrchestrator":"urn:o","domain":"urn:d"},
 {"id":"urn:o","type":"LowLevelOrchestrator"},{"id":"urn:d","type":"Domain"},
 {"id":"urn:p","type":"NetworkPort","portNumber":80,"portProtocol":"x/udp"},{"id":"urn:q","type":"NetworkPort","number":"443"}]`

// FuzzExpression puts any text where an expression may be: as a let, a condition, a whole value, in a text, and in
// status rules. What loads renders the same twice, and by the interpreter.
func FuzzExpression(f *testing.F) {
	for i, seed := range []string{
		"component.n + 1", "ports.map(p, p.?number)", `when(has(component.n), text(component.list[0]))`, "component.?object.?a.orValue({})",
		"enum(element.?containerTechnology).or(enum(orchestrator.?x)).orValue('').lowerAscii()", "items(component.list).map(x, x + '!').join(',')",
		"cel.bind(x, component.n, x * x)", "pairs(component.envVars)", "json(component.object)", "{'a': ports, ?'b': component.?no}",
		"object.condition('Ready').status", "lists.range(99999)", "[1,2].map(x, [3,4].map(y, x*y))", "optional.none()", "1/0", "'x'.replace('', 'yy')",
		"ports.filter(p, has(p.number)).map(p, p.id + show(p.portNumber))", "integer(component.n) in [5, 6]", "base64.encode(b'x')", "math.greatest(1, component.n)",
	} {
		f.Add(seed, uint8(i))
	}
	in, ok := decoded(fuzzWorld)
	if !ok {
		f.Fatal("no component")
	}
	places := []string{"LET", "WHEN", "WHOLE", "TEXT", "STATUS", "MESSAGE"}
	f.Fuzz(func(t *testing.T, text string, place uint8) {
		where := places[int(place)%len(places)]
		set, err := Load(Source{Name: "f", Data: []byte(mappingWith(text, where, places))})
		var problems Problems
		if err != nil {
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("%s: no problem named: %v", where, err)
			}
			return
		}
		first, err := set.Render(in, "default")
		again, err2 := set.Render(in, "default")
		if first.Hash != again.Hash || (err == nil) != (err2 == nil) {
			t.Fatalf("%s: not deterministic: %v, %v", where, err, err2)
		}
		for _, m := range set.mappings {
			m.eachExpression(func(x *expression) {
				if plain, shortcut := outcome(x, &in, m.lets, false), outcome(x, &in, m.lets, true); plain != shortcut && !exhausted(plain) {
					t.Errorf("%s ${%s}: interpreted %s, by the shortcut %s", where, x.source, plain, shortcut)
				}
			})
		}
		checkState(t, set, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "X", "metadata": map[string]any{"name": "x"}, "status": map[string]any{"phase": "Running", "n": int64(1)}}})
	})
}

// mappingWith is a mapping with an expression in one of some places.
func mappingWith(text, where string, places []string) string {
	written := func(text string) string { return strings.TrimSpace(jsonOf(text)) }
	source := `{apiVersion: hlo-agent.github.io/v1alpha1, kind: Mapping, metadata: {name: f}, spec: {let: {v: LET}, when: [WHEN], objects: [
	  {object: {apiVersion: v1, kind: X, metadata: {name: x}, spec: {a: WHOLE, b: TEXT}}, status: {let: {s: STATUS}, rules: [{phase: Running, message: MESSAGE}]}}]}}`
	var pairs []string
	for _, place := range places {
		with := "'true'"
		if place == where {
			with = map[string]string{
				"LET": written(text), "WHEN": written(text), "STATUS": written(text),
				"WHOLE": written("${" + text + "}"), "MESSAGE": written("${" + text + "}"), "TEXT": written("a ${" + text + "} b"),
			}[place]
		}
		pairs = append(pairs, place, with)
	}
	return strings.NewReplacer(pairs...).Replace(source)
}

// exhausted: what is computed without counting has no such limit.
func exhausted(outcome string) bool { return strings.Contains(outcome, "the cost limit is exceeded") }

// checkState observes an object twice: the state must be a known one, in one line, and the same.
func checkState(t *testing.T, set *Set, o *unstructured.Unstructured) {
	t.Helper()
	before := o.DeepCopy()
	state, again := set.Observe(o), set.Observe(o)
	if state != again {
		t.Fatalf("observed twice: %+v and %+v", state, again)
	}
	if _, known := observable(string(state.Phase)); !known {
		t.Fatalf("no phase of an object: %+v", state)
	}
	if state.Reason == "" || len(state.Reason) > maxReason || len(state.Message) > maxMessage || strings.ContainsAny(state.Message+state.Reason, "\n\r\x00") {
		t.Fatalf("no reason in one word or no message in one line: %+v", state)
	}
	set.Properties(o)
	if text, want := jsonOf(o.Object), jsonOf(before.Object); text != want {
		t.Fatalf("observing changed the object: %s, was %s", text, want)
	}
}

func jsonOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// FuzzStatus gives any status to objects of the kinds that ship.
func FuzzStatus(f *testing.F) {
	sources, err := Shipped()
	if err != nil {
		f.Fatal(err)
	}
	set, err := Load(sources...)
	if err != nil {
		f.Fatal(err)
	}
	kinds := set.Kinds()
	for i, seed := range []string{
		`{"status":{"phase":"Running","observedGeneration":3}}`, `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"A","message":"b\nc"}]}}`,
		`{"status":{"conditions":{"type":1}}}`, `{"status":null}`, `{"status":[]}`, `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`,
		`{"spec":{"replicas":2},"status":{"replicas":2,"readyReplicas":"1","conditions":[{"type":"Available","status":"True"},null,7]}}`,
		`{"status":{"resourceStatus":{"manifests":[{"statusFeedback":{"values":[{"name":"x","fieldValue":{"type":"Integer","integer":1}}]}}]}}}`,
		`{"status":{"health":{"status":"Healthy"},"sync":{"status":"Synced"},"operationState":{"phase":"Succeeded"}}}`, `{"status":{"succeeded":1,"completionTime":"x"}}`,
	} {
		f.Add(uint8(i), seed)
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		o := &unstructured.Unstructured{}
		if json.Unmarshal([]byte(text), &o.Object) != nil || o.Object == nil {
			return
		}
		normal, isMap := normalize(o.Object).(map[string]any)
		if !isMap {
			return
		}
		o.Object = normal
		metadata, _ := o.Object["metadata"].(map[string]any)
		if metadata == nil {
			metadata = map[string]any{}
		}
		metadata["name"], metadata["generation"] = "x", int64(3)
		o.Object["metadata"] = metadata
		o.SetGroupVersionKind(kinds[int(kind)%len(kinds)])
		checkState(t, set, o)
	})
}

// normalize gives the numbers that decoding of the cluster's answers gives.
func normalize(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = normalize(item)
		}
	case []any:
		for i, item := range v {
			v[i] = normalize(item)
		}
	case float64:
		if n, whole := asInt(v); whole {
			return n
		}
	}
	return value
}

// FuzzShortcuts gives any entities to all expressions that have a shortcut.
func FuzzShortcuts(f *testing.F) {
	f.Add(fuzzWorld)
	f.Add(`[{"id":"urn:c","type":"ServiceComponent","infrastructureElement":"urn:e","envVars":{"key":1},"isJob":"x"},{"id":"urn:e","type":"InfrastructureElement"}]`)
	all := shortcuts(f)
	f.Fuzz(func(t *testing.T, text string) {
		in, ok := decoded(text)
		if !ok {
			return
		}
		for x, lets := range all {
			if plain, shortcut := outcome(x, &in, lets, false), outcome(x, &in, lets, true); plain != shortcut && !exhausted(plain) {
				t.Errorf("${%s}: interpreted %s, by the shortcut %s", x.source, plain, shortcut)
			}
		}
	})
}
