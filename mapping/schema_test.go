package mapping_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hlo-agent/hlo-agent/mapping"
)

// TestSchemaSaysWhatTheLoaderDoes: an unknown key named in a schema's object is one for the loader too,
// because the loader lists the keys that it knows.
func TestSchemaSaysWhatTheLoaderDoes(t *testing.T) {
	t.Parallel()
	var schema map[string]any
	if err := json.Unmarshal(mapping.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	object := func(path string) map[string]any {
		at := schema
		for _, step := range strings.Fields(path) {
			next, isMap := at[step].(map[string]any)
			if !isMap {
				t.Fatalf("no %s in the schema", path)
			}
			at = next
		}
		return at
	}
	const objects = "properties spec properties objects items properties "
	for path, text := range map[string]string{
		"properties":                                          "apiVersion: hlo-agent.github.io/v1alpha1\nkind: Mapping\nmetadata: {name: m}\nzzzzzzzz: 1",
		"properties metadata properties":                      "metadata: {zzzzzzzz: 1}",
		"properties spec properties":                          "spec: {zzzzzzzz: 1}",
		"properties spec properties attributes properties":    "spec: {attributes: {zzzzzzzz: 1}}",
		"properties spec properties require items properties": "spec: {require: [{zzzzzzzz: 1}]}",
		"properties spec properties objects items properties": "spec: {objects: [{zzzzzzzz: 1}]}",
		objects + "object properties metadata properties":     "spec: {objects: [{object: {metadata: {zzzzzzzz: 1}}}]}",
		objects + "status properties":                         "spec: {objects: [{status: {zzzzzzzz: 1}}]}",
		objects + "status properties rules items properties":  "spec: {objects: [{status: {rules: [{zzzzzzzz: 1}]}}]}",
	} {
		var known []string
		for _, problem := range mapping.Lint(mapping.Source{Data: []byte(text)}) {
			if words, found := strings.CutPrefix(problem.Message, "unknown key, known: "); found {
				known = strings.Split(words, ", ")
			}
		}
		var wanted []string
		for key, value := range object(path) {
			if value != false {
				wanted = append(wanted, key)
			}
		}
		slices.Sort(known)
		slices.Sort(wanted)
		if !slices.Equal(known, wanted) {
			t.Errorf("%s: the loader knows %v, the schema %v", path, known, wanted)
		}
	}
}
