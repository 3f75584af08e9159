package broker

import (
	"fmt"
	"strings"
)

// captureOptions are the flags that the file's group was recorded with.
func captureOptions(name string) Options {
	o := Options{Distributed: true, ArrayReduction: true, DefaultLimit: 20}
	o.Contexts = map[string]map[string]string{"http://127.0.0.1:9101/user.jsonld": {
		"ex":                     "https://aeros.example/",
		"serviceComponentStatus": "https://aeros.example/serviceComponentStatus",
		"ServiceComponent":       "https://aeros.example/ServiceComponent",
		"runsOn":                 "https://aeros.example/runsOn",
	}}
	switch {
	case name[0] == 'd' || strings.Contains(name, "aeros-flags"):
		o.ArrayReduction, o.DefaultLimit = false, 100
	case strings.Contains(name, "mongocOnly-plain"):
		o.Distributed = false
	}
	o.MultiTenant = strings.Contains(name, "multiservice")
	return o
}

// notReplayed are the files of which no line is replayed, with the reason.
func notReplayed() map[string]string {
	return map[string]string{
		"g01_rates.txt": "rates and latencies of that set-up; its database was a stand-in",
		"g07_concurrent_updates_last_notification.txt": "counts of races between two clients: lost updates are the stand-in " +
			"database's; the stale other attribute in 3 to 10 of 80 notifications does not happen here, where changes are serial",
	}
}

// difference is a line of a capture that this broker answers differently.
type difference struct {
	file    string
	request int    // number of the request; 0 is any
	line    string // part of the request, or of the line
	why     string
}

func knownDifferences() []difference {
	return []difference{
		{"a03_entity_create_context_in_body.txt", 5, "attrs=serviceComponentStatus",
			"the recorded list holds an entity without the attribute that attrs names; in every other capture such entities are left out"},
		{"d06_tenants.txt", 0, "/ex/v1/tenants", "the database still knew a tenant of an earlier run"},
		{"d07_version_health_info.txt", 0, "GET /version", "compiler, time and place of that build are not told"},
		{"d07_version_health_info.txt", 0, "GET /ngsi-ld/ex/v1/version", "versions of libraries that are not in this broker are not told"},
		{"d07_version_health_info.txt", 0, "GET /ngsi-ld/v1/info/sourceIdentity", "the same list, in extras"},
		{"d07_version_health_info.txt", 0, "GET /ngsi-ld/v1/types?details=true", "details of types are not made"},
		{"d07_version_health_info.txt", 0, "GET /ngsi-ld/v1/types/ServiceComponent", "details of types are not made"},
		{"d07_version_health_info.txt", 0, "GET /ngsi-ld/v1/attributes/status", "details of attributes are not made"},
		{"d07_version_health_info.txt", 0, "GET /ngsi-ld/v1/jsonldContexts?details=true", "details of contexts are not made"},
		{"d07_version_health_info.txt", 0, "socket service", "the port of -socketService is not there; /ex/v1/ping is"},
		{"d10_values.txt", 5, "POST /ngsi-ld/v1/entities", "the stand-in database refused a list in a list of one"},
		{"d10_values.txt", 6, "GET /ngsi-ld/v1/entities/urn:ngsi-ld:SC:v2", "so the entity is there"},
		{"e13_delete_subscription_while_notification_pending.txt", 7, "GET /ngsi-ld/ex/v1/ping",
			"the process died and came back 2 s later; here only its memory is lost, at once"},
		{"g06_raw_http.txt", 0, "--- HTTP", "net/http answers HTTP/1.0 in HTTP/1.0"},
		{"e04_endpoint_hang.txt", 0, "/hang/m", "the two notifications of this file were not counted in it"},
		{"e13_delete_subscription_while_notification_pending.txt", 0, "/hang/m", "the notification of this file was not counted in it"},
	}
}

// setUp is what was done before a request without being recorded.
type setUp struct {
	file     string // begin of the name
	before   int    // number of the request; 0: at the start
	restart  bool
	requests []string // method, path below /ngsi-ld/v1, body
}

func entity1(attrs string) string {
	return `POST /entities {"id":"urn:ngsi-ld:SC:1","type":"ServiceComponent",` + attrs + `}`
}

const plainEntity = `POST /entities {"id":"urn:ngsi-ld:SC:plain","type":"ServiceComponent","status":{"type":"Property","value":"Running"},` +
	`"cpu":{"type":"Property","value":12.5,"unitCode":"P1","observedAt":"2026-01-01T00:00:00Z"},` +
	`"runsOn":{"type":"Relationship","object":"urn:ngsi-ld:IE:1"},` +
	`"location":{"type":"GeoProperty","value":{"type":"Point","coordinates":[2.1,41.4]}}}`

const oddEntity = `POST /entities {"id":"urn:t:9","type":"X","status":{"type":"Property","value":"a\"b\\cé\n"}}`

// world is what the captures of group d found.
func world() []string {
	out := []string{oddEntity,
		`POST /entities {"id":"urn:ngsi-ld:IE:1","type":"IE","name":{"type":"Property","value":"node1"},"domain":{"type":"Relationship","object":"urn:ngsi-ld:Domain:1"}}`}
	for i := 1; i <= 7; i++ {
		status, element := "Running", 1
		if i%2 == 0 {
			status = "Failed"
		}
		if i > 3 {
			element = 2
		}
		out = append(out, fmt.Sprintf(`POST /entities {"id":"urn:ngsi-ld:SC:%d","type":"ServiceComponent",`+
			`"status":{"type":"Property","value":"%s"},"cpu":{"type":"Property","value":%g},`+
			`"tags":{"type":"Property","value":["a","%d"]},"runsOn":{"type":"Relationship","object":"urn:ngsi-ld:IE:%d"},`+
			`"location":{"type":"GeoProperty","value":{"type":"Point","coordinates":[%d,%d]}}}`, i, status, 1.5*float64(i), i, element, i, i))
	}
	return out
}

func manyT() []string {
	var out []string
	for i := range 60 {
		out = append(out, fmt.Sprintf(`POST /entities {"id":"urn:ngsi-ld:T:%03d","type":"T","n":{"type":"Property","value":%d}}`, i, i))
	}
	return out
}

func listed() []string {
	out := []string{`POST /entities {"id":"urn:ngsi-ld:L:a","type":"A","x":{"type":"Property","value":2}}`,
		`POST /entities {"id":"urn:ngsi-ld:L:b","type":"B","x":{"type":"Property","value":6},"host":{"type":"Property","value":"h"}}`}
	for i := range 5 {
		out = append(out, fmt.Sprintf(`POST /entities {"id":"urn:ngsi-ld:L:p%d","type":"A","x":{"type":"Property","value":%d}}`, i, i))
	}
	return out
}

func setUps() []setUp {
	status := entity1(`"status":{"type":"Property","value":"v0"}`)
	gone := "DELETE /subscriptions/urn:ngsi-ld:Subscription:"
	out := []setUp{
		{file: "a02", requests: []string{plainEntity}},
		{file: "a03", requests: []string{plainEntity}},
		{file: "a07", requests: []string{plainEntity}},
		{file: "b08", before: 2, requests: []string{subscribe("l0"), subscribe("l1"), subscribe("l2")}},
		{file: "d0", requests: world()},
		{file: "d03", requests: manyT()},
		{file: "d07", requests: manyT()[:1]},
		{file: "e0", requests: []string{entity1(`"status":{"type":"Property","value":"v0"}`)}},
		{file: "e09", requests: []string{`POST /entities/urn:ngsi-ld:SC:1/attrs {"cpu":{"type":"Property","value":1}}`}},
		{file: "e1", requests: []string{status}},
		{file: "e10", before: 5, restart: true},
		{file: "e10", before: 7, restart: true},
		{file: "e11", before: 3, requests: []string{gone + "m1"}},
		{file: "e11", before: 4, requests: []string{gone + "m1", gone + "m2", "DELETE /entities/urn:ngsi-ld:SC:1"}},
		{file: "f01", requests: []string{oddEntity, entity1(`"status":{"type":"Property","value":"t"}`),
			`POST /entities {"id":"urn:ngsi-ld:SC:2","type":"ServiceComponent","other":{"type":"Property","value":"t"}}`}},
		{file: "g02", requests: []string{entity1(`"status":{"type":"Property","value":"v0"},"cpu":{"type":"Property","value":1}`)}},
		{file: "g05", requests: []string{status}},
		{file: "h03", requests: listed()},
	}
	for n := 2; n <= 7; n++ {
		out = append(out, setUp{file: "e09", before: n, requests: []string{gone + "e"}}, setUp{file: "g05", before: n, requests: []string{gone + "g"}})
	}
	return out
}

func subscribe(id string) string {
	return `POST /subscriptions {"id":"urn:ngsi-ld:Subscription:` + id + `","type":"Subscription","entities":[{"type":"ServiceComponent"}],` +
		`"notification":{"endpoint":{"uri":"http://127.0.0.1:9100/ok/g"}}}`
}
