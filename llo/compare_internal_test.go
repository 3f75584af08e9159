package llo

import (
	"encoding/json"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

func decoded(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := utiljson.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestContains(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		live, want string
		yes        bool
	}{
		{`{"a":1,"b":2}`, `{"a":1}`, true},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
		{`{"a":1}`, `{"a":2}`, false},
		{`{"a":1}`, `{"a":1.0}`, true},
		{`{"a":1.5}`, `{"a":1.5}`, true},
		{`{"a":1.0}`, `{"a":1}`, true},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, false},
		{`{"a":"1"}`, `{"a":1}`, false},
		{`{"a":true}`, `{"a":"true"}`, false},
		{`{"a":{"b":1,"c":2}}`, `{"a":{"c":2}}`, true},
		{`{"a":[1,2]}`, `{"a":[1,2]}`, true},
		{`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{`{"a":[1,2]}`, `{"a":[1]}`, false},
		{`{"a":[1]}`, `{"a":[1,2]}`, false},
		{`{"a":[{"b":1,"c":2}]}`, `{"a":[{"b":1}]}`, false},
		{`{"a":[{"b":1,"c":null,"d":{}}]}`, `{"a":[{"b":1,"e":[]}]}`, true},
		{`{"a":[{"b":1}]}`, `{"a":[{"b":1,"c":2}]}`, false},
		{`{"a":[{"b":[{"c":1}]}]}`, `{"a":[{"b":[{"c":1.0}]}]}`, true},
		{`{"a":[{"b":[{"c":1,"d":1}]}]}`, `{"a":[{"b":[{"c":1}]}]}`, false},
		{`{"a":["x"]}`, `{"a":[["x"]]}`, false},
		{`{"a":[{}]}`, `{"a":["x"]}`, false},
		{`{"a":[{"b":1}]}`, `{"a":["x"]}`, false},
		{`{}`, `{"a":null,"b":{},"c":[]}`, true},
		{`{"a":null,"b":[],"c":{}}`, `{"a":{},"b":{},"c":null}`, true},
		{`{"a":{"x":1}}`, `{"a":{}}`, false},
		{`{"a":0}`, `{"a":null}`, false},
		{`{}`, `{"a":0}`, false},
		{`{}`, `{"a":""}`, false},
		{`{"a":"x"}`, `{"a":{"x":1}}`, false},
		{`{"a":"x"}`, `{"a":["x"]}`, false},
		{`{"a":["x"]}`, `{"a":"x"}`, false},
	} {
		if got := contains(decoded(t, test.live), decoded(t, test.want)); got != test.yes {
			t.Errorf("contains(%s, %s) = %v", test.live, test.want, got)
		}
	}
}

func TestOwned(t *testing.T) {
	t.Parallel()
	const want = `{"apiVersion":"v1","kind":"K","metadata":{"name":"n","namespace":"ns","labels":{"a":"1"}},
		"spec":{"image":"x","empty":{},"atomic":[{"x":1}],
			"containers":[{"name":"main","args":["a"]},{"name":"side","image":"y"}],"finalizers":["f"],
			"ports":[{"number":80},{"number":80,"protocol":"UDP"}]}}`
	const all = `{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:image":{},"f:atomic":{},
		"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:name":{},"f:args":{}},"k:{\"name\":\"side\"}":{".":{},"f:name":{},"f:image":{}}},
		"f:finalizers":{"v:\"f\"":{}},
		"f:ports":{"k:{\"number\":80,\"protocol\":\"TCP\"}":{"f:number":{}},"k:{\"number\":80,\"protocol\":\"UDP\"}":{"f:number":{},"f:protocol":{}}}}}`
	object := decoded(t, want).(map[string]any)
	if !owned(object, object, []string{all}) {
		t.Errorf("all is not owned")
	}
	// Half of it in another set, as admission books it.
	if !owned(object, object, []string{without1(t, all, "f:spec", "f:image"), `{"f:spec":{"f:image":{}}}`}) {
		t.Errorf("two sets do not add up")
	}
	for _, path := range [][]string{
		{"f:metadata"}, {"f:spec"}, {"f:metadata", "f:labels", "f:a"}, {"f:spec", "f:image"}, {"f:spec", "f:atomic"},
		{"f:spec", "f:containers", `k:{"name":"main"}`}, {"f:spec", "f:containers", `k:{"name":"main"}`, "f:args"},
		{"f:spec", "f:finalizers", `v:"f"`}, {"f:spec", "f:ports", `k:{"number":80,"protocol":"UDP"}`, "f:protocol"},
	} {
		if owned(object, object, []string{without1(t, all, path...)}) {
			t.Errorf("owned without %v", path)
		}
	}
	// The leaf of a map is an atomic one, or what is left when others have taken
	// every field out of it.
	for live, yes := range map[string]bool{
		`{"spec":{"image":"x","by default":1}}`: true,
		`{"spec":{"image":"y"}}`:                false,
		`{"spec":{}}`:                           false,
		`{}`:                                    false,
	} {
		want := map[string]any{"spec": map[string]any{"image": "x"}}
		if got := owned(want, decoded(t, live).(map[string]any), []string{`{"f:spec":{}}`}); got != yes {
			t.Errorf("owned by the leaf of a map while there is %s: %v", live, got)
		}
	}
	inList := map[string]any{"env": []any{map[string]any{"name": "a", "from": map[string]any{"key": "x"}}}}
	for live, yes := range map[string]bool{
		`{"env":[{"name":"b"},{"name":"a","from":{"key":"x","optional":true}}]}`: true,
		`{"env":[{"name":"b","from":{"key":"x"}},{"name":"a","from":{}}]}`:       false,
	} {
		sets := []string{`{"f:env":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:from":{}}}}`}
		if got := owned(inList, decoded(t, live).(map[string]any), sets); got != yes {
			t.Errorf("owned by the leaf of a map in a list while there is %s: %v", live, got)
		}
	}
	for _, sets := range [][]string{nil, {""}, {"{"}, {"null"}, {"[]"}} {
		if owned(object, object, sets) {
			t.Errorf("owned by %q", sets)
		}
	}
}

// without1 removes one node, and keeps its parents from becoming leaves.
func without1(t *testing.T, set string, path ...string) string {
	t.Helper()
	tree := decoded(t, set).(map[string]any)
	node := tree
	for _, step := range path[:len(path)-1] {
		node = node[step].(map[string]any)
		node["."] = map[string]any{}
	}
	if _, ok := node[path[len(path)-1]]; !ok {
		t.Fatalf("no %v in the set", path)
	}
	delete(node, path[len(path)-1])
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
