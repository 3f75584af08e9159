package ngsild

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// values leaves of entities what every form has in common.
func values(entities []Entity) map[EntityID]map[string]any {
	all := map[EntityID]map[string]any{}
	for _, e := range entities {
		attrs := map[string]any{"type": e.Type}
		for name, a := range e.Attrs {
			attrs[name] = a.Value
			if a.Malformed {
				attrs[name] = "malformed"
			}
		}
		all[e.ID] = attrs
	}
	return all
}

func decodeAll(t *testing.T, document any) []Entity {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	entities, errs := DecodeEntities(text)
	if len(errs) > 0 {
		t.Fatalf("decode: %v", errs)
	}
	return entities
}

func worldDocument(t *testing.T, file string) []map[string]any {
	t.Helper()
	var world []map[string]any
	if err := json.Unmarshal(compact(t, "world", file), &world); err != nil {
		t.Fatal(err)
	}
	return world
}

// rewrite returns the world with every attribute put through form.
func rewrite(world []map[string]any, form func(name string, attribute map[string]any) (string, any)) []map[string]any {
	var out []map[string]any
	for _, entity := range world {
		other := map[string]any{"id": entity["id"], "type": entity["type"]}
		for name, attribute := range entity {
			if normalized, ok := attribute.(map[string]any); ok {
				newName, value := form(name, normalized)
				other[newName] = value
			}
		}
		out = append(out, other)
	}
	return out
}

func concise(attribute map[string]any) any {
	if attribute["type"] != "Relationship" && len(attribute) == 2 {
		return attribute["value"]
	}
	short := map[string]any{}
	for key, value := range attribute {
		if key != "type" {
			short[key] = value
		}
	}
	return short
}

func simplified(attribute map[string]any) any {
	if attribute["type"] == "Relationship" {
		return attribute["object"]
	}
	return attribute["value"]
}

// reduced does to a list of one what a broker without -noArrayReduction does.
func reduced(value any) any {
	if list, ok := value.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return value
}

// TestFormsAgree decodes every entity of the example world in every form and
// compares the values.
func TestFormsAgree(t *testing.T) {
	t.Parallel()
	world := worldDocument(t, "world.normalized.json")
	want := values(decodeAll(t, world))
	if len(want) < 25 {
		t.Fatalf("only %d entities", len(want))
	}
	random := rand.New(rand.NewPCG(1, 2))
	forms := []func(map[string]any) any{
		func(a map[string]any) any { return a }, concise, simplified,
	}
	for name, document := range map[string]any{
		"simplified file": worldDocument(t, "world.simplified.json"),
		"concise": rewrite(world, func(name string, a map[string]any) (string, any) {
			return name, concise(a)
		}),
		"expanded names": rewrite(world, func(name string, a map[string]any) (string, any) {
			return "https://uri.etsi.org/ngsi-ld/default-context/" + name, a
		}),
		"published names, simplified": rewrite(world, func(name string, a map[string]any) (string, any) {
			return "https://smartdatamodels.org/dataModel.IT/" + name, simplified(a)
		}),
		"mixed": rewrite(world, func(name string, a map[string]any) (string, any) {
			return name, forms[random.IntN(len(forms))](a)
		}),
	} {
		if diff := cmp.Diff(want, values(decodeAll(t, document))); diff != "" {
			t.Errorf("%s differs from normalized (-normalized +%s):\n%s", name, name, diff)
		}
	}
}

// TestReductionAgrees compares lists through the accessors, as brokers that
// reduce lists of one answer them, in every form.
func TestReductionAgrees(t *testing.T) {
	t.Parallel()
	world := worldDocument(t, "world.normalized.json")
	want := lists(decodeAll(t, world))
	reduce := func(a map[string]any) map[string]any {
		out := map[string]any{}
		for key, value := range a {
			out[key] = reduced(value)
		}
		return out
	}
	for name, form := range map[string]func(map[string]any) any{
		"normalized": func(a map[string]any) any { return reduce(a) },
		"concise":    func(a map[string]any) any { return concise(reduce(a)) },
		"simplified": func(a map[string]any) any { return simplified(reduce(a)) },
	} {
		document := rewrite(world, func(name string, a map[string]any) (string, any) { return name, form(a) })
		if diff := cmp.Diff(want, lists(decodeAll(t, document))); diff != "" {
			t.Errorf("%s, lists of one reduced (-want +got):\n%s", name, diff)
		}
	}
}

func lists(entities []Entity) map[EntityID]map[string][]any {
	all := map[EntityID]map[string][]any{}
	for _, e := range entities {
		all[e.ID] = map[string][]any{}
		for _, name := range []string{"networkPorts", "envVars", "cliArgs", "service", "infrastructureElement", "owner"} {
			all[e.ID][name] = e.List(name)
		}
	}
	return all
}

// TestEncodeDecode: what was decoded, written as normalized attributes, decodes
// to the same.
func TestEncodeDecode(t *testing.T) {
	t.Parallel()
	want := decodeAll(t, worldDocument(t, "world.normalized.json"))
	var document []map[string]any
	for _, e := range want {
		entity := map[string]any{"id": e.ID, "type": e.Type}
		for name, a := range e.Attrs {
			switch a.Kind {
			case Relationship:
				entity[name] = map[string]any{"type": "Relationship", "object": a.Value}
			case GeoProperty:
				entity[name] = map[string]any{"type": "GeoProperty", "value": a.Value}
			default:
				entity[name] = map[string]any{"type": "Property", "value": a.Value}
			}
		}
		document = append(document, entity)
	}
	if diff := cmp.Diff(want, decodeAll(t, document)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNotificationFormatsAgree(t *testing.T) {
	t.Parallel()
	want := values(notificationFile(t, "sc-starting.normalized.json").Entities)
	for _, file := range []string{"sc-starting.concise.json", "sc-starting.simplified.json"} {
		if diff := cmp.Diff(want, values(notificationFile(t, file).Entities)); diff != "" {
			t.Errorf("%s (-normalized +other):\n%s", file, diff)
		}
	}
}

func notificationFile(t *testing.T, file string) Notification {
	t.Helper()
	n, err := DecodeNotification(compact(t, "notifications", file))
	if err != nil || len(n.Errors) > 0 {
		t.Fatalf("%s: %v %v", file, err, n.Errors)
	}
	return n
}

// TestRecordedNotifications decodes every notification that Orion-LD was seen
// to send and lists what is malformed or a deletion in them.
func TestRecordedNotifications(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/captures/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var odd []string
	count := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		for _, body := range notified(t, name) {
			count++
			n, err := DecodeNotification([]byte(body))
			if err != nil || len(n.Errors) > 0 || n.NotifiedAt.IsZero() || n.SubscriptionID == "" || n.ID == "" {
				t.Errorf("%s: %v %+v in %s", name, err, n, body)
			}
			for _, e := range n.Entities {
				odd = append(odd, oddities(name, e)...)
			}
		}
	}
	if count < 140 {
		t.Errorf("only %d notifications found", count)
	}
	want, err := os.ReadFile("testdata/odd-notifications.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), odd); diff != "" {
		t.Errorf("malformed or deleted (-want +got):\n%s", diff)
	}
}

func oddities(recording string, e Entity) []string {
	var odd []string
	if e.Deleted {
		odd = append(odd, recording+" "+string(e.ID)+" deleted")
	}
	for name, a := range e.Attrs {
		if a.Malformed {
			value, _ := json.Marshal(a.Value)
			odd = append(odd, recording+" "+string(e.ID)+" "+name+" "+string(value))
		}
	}
	return odd
}
