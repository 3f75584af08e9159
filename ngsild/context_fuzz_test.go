package ngsild

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzContext: whatever an @context says, an entity means what it means without one.
func FuzzContext(f *testing.F) {
	for _, context := range []string{
		`"https://context.invalid/c.jsonld"`, `["https://a.invalid", {"image": "https://evil.invalid/containerImage"}]`, `null`, `5`, `{}`,
		`{"@vocab": "https://evil.invalid/", "id": "@type", "type": "@id"}`, `{"@import": "file:///etc/passwd", "containerImage": {"@id": "x", "@context": {"a": "b"}}}`,
		`{"a": {"@reverse": "b", "@container": ["@list", "@language"]}, "a": null}`, `[[[["x"]]]]`,
	} {
		f.Add(context, true)
		f.Add(context, false)
	}
	const rest = `"id":"urn:x:1","type":"T","image":{"type":"Property","value":{"a":[1,"x"]}},"link":{"type":"Relationship","object":"urn:x:2"}`
	plain, errs := DecodeEntities([]byte(`{` + rest + `}`))
	if len(plain) != 1 || len(errs) != 0 {
		f.Fatal(plain, errs)
	}
	f.Fuzz(func(t *testing.T, context string, first bool) {
		text := `{` + rest + `,"@context":` + context + `}`
		if first {
			text = `{"@context":` + context + `,` + rest + `}`
		}
		got, errs := DecodeEntities([]byte(text))
		if !json.Valid([]byte(context)) { // it may end the entity and begin another one: no more is known of that
			if len(errs) == 0 && !json.Valid([]byte(text)) {
				t.Errorf("%s\nis no JSON and was read without an error", text)
			}
			return
		}
		if len(errs) == 0 && !reflect.DeepEqual(got, plain) {
			t.Errorf("%s\ngot %+v, want %+v", text, got, plain)
		}
		if len(errs) > 0 && depth(context) < maxDepth-2 {
			t.Errorf("%s\n%v", text, errs)
		}
	})
}

// depth is an upper bound of how deep a JSON text is nested.
func depth(text string) (most int) {
	now := 0
	for _, c := range text {
		switch c {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		}
	}
	return most
}
