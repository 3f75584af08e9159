package agent

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// difference is one field that is not the same in two versions of an object. A value that is not there is nil.
type difference struct {
	path      string
	now, next any
}

// String never shows a credential: the values were masked before.
func (d difference) String() string {
	switch {
	case d.now == nil:
		return d.path + ": + " + jsonOf(d.next)
	case d.next == nil:
		return d.path + ": - " + jsonOf(d.now)
	case reflect.DeepEqual(d.now, d.next):
		return d.path + ": " + jsonOf(d.now) + " -> another " + jsonOf(d.next)
	}
	return d.path + ": " + jsonOf(d.now) + " -> " + jsonOf(d.next)
}

func jsonOf(value any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "?"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// differences of two versions of an object, by path, with credentials masked; nil is no object. What only the API
// server writes, and the status, is left out.
func differences(now, next *unstructured.Unstructured) []difference {
	var found []difference
	a, b := settable(now), settable(next)
	compareValues(&found, "", a, b, hidesSecrets(a), hidesSecrets(b))
	return found
}

// settable is the part of an object that somebody can set.
func settable(o *unstructured.Unstructured) any {
	if o == nil {
		return nil
	}
	content := maps.Clone(o.Object)
	delete(content, "status")
	metadata, _ := content["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"} {
		delete(metadata, field)
	}
	content["metadata"] = metadata
	return content
}

// compareValues adds the fields in which a and b differ, as they look masked.
func compareValues(found *[]difference, path string, a, b, maskedA, maskedB any) {
	if reflect.DeepEqual(a, b) {
		return
	}
	mapA, isMapA := a.(map[string]any)
	mapB, isMapB := b.(map[string]any)
	listA, isListA := a.([]any)
	listB, isListB := b.([]any)
	switch {
	case (isMapA || a == nil) && (isMapB || b == nil) && len(mapA)+len(mapB) > 0:
		keys := slices.AppendSeq(slices.Collect(maps.Keys(mapA)), maps.Keys(mapB))
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			compareValues(found, below(path, key), mapA[key], mapB[key], field(maskedA, key), field(maskedB, key))
		}
	case (isListA || a == nil) && (isListB || b == nil) && len(listA)+len(listB) > 0:
		for i := range max(len(listA), len(listB)) {
			compareValues(found, path+"["+strconv.Itoa(i)+"]", item(listA, i), item(listB, i), item(maskedA, i), item(maskedB, i))
		}
	default:
		*found = append(*found, difference{path, maskedA, maskedB})
	}
}

func below(path, name string) string {
	if strings.ContainsAny(name, "./[] ") {
		return path + "[" + strconv.Quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// field and item are nil for what is not there.
func field(value any, name string) any {
	m, _ := value.(map[string]any)
	return m[name]
}

func item(value any, i int) any {
	if list, _ := value.([]any); i < len(list) {
		return list[i]
	}
	return nil
}
