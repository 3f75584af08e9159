package broker

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMergeValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, was, in, want string }{
		{"other keys stay", `{"a":1,"b":2}`, `{"a":3}`, `{"a":3,"b":2}`},
		{"new keys come last", `{"a":1}`, `{"b":2}`, `{"a":1,"b":2}`},
		{"at every depth", `{"a":{"b":{"c":1,"d":2},"e":3}}`, `{"a":{"b":{"c":9}}}`, `{"a":{"b":{"c":9,"d":2},"e":3}}`},
		{"an empty object clears nothing", `{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":1}}`},
		{"lists are replaced", `{"a":[1,2]}`, `{"a":[3]}`, `{"a":[3]}`},
		{"another type replaces", `{"a":{"b":1}}`, `{"a":"x"}`, `{"a":"x"}`},
		{"an object replaces a text", `{"a":"x"}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{"null text removes", `{"a":1,"b":{"c":1,"d":2}}`, `{"b":{"c":"urn:ngsi-ld:null"}}`, `{"a":1,"b":{"d":2}}`},
		{"null removes what is not there", `{"a":1}`, `{"b":null,"c":{"d":"urn:ngsi-ld:null"}}`, `{"a":1,"c":{}}`},
	} {
		if diff := cmp.Diff(c.want, string(appendValue(nil, mergeValue(stored(c.was), stored(c.in))))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestMergeEcho states the malformed echoes one by one; the captures have them
// in whole notifications.
func TestMergeEcho(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, was, in, want string }{
		{"value", `{"type":"Property","value":1}`, `{"type":"Property","value":2}`, `{"type":"Property","value":2}`},
		{"simplified", `{"type":"Property","value":1}`, `{"value":2}`, `{"type":"Property","value":2}`},
		{"observedAt is a number", `{"type":"Property","value":1,"observedAt":"2026-11-21T10:00:00.000Z"}`,
			`{"type":"Property","value":2,"observedAt":"2026-11-21T11:00:00.000Z"}`, `{"type":"Property","value":2,"observedAt":1795258800}`},
		{"with a fraction", `{"type":"Property","value":1}`, `{"value":2,"observedAt":"2026-11-21T11:00:00.5Z"}`,
			`{"type":"Property","value":2,"observedAt":1795258800.500000000}`},
		{"observedAt alone", `{"type":"Property","value":1}`, `{"type":"Property","observedAt":"2026-05-05T00:00:00Z"}`, `{"observedAt":{"value":1777939200}}`},
		{"nested keys are dotted", `{"type":"Property","value":{"a":1,"b":{"c":{"d":1},"e":2},"f":3}}`, `{"value":{"b":{"c":{"d":2}},"a":9}}`,
			`{"type":"Property","value":{"b":{"c":{"d":1},"e":2},"f":3,"b.c.d":2,"a":9}}`},
		{"what is equal is not in it", `{"type":"Property","value":{"a":1,"b":2}}`, `{"value":{"a":1,"b":3}}`, `{"type":"Property","value":{"a":1,"b":3}}`},
		{"unitCode is wrapped", `{"type":"Property","value":1}`, `{"value":2,"unitCode":"X"}`, `{"type":"Property","value":2,"unitCode":{"value":"X"}}`},
		{"relationship", `{"type":"Relationship","object":"urn:a:1"}`, `{"type":"Relationship","object":"urn:a:2"}`, `{"type":"Relationship","object":"urn:a:2"}`},
	} {
		got := string(appendValue(nil, changedEcho(stored(c.was), stored(c.in), 0)))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	for _, c := range []struct{ name, in, want string }{
		{"added relationship", `{"type":"Relationship","object":"urn:a:1"}`, `{"type":"Relationship","value":"urn:a:1"}`},
		{"added with observedAt", `{"type":"Property","value":1,"observedAt":"2026-11-21T11:00:00Z"}`, `{"type":"Property","value":1,"md":{"observedAt":{"value":1795258800}}}`},
	} {
		if diff := cmp.Diff(c.want, string(appendValue(nil, addedEcho(stored(c.in), 0)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
