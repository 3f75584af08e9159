package broker

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestRefusals has requests that are wrong in one way each; those that the
// captures hold are not repeated.
func TestRefusals(t *testing.T) {
	t.Parallel()
	sub := func(part string) string {
		return `{"type":"Subscription","entities":[{"type":"T"}],"notification":{"endpoint":{"uri":"http://x:1/y"}},` + part + `}`
	}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		title, detail            string
	}{
		{"unknown path", "GET", "/entitiez", "", 404, "Service Not Found", "/ngsi-ld/v1/entitiez"},
		{"unknown batch operation", "POST", "/entityOperations/merge", `[1]`, 404, "Service Not Found", "/ngsi-ld/v1/entityOperations/merge"},
		{"an entity that is not an object", "POST", "/entities", `[1]`, 400, "Not a JSON Object", "payload body must be a JSON Object"},
		{"a body that is a text", "POST", "/entities", `"x"`, 400, "Invalid Payload Body", "must be a JSON Object or Array"},
		{"id that is not a text", "POST", "/entities", `{"id":1,"type":"T"}`, 400, "Entity id is missing", "The 'id' field is mandatory"},
		{"no object", "POST", "/entities", `{"id":"urn:x:1","type":"T","r":{"type":"Relationship"}}`, 400, "Missing /object/ field for Relationship at creation time", defaultContext + "r"},
		{"object that is a number", "POST", "/entities", `{"id":"urn:x:1","type":"T","r":{"type":"Relationship","object":1}}`, 400, "Not a JSON String", "object"},
		{"one object of a list", "POST", "/entities", `{"id":"urn:x:1","type":"T","r":{"type":"Relationship","object":["urn:a:1","x"]}}`, 400, "Invalid URI - no colon found", "object"},
		{"observedAt", "POST", "/entities", `{"id":"urn:x:1","type":"T","a":{"value":1,"observedAt":"yesterday"}}`, 400, "Invalid ISO8601", "observedAt"},
		{"sub-attribute", "POST", "/entities", `{"id":"urn:x:1","type":"T","a":{"value":1,"b":{"type":"Propertyy","value":1}}}`, 400, "Invalid value for attribute /type/", "Propertyy"},
		{"null text on creation", "POST", "/entities", `{"id":"urn:x:1","type":"T","a":"urn:ngsi-ld:null"}`, 400, "Bad Input", "for the entity 'urn:x:1', attribute '" + defaultContext + "a', attribute field 'value'"},
		{"null in a merge", "PATCH", "/entities/urn:x:there", `{"a":{"type":"Property","value":null}}`, 400, titleNull, defaultContext + "a"},
		{"merge adds no value", "PATCH", "/entities/urn:x:there", `{"new":{"type":"Property","observedAt":"2026-01-01T00:00:00Z"}}`, 400, "Missing /value/ field for Property at creation time", defaultContext + "new"},
		{"merge of nothing", "PATCH", "/entities/urn:x:none", `{"a":1}`, 404, "Entity does not exist", "urn:x:none"},
		{"append to nothing", "POST", "/entities/urn:x:none/attrs", `{"a":1}`, 404, "Entity does not exist", "urn:x:none"},
		{"replace with another type", "PUT", "/entities/urn:x:there", `{"id":"urn:x:there","type":"U"}`, 400, "Entity Type cannot be altered", "U"},
		{"purge without a type", "DELETE", "/entities", "", 400, "Too broad query", ""},
		{"offset", "GET", "/entities?type=T&offset=x", "", 400, "Invalid value for URI parameter /offset/", "must be an integer value >= 0"},
		{"id pattern", "GET", "/entities?idPattern=%5B", "", 400, "Invalid Regular Expression", "["},
		{"query that is a list", "POST", "/entityOperations/query", `[1]`, 400, "Not a JSON Object", ""},
		{"query with a bad q", "POST", "/entityOperations/query", `{"type":"Query","q":"=="}`, 400, "Invalid Q-Filter", "no attribute name"},
		{"batch delete of objects", "POST", "/entityOperations/delete", `[{"id":"urn:x:1"}]`, 400, "Invalid Payload Body", "Array Item is not a String"},
		{"subscription without a type", "POST", "/subscriptions", `{"entities":[{"type":"T"}],"notification":{"endpoint":{"uri":"http://x:1/y"}}}`, 400, titleMissing, "Subscription::type"},
		{"subscription without an endpoint", "POST", "/subscriptions", `{"type":"Subscription","entities":[{"type":"T"}],"notification":{}}`, 400, titleMissing, "Subscription::notification::endpoint::uri"},
		{"entities", "POST", "/subscriptions", sub(`"entities":{}`), 400, "Not a JSON Array", "Subscription::entities"},
		{"an entity selector", "POST", "/subscriptions", sub(`"entities":["T"]`), 400, "Not a JSON Object", "Subscription::entities"},
		{"watchedAttributes", "POST", "/subscriptions", sub(`"watchedAttributes":[]`), 400, "Empty Array", "Subscription::watchedAttributes"},
		{"a watched attribute", "POST", "/subscriptions", sub(`"watchedAttributes":[1]`), 400, "Not a JSON String", "Subscription::watchedAttributes"},
		{"notification", "POST", "/subscriptions", sub(`"notification":[]`), 400, "Not a JSON Object", "Subscription::notification"},
		{"isActive", "POST", "/subscriptions", sub(`"isActive":"yes"`), 400, "Not a JSON Boolean", "Subscription::isActive"},
		{"q of a subscription", "POST", "/subscriptions", sub(`"q":"=="`), 400, "Invalid Q-Filter", "no attribute name"},
		{"sysAttrs", "POST", "/subscriptions", sub(`"notification":{"sysAttrs":1}`), 400, "Not a JSON Boolean", "Subscription::notification::sysAttrs"},
		{"showChanges", "POST", "/subscriptions", sub(`"notification":{"showChanges":1}`), 400, "Not a JSON Boolean", "Subscription::notification::showChanges"},
		{"endpoint", "POST", "/subscriptions", sub(`"notification":{"endpoint":1}`), 400, "Not a JSON Object", "Subscription::notification::endpoint"},
		{"receiverInfo", "POST", "/subscriptions", sub(`"notification":{"endpoint":{"receiverInfo":{}}}`), 400, "Not a JSON Array", ""},
		{"receiverInfo without a key", "POST", "/subscriptions", sub(`"notification":{"endpoint":{"receiverInfo":[{"value":"v"}]}}`), 400, titleMissing, ""},
		{"temporal", "GET", "/temporal/entities?type=T", "", 501, "Not Implemented in Orion-LD, please use Mintaka for this operation", "/ngsi-ld/v1/temporal/entities"},
	} {
		b := New(Options{})
		b.ServeHTTP(httptest.NewRecorder(), jsonRequest("POST", "/entities", `{"id":"urn:x:there","type":"T","a":1}`))
		w := httptest.NewRecorder()
		b.ServeHTTP(w, jsonRequest(c.method, c.path, c.body))
		v := stored(w.Body.String())
		if w.Code != c.status || v.textOf("title") != c.title || !strings.Contains(v.textOf("detail"), c.detail) {
			t.Errorf("%s: got %d %s, want %d %q %q", c.name, w.Code, w.Body, c.status, c.title, c.detail)
		}
	}
}

// TestFormats reads one entity in every form.
func TestFormats(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{Contexts: map[string]map[string]string{"http://c.example/c": {"ex": "https://ex.example/", "temp": "ex:temperature"}}})
	b.do(201, "POST", "/entities", `{"id":"urn:x:1","type":"T","a":{"value":1,"https://ex.example/b":{"value":2}},`+
		`"r":{"object":"urn:y:1"},"l":{"languageMap":{"en":"house","pt":"casa"}},"p":{"type":"Point","coordinates":[1,2]},`+
		`"location":{"type":"Point","coordinates":[3,4]},"o":{"k":[1]},"d":[{"value":1,"datasetId":"urn:d:1"},{"value":2}]}`)
	head := `{"id":"urn:x:1","type":"T",`
	for query, want := range map[string]string{
		"": head + `"a":{"type":"Property","value":1,"https://ex.example/b":{"type":"Property","value":2}},"r":{"type":"Relationship","object":"urn:y:1"},` +
			`"l":{"type":"LanguageProperty","languageMap":{"en":"house","pt":"casa"}},"p":{"type":"GeoProperty","value":{"type":"Point","coordinates":[1,2]}},` +
			`"location":{"type":"GeoProperty","value":{"type":"Point","coordinates":[3,4]}},"o":{"type":"Property","value":{"k":[1]}},` +
			`"d":[{"type":"Property","value":2},{"type":"Property","value":1,"datasetId":"urn:d:1"}]}`,
		"?options=concise": head + `"a":{"value":1,"https://ex.example/b":2},"r":{"object":"urn:y:1"},"l":{"languageMap":{"en":"house","pt":"casa"}},` +
			`"p":{"type":"Point","coordinates":[1,2]},"location":{"type":"Point","coordinates":[3,4]},"o":{"k":[1]},"d":[2,{"value":1,"datasetId":"urn:d:1"}]}`,
		"?format=keyValues&lang=pt": head + `"a":1,"r":"urn:y:1","l":"casa","p":{"type":"Point","coordinates":[1,2]},` +
			`"location":{"type":"Point","coordinates":[3,4]},"o":{"k":[1]},"d":[2,1]}`,
		"?attrs=l&lang=fr":             head + `"l":{"type":"Property","value":"house","lang":"en"}}`,
		"?attrs=r,a&options=concise":   head + `"a":{"value":1,"https://ex.example/b":2},"r":{"object":"urn:y:1"}}`,
		"?attrs=nope,o&format=concise": head + `"o":{"k":[1]}}`,
	} {
		b.expect(query, want, b.do(200, "GET", "/entities/urn:x:1"+query, ""))
	}
	b.expect("ld+json", `{"@context":"`+coreURL+`","id":"urn:x:1","type":"T","r":"urn:y:1"}`,
		b.do(200, "GET", "/entities/urn:x:1?attrs=r&options=keyValues", "", "Accept", "text/html, application/ld+json;q=0.9"))
	b.expect("geo+json", `{"id":"urn:x:1","type":"Feature","properties":{"type":"T","location":{"type":"Point","coordinates":[3,4]}},"@context":"`+coreURL+`","geometry":{"type":"Point","coordinates":[3,4]}}`,
		b.do(200, "GET", "/entities/urn:x:1?attrs=location&options=keyValues", "", "Accept", "application/geo+json"))
	link := `<http://c.example/c>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"`
	b.do(201, "POST", "/entities", `{"id":"urn:x:2","type":"ex:U","temp":5}`, "Link", link)
	b.expect("no context", `{"id":"urn:x:2","type":"https://ex.example/U","ex:temperature":5}`, b.do(200, "GET", "/entities/urn:x:2?options=keyValues", ""))
	b.expect("its context", `{"id":"urn:x:2","type":"https://ex.example/U","temp":5}`, b.do(200, "GET", "/entities/urn:x:2?options=keyValues", "", "Link", link))
}

func TestArrayReduction(t *testing.T) {
	t.Parallel()
	for reduce, want := range map[bool]string{
		true:  `{"id":"urn:x:1","type":"T","a":"x","b":{"c":[1]},"e":[],"r":"urn:y:1"}`,
		false: `{"id":"urn:x:1","type":"T","a":["x"],"b":[{"c":[1]}],"e":[],"r":["urn:y:1"]}`,
	} {
		b := newBench(t, Options{ArrayReduction: reduce})
		b.do(201, "POST", "/entities", `{"id":"urn:x:1","type":"T","a":["x"],"b":{"value":[{"c":[1]}]},"e":[],"r":{"object":["urn:y:1"]}}`)
		b.expect("entity", want, b.do(200, "GET", "/entities/urn:x:1?options=keyValues", ""))
	}
}

// TestDeletionNotices has what a deletion sends to which subscription.
func TestDeletionNotices(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.subscribe("plain", "/ok/plain", "")
	b.subscribe("q", "/ok/q", `,"q":"n==77"`)
	b.subscribe("watched", "/ok/watched", `,"watchedAttributes":["n"]`)
	b.create("1", `"n":1`)
	b.create("2", `"n":1`)
	b.receiver.take(4, 0)
	b.do(204, "DELETE", "/entities?type=T", "")
	got := b.receiver.take(2, 0)
	if len(got) != 2 || got[0].tag() != "q" || got[1].tag() != "plain" {
		t.Fatalf("got %+v", got)
	}
	data, _ := stored(got[1].body).get("data")
	b.expect("data", `[{"id":"urn:x:1","type":"T","deletedAt":"2026-11-21T12:00:00.000Z"},{"id":"urn:x:2","type":"T","deletedAt":"2026-11-21T12:00:00.000Z"}]`,
		string(appendValue(nil, data)))
	b.create("3", `"n":1`)
	b.receiver.take(2, 0)
	b.do(204, "POST", "/entityOperations/delete", `["urn:x:3"]`)
	if got := b.receiver.take(0, 0); len(got) != 0 {
		t.Errorf("a batch delete sent %+v", got)
	}
}

// TestNotificationContext has names and Link of a notification in the
// subscription's context, whatever the request's that caused it.
func TestNotificationContext(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{Contexts: map[string]map[string]string{"http://c.example/c": {"T": "https://ex.example/T", "n": "https://ex.example/n"}}})
	link := `<http://c.example/c>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"`
	b.do(201, "POST", "/subscriptions", `{"id":"urn:ngsi-ld:Subscription:s","type":"Subscription","entities":[{"type":"T"}],"notification":{"endpoint":{"uri":"`+b.endpoint("/ok/s")+`"}}}`, "Link", link)
	b.do(201, "POST", "/entities", `{"id":"urn:x:1","type":"https://ex.example/T","https://ex.example/n":1,"m":2}`)
	got := b.receiver.take(1, 0)
	if len(got) != 1 || !slices.Contains(got[0].headers, "Link: "+link) {
		t.Fatalf("got %+v", got)
	}
	data, _ := stored(got[0].body).get("data")
	b.expect("data", `[{"id":"urn:x:1","type":"T","n":{"type":"Property","value":1},"m":{"type":"Property","value":2}}]`, string(appendValue(nil, data)))
}
