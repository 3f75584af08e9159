package agent

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReadmeAndChartSettings compares the settings that the chart's values may hold with those of the agent.
func TestReadmeAndChartSettings(t *testing.T) {
	const path = "../deploy/hlo-agent/values.schema.json"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	settings, from := chartSettings()
	properties := schema["properties"].(map[string]any)
	if *update {
		properties["settings"], properties["settingsFrom"] = settings, from
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(schema); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name, want := range map[string]any{"settings": settings, "settingsFrom": from} {
		if diff := cmp.Diff(want, properties[name]); diff != "" {
			t.Errorf("%s in the chart's schema differ from the agent's settings (go test ./agent -run 'Readme' -update): %s", name, diff)
		}
	}
}

// chartSettings are the schemas of the chart's values settings, which holds no credentials, and settingsFrom.
func chartSettings() (settings, from map[string]any) {
	ofChart := []string{"LISTEN_ADDR", "OPS_ADDR", "MAPPINGS", "POLICY", "CLUSTERS", "LEADER_ELECTION", "POD_IP"}
	properties, references := map[string]any{}, map[string]any{}
	for field := range reflect.TypeFor[Config]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		if slices.Contains(ofChart, name) {
			continue
		}
		references[name] = map[string]any{"$ref": "#/definitions/key"}
		if field.Type != reflect.TypeFor[Secret]() && !strings.HasSuffix(name, "_FILE") && name != "KUBECONFIG" {
			one := map[string]any{"description": field.Tag.Get("help")}
			maps.Copy(one, valueSchema(field.Type))
			properties[name] = one
		}
	}
	settings = map[string]any{
		"description": "Settings of the agent, without credentials",
		"type":        "object", "additionalProperties": false, "properties": properties,
	}
	from = map[string]any{
		"description": "Settings of the agent that come from Secrets or ConfigMaps",
		"type":        "object", "additionalProperties": false, "properties": references,
	}
	return settings, from
}

// valueSchema is what a values file may say for a setting of a type. Texts may be numbers there: an id that looks
// like one needs no quotes.
func valueSchema(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return map[string]any{"type": "integer"}
	case t.Kind() == reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": []any{"string", "integer"}}
}

// TestReadmeSettingsInDocs: documents for operators name no setting that there is not.
func TestReadmeSettingsInDocs(t *testing.T) {
	ofOthers := []string{
		"HLO_AL", "IMAGE_REPOSITORY", "CHART_REGISTRY", "HLO_AL_URL", "HLO_AL_PORT", "LLO_REST_URL", "LLO_REST_PORT", "K8S_SHIM_URL", "K8S_SHIM_PORT", "OVERLAY_SUBNET", "URL_VERSION",
	}
	known := slices.Concat(slices.Collect(settingNames()), ofOthers, []string{"NO_COLOR"})
	found := 0
	for _, path := range []string{"../docs/operations.md", "../docs/migrate-from-python.md", "../docs/troubleshooting.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile("[A-Z0-9]+(?:_[A-Z0-9]+)+").FindAllString(string(text), -1) {
			found++
			if !slices.Contains(known, name) {
				t.Errorf("%s names %s, which is no setting", path, name)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d settings in the documents", found)
	}
}
