package broker

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// call is a request that the agent makes, or its sandbox for it.
type call struct {
	name, method, path, body string
	status                   int
	deviates                 string // why ETSI's description does not fit; part of the validator's message
}

// Deviations of the recorded broker that come again and again.
const (
	noStatus       = "'status'"     // its problem documents have no member status
	severalTargets = "networkPorts" // it takes a list as object of a Relationship, of which 1.7.1 describes one
)

func calls() []call {
	sub := `{"id":"urn:ngsi-ld:Subscription:s","type":"Subscription","entities":[{"type":"ServiceComponent"}],` +
		`"notification":{"format":"normalized","endpoint":{"uri":"http://127.0.0.1:9/n","accept":"application/json"}}}`
	id := "/entities/urn:ngsi-ld:Service:bench:Component:c000001"
	return []call{
		{"create subscription", "POST", "/subscriptions", sub, 201, ""},
		{"create it again", "POST", "/subscriptions", sub, 409, noStatus},
		{"get subscription", "GET", "/subscriptions/urn:ngsi-ld:Subscription:s", "", 200, ""},
		{"list subscriptions", "GET", "/subscriptions?limit=10&count=true", "", 200, ""},
		{"revive subscription", "PATCH", "/subscriptions/urn:ngsi-ld:Subscription:s", `{"isActive":true}`, 204, ""},
		{"subscription trigger", "POST", "/subscriptions", strings.Replace(sub, `"notification"`, `"notificationTrigger":["entityCreated"],"notification"`, 1), 501, "status is not supported"},
		{"create entity", "POST", "/entities", componentJSON(1), 201, ""},
		{"create it again", "POST", "/entities", componentJSON(1), 409, noStatus},
		{"create a bad one", "POST", "/entities", `{"id":"x","type":"T"}`, 400, noStatus},
		{"get entity", "GET", id, "", 200, severalTargets},
		{"get entity simplified", "GET", id + "?options=keyValues", "", 200, ""},
		{"get entity with times", "GET", id + "?options=sysAttrs", "", 200, severalTargets},
		{"get no entity", "GET", "/entities/urn:ngsi-ld:none", "", 404, noStatus},
		{"list entities", "GET", "/entities?type=ServiceComponent&local=true&limit=2&offset=0&count=true", "", 200, severalTargets},
		{"list entities by id", "GET", "/entities?id=urn:a:1,urn:a:2&local=true", "", 200, ""},
		{"list too broadly", "GET", "/entities", "", 400, noStatus},
		{"merge", "PATCH", id, `{"serviceComponentStatus":{"type":"Relationship","object":"urn:ngsi-ld:ServiceComponentStatus:Running"}}`, 204, ""},
		{"merge removes", "PATCH", id, `{"infrastructureElement":"urn:ngsi-ld:null"}`, 204, ""},
		{"merge nothing", "PATCH", id, `{}`, 400, noStatus},
		{"update attributes", "PATCH", id + "/attrs", `{"isJob":{"type":"Property","value":true}}`, 204, ""},
		{"update no attribute", "PATCH", id + "/attrs", `{"nope":{"type":"Property","value":true}}`, 404, noStatus},
		{"update some attributes", "PATCH", id + "/attrs", `{"isJob":{"type":"Property","value":true},"nope":{"type":"Property","value":true}}`, 207, `property "attributeName" is missing`},
		{"append attributes", "POST", id + "/attrs", `{"more":{"type":"Property","value":1}}`, 204, ""},
		{"update one attribute", "PATCH", id + "/attrs/isJob", `{"value":false}`, 204, ""},
		{"delete attribute", "DELETE", id + "/attrs/more", "", 204, ""},
		{"delete no attribute", "DELETE", id + "/attrs/more", "", 404, noStatus},
		{"batch create", "POST", "/entityOperations/create", "[" + componentJSON(2) + "," + componentJSON(3) + "]", 201, ""},
		{"batch create again", "POST", "/entityOperations/create", "[" + componentJSON(2) + "," + componentJSON(4) + "]", 207, ""},
		{"batch upsert", "POST", "/entityOperations/upsert", "[" + componentJSON(2) + "," + componentJSON(5) + "]", 201, ""},
		{"batch upsert of old ones", "POST", "/entityOperations/upsert", "[" + componentJSON(2) + "]", 204, ""},
		{"batch update", "POST", "/entityOperations/update", "[" + componentJSON(2) + "]", 204, ""},
		{"batch update of one that is not there", "POST", "/entityOperations/update", "[" + componentJSON(9) + "]", 207, ""},
		{"batch delete", "POST", "/entityOperations/delete", `["urn:ngsi-ld:Service:bench:Component:c000003"]`, 204, ""},
		{"batch delete again", "POST", "/entityOperations/delete", `["urn:ngsi-ld:Service:bench:Component:c000003"]`, 207, ""},
		{"query", "POST", "/entityOperations/query", `{"type":"Query","entities":[{"type":"ServiceComponent"}]}`, 200, severalTargets},
		{"replace entity", "PUT", id, componentJSON(1), 204, ""},
		{"delete entity", "DELETE", id, "", 204, ""},
		{"delete it again", "DELETE", id, "", 404, noStatus},
		{"delete subscription", "DELETE", "/subscriptions/urn:ngsi-ld:Subscription:s", "", 204, ""},
		{"delete it again", "DELETE", "/subscriptions/urn:ngsi-ld:Subscription:s", "", 404, noStatus},
		{"another tenant", "GET", id, "", 400, noStatus},
	}
}

// TestOpenAPI validates answers with ETSI's description of the API. Where the
// recorded broker deviates from it, so does this one: the table says how.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/openapi-1.7.1-trimmed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Alternatives in the description overlap: most entities fit several.
	doc, err := openapi3.NewLoader().LoadFromData(bytes.ReplaceAll(raw, []byte("oneOf:"), []byte("anyOf:")))
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: "/ngsi-ld/v1"}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	b := New(Options{Distributed: true})
	defer b.Close()
	for _, c := range calls() {
		r := jsonRequest(c.method, c.path, c.body)
		if c.name == "another tenant" {
			r.Header.Set("NGSILD-Tenant", "other")
		}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: got %d %s, want %d", c.name, w.Code, w.Body, c.status)
			continue
		}
		err := validate(router, r, w.Result())
		switch {
		case c.deviates == "" && err != nil:
			t.Errorf("%s: %s %s: %v\n%s", c.name, c.method, c.path, err, w.Body)
		case c.deviates != "" && (err == nil || !strings.Contains(err.Error(), c.deviates)):
			t.Errorf("%s: listed as a deviation %q, got %v", c.name, c.deviates, err)
		}
	}
}

func validate(router routers.Router, r *http.Request, res *http.Response) error {
	route, params, err := router.FindRoute(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 res.StatusCode,
		Header:                 res.Header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	}
	in.SetBodyBytes(bytes.TrimSpace(body))
	return openapi3filter.ValidateResponse(r.Context(), in)
}
