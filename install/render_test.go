package install_test

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// The release that tests render.
const (
	release   = "edge"
	namespace = "hlo-system"
)

// render gives the chart's text for values, without its definitions.
func render(t *testing.T, values map[string]any) (string, error) {
	t.Helper()
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return helm(t, string(text), "template", release, chart, "--namespace", namespace, "--values", "-")
}

func mustRender(t *testing.T, values map[string]any) string {
	t.Helper()
	text, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// objects are those in a text of many documents.
func objects(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

// valueFiles are the cases: each a file of values that turns something on.
func valueFiles(t *testing.T) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]map[string]any{}
	for _, file := range files {
		cases[strings.TrimSuffix(filepath.Base(file), ".yaml")] = readValues(t, file)
	}
	if len(cases) < 5 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

func readValues(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(data, &values); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return values
}

// TestEveryValueCounts takes each value of each case away, by itself, and must see another rendering; and each value
// that the chart has must be in a case. So no value is without effect, and none without a test.
func TestEveryValueCounts(t *testing.T) {
	t.Parallel()
	known := leaves(readValues(t, chart+"/values.yaml"), nil)
	var mu sync.Mutex
	seen := map[string]bool{}
	t.Run("cases", func(t *testing.T) {
		for name, values := range valueFiles(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				whole := mustRender(t, values)
				for _, path := range leaves(values, nil) {
					key := strings.Join(path, ".")
					// What a free-form value holds is the cluster's business: the value counts as one.
					for _, leaf := range known {
						if prefix := strings.Join(leaf, "."); key == prefix || strings.HasPrefix(key, prefix+".") {
							mu.Lock()
							seen[prefix] = true
							mu.Unlock()
						}
					}
					if less, err := render(t, without(values, path)); err == nil && less == whole {
						t.Errorf("without %s all is as before", key)
					}
				}
			})
		}
	})
	for _, leaf := range known {
		if key := strings.Join(leaf, "."); !seen[key] {
			t.Errorf("no case in testdata/values sets %s", key)
		}
	}
}

// leaves are the paths of the values that are no maps, or empty ones.
func leaves(values map[string]any, at []string) [][]string {
	var paths [][]string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		path := append(slices.Clone(at), key)
		if inner, ok := values[key].(map[string]any); ok && len(inner) > 0 {
			paths = append(paths, leaves(inner, path)...)
		} else {
			paths = append(paths, path)
		}
	}
	return paths
}

// without is a copy of values that lacks one of them.
func without(values map[string]any, path []string) map[string]any {
	values = maps.Clone(values)
	if len(path) == 1 {
		delete(values, path[0])
	} else {
		values[path[0]] = without(values[path[0]].(map[string]any), path[1:])
	}
	return values
}

// TestWrongValues are refused before anything is sent, with a reason that names the value.
func TestWrongValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ values, want string }{
		{`{}`, "settings.CB_URL must be set"},
		{`settings: {CB_URLS: x}`, "CB_URLS"},
		{`settings: {CB_URL: x, CB_TOKEN: abc}`, "CB_TOKEN"},
		{`settings: {CB_URL: x, LISTEN_ADDR: ":1"}`, "LISTEN_ADDR"},
		{`settings: {CB_URL: x, RESYNC_INTERVAL: 5}`, "/settings/RESYNC_INTERVAL"},
		{`settings: {CB_URL: x, WORKERS: many}`, "/settings/WORKERS"},
		{`settingsFrom: {CB_URL: {secret: a}}`, "key"},
		{`settingsFrom: {CB_URL: {secret: a, configMap: b, key: c}}`, "/settingsFrom/CB_URL"},
		{`settingsFrom: {NO_SUCH: {secret: a, key: c}}`, "/settingsFrom"},
		{`{settings: {CB_URL: x}, mappings: {shipped: [aeros]}}`, "/mappings/shipped"},
		{`{settings: {CB_URL: x}, mappings: {extra: {rules.txt: x}}}`, "rules.txt"},
		{`{settings: {CB_URL: x}, replicas: -1}`, "/replicas"},
		{`settings: {CB_URL: x, SUBSCRIPTION_ON_EXIT: delete}`, "settings.SUBSCRIPTION_ON_EXIT: delete cannot be with LEADER_ELECTION"},
		{`{settings: {CB_URL: x}, tenants: [{name: a, namespace: b, settings: {SUBSCRIPTION_ON_EXIT: delete}}]}`, "SUBSCRIPTION_ON_EXIT"},
		{`{settings: {CB_URL: x}, tenants: [{name: a, namespace: b}], clusters: {bySecrets: true}}`, "tenants[].settings.CLUSTERS"},
		{`{settings: {CB_URL: x}, tenants: [{name: a, namespace: b}], clusters: {files: [c]}}`, "tenants[].settings.CLUSTERS"},
		{`{settings: {CB_URL: x}, tenants: [{name: a, namespace: b}, {name: c, namespace: hlo-system}]}`, "tenants: c is in hlo-system, where the agent itself is"},
		{`{settings: {CB_URL: x, LEADER_ELECTION: false}}`, "LEADER_ELECTION"},
		{`{settings: {CB_URL: x}, replicaCount: 1}`, "replicaCount"},
		{`{settings: {CB_URL: x}, image: {digest: "abc"}}`, "/image/digest"},
		{`{settings: {CB_URL: x}, ingress: {enabled: true, hosts: [{host: a, paths: [notify]}]}}`, "/ingress/hosts"},
	} {
		t.Run(c.values, func(t *testing.T) {
			t.Parallel()
			values := map[string]any{}
			if err := yaml.UnmarshalStrict([]byte(c.values), &values); err != nil {
				t.Fatal(err)
			}
			if text, err := render(t, values); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q; rendered:\n%s", err, c.want, text)
			}
		})
	}
}

// TestSchemaKnowsEveryValue: the schema forbids what it does not know, so what it lacks could never be set.
func TestSchemaKnowsEveryValue(t *testing.T) {
	t.Parallel()
	for key, value := range readValues(t, chart+"/values.yaml") {
		schema := readValues(t, chart+"/values.schema.json")["properties"].(map[string]any)[key]
		if schema == nil {
			t.Errorf("values.schema.json lacks %s", key)
		} else if inner, ok := value.(map[string]any); ok {
			properties, _ := schema.(map[string]any)["properties"].(map[string]any)
			for name := range inner {
				if properties != nil && properties[name] == nil {
					t.Errorf("values.schema.json lacks %s.%s", key, name)
				}
			}
		}
	}
	if kind := reflect.TypeOf(readValues(t, chart+"/values.schema.json")["additionalProperties"]); kind != reflect.TypeFor[bool]() {
		t.Error("the schema lets unknown values in")
	}
}
