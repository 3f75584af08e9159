package llo

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// A set of fields as managedFields holds it (FieldsV1) is a tree of maps: "f:x" is
// the field x, `k:{"name":"a"}` the element of an associative list with that key,
// `v:"a"` that element of a set, and "." the thing itself. A leaf stands for all that
// is below it where that is atomic. The leaf of another map is what is left when
// others have taken every field out of it: so of a leaf that is a map the live
// object has to hold what is wanted.

// owned reports whether every field of want is in one of the sets; live is the
// object as it is.
func owned(want, live map[string]any, sets []string) bool {
	var trees []map[string]any
	for _, set := range sets {
		var tree map[string]any
		if json.Unmarshal([]byte(set), &tree) == nil && len(tree) > 0 {
			trees = append(trees, tree)
		}
	}
	want = maps.Clone(want)
	for _, identity := range []string{"apiVersion", "kind"} { // nobody's fields
		delete(want, identity)
	}
	if metadata, ok := want["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		delete(metadata, "name")
		delete(metadata, "namespace")
		want["metadata"] = metadata
	}
	return len(trees) > 0 && covered(want, live, trees)
}

func covered(want, live any, trees []map[string]any) bool {
	if isEmpty(want) {
		return true
	}
	if len(trees) == 0 {
		return false
	}
	_, isMap := want.(map[string]any)
	for _, tree := range trees {
		if len(tree) == 0 && (!isMap || contains(live, want)) {
			return true
		}
	}
	switch want := want.(type) {
	case map[string]any:
		live, _ := live.(map[string]any)
		for key, value := range want {
			if !covered(value, live[key], below(trees, func(step string) bool { return step == "f:"+key })) {
				return false
			}
		}
		return true
	case []any:
		live, _ := live.([]any)
		for _, element := range want {
			if !covered(element, counterpart(element, live, trees), below(trees, func(step string) bool { return isElement(step, element) })) {
				return false
			}
		}
		return true
	}
	return true // a scalar with a set of its own
}

// counterpart is the element of a live list that a step to element leads to, too.
func counterpart(element any, live []any, trees []map[string]any) any {
	for _, tree := range trees {
		for step := range tree {
			if !isElement(step, element) {
				continue
			}
			if i := slices.IndexFunc(live, func(item any) bool { return isElement(step, item) }); i >= 0 {
				return live[i]
			}
		}
	}
	return nil
}

// below gives what stands under the steps that match.
func below(trees []map[string]any, match func(step string) bool) []map[string]any {
	var found []map[string]any
	for _, tree := range trees {
		for step, sub := range tree {
			if sub, ok := sub.(map[string]any); ok && match(step) {
				found = append(found, sub)
			}
		}
	}
	return found
}

// isElement reports whether a step leads to that element. A key that the element
// does not have was filled in by the API server and matches.
func isElement(step string, element any) bool {
	sort, text, _ := strings.Cut(step, ":")
	if sort != "k" && sort != "v" {
		return false
	}
	var value any
	if utiljson.Unmarshal([]byte(text), &value) != nil {
		return false
	}
	keys, isMap := value.(map[string]any)
	fields, _ := element.(map[string]any)
	if sort == "v" || !isMap {
		return sort == "v" && equalScalars(element, value)
	}
	for key, value := range keys {
		if field, there := fields[key]; there && !equalScalars(field, value) {
			return false
		}
	}
	return true
}
