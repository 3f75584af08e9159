package agent

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/llo"
)

// bareInterface is the interface for other domains of an agent that knows of no component and
// changes nothing, with and without a gate that lets everybody in.
func bareInterface(t testing.TB, auth string) http.Handler {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	m := newMetrics(prometheus.NewRegistry())
	cfg := Config{APIAuth: auth, APIRate: 1e9, APIMaxBytes: 1 << 14, DryRun: true, SyncPolicy: syncAll}
	g, err := newGate(&cfg, time.Now, m, log)
	if err != nil {
		t.Fatal(err)
	}
	r := &reconciler{cfg: cfg, metrics: m, log: log, now: time.Now, desk: newDesk(), tracker: newTracker(time.Now),
		clusters: newClusters(1, log, func(string, *rest.Config) (*llo.Cluster, error) { return nil, io.EOF })}
	r.working.Store(true)
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	r.serveAllocations(router, g)
	return router
}

// FuzzInterface: whatever is sent to whatever path, the answer is one that the
// OpenAPI document has for it, and what is refused says nothing of what was sent.
func FuzzInterface(f *testing.F) {
	const service = "/hlo_al/services/urn:ngsi-ld:Service:a"
	body := `{"id":"urn:ngsi-ld:Service:a:Component:b","image":"i","infrastructure_element":"urn:ngsi-ld:InfrastructureElement:c"}`
	for _, c := range []struct{ method, path, kind, body string }{
		{"POST", service, "application/json", body},
		{"POST", service + "/", "application/merge-patch+json", strings.Replace(body, "urn:ngsi-ld:Service:a:", "urn:other:", 1)},
		{"POST", service, "text/plain", body},
		{"POST", service, "", `{"service_component":{}}`},
		{"PUT", service + "/service_components/urn:b/", "application/json", `{"image":"","ports":{"number":0},"infrastructure_element":"secret-secret"}`},
		{"GET", service + "/service_components/urn%3Ab", "", ""},
		{"DELETE", service + "/service_components/%20", "", ""},
		{"DELETE", service + "/overlay", "", ""},
		{"DELETE", "/hlo_al/services/nothing/overlay/", "", ""},
		{"PATCH", service, "application/json", "{}"},
		{"GET", "/hlo_al/openapi.json", "", ""},
		{"GET", "/hlo_al//services/../x%2Fy", "", ""},
		{"POST", service, "application/json", strings.Repeat("[", 20_000)},
	} {
		f.Add(c.method, c.path, c.kind, []byte(c.body), true)
		f.Add(c.method, c.path, c.kind, []byte(c.body), false)
	}
	open, closed := bareInterface(f, authOff), bareInterface(f, "")
	f.Fuzz(func(t *testing.T, method, path, kind string, body []byte, in bool) {
		req, err := http.NewRequest(method, "http://agent"+path, bytes.NewReader(body))
		if err != nil || !strings.HasPrefix(path, "/hlo_al") || req.URL.Host != "agent" {
			return // never comes to the interface
		}
		req.RemoteAddr = "192.0.2.1:1"
		req.Header.Set("Content-Type", kind)
		server := closed
		if in {
			server = open
		}
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, req)
		checkAnswer(t, req, answer)
	})
}

// checkAnswer holds an answer against the document, by the shape of its path.
func checkAnswer(t *testing.T, req *http.Request, answer *httptest.ResponseRecorder) {
	t.Helper()
	var said map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &said); err != nil && req.Method != http.MethodHead {
		t.Fatalf("%d is no JSON object: %v: %q", answer.Code, err, answer.Body)
	}
	if answer.Code >= 400 && answer.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d is no problem document: %s", answer.Code, answer.Body)
	}
	if answer.Code < 400 && req.URL.Path == "/hlo_al/openapi.json" {
		return
	}
	operation := operationAt(req)
	if operation == nil {
		if answer.Code != http.StatusNotFound && answer.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s, which the document does not have: %d %s", req.Method, req.URL.EscapedPath(), answer.Code, answer.Body)
		}
		return
	}
	response := operation.Responses.Status(answer.Code)
	if response == nil {
		t.Fatalf("%s is never answered with %d, says the document: %s", operation.OperationID, answer.Code, answer.Body)
	}
	schema := response.Value.Content.Get(answer.Header().Get("Content-Type")).Schema.Value
	if err := schema.VisitJSON(said); err != nil {
		t.Errorf("%s: %d does not fit the document: %v", operation.OperationID, answer.Code, err)
	}
}

// operationAt finds what the document has at a request's path; nil: nothing.
func operationAt(req *http.Request) *openapi3.Operation {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(req.URL.EscapedPath(), "/hlo_al/services/"), "/"), "/")
	shape := ""
	switch {
	case !strings.HasPrefix(req.URL.EscapedPath(), "/hlo_al/services/") || parts[0] == "":
		return nil
	case len(parts) == 1:
		shape = "/hlo_al/services/{service_id}"
	case len(parts) == 2 && parts[1] == "overlay":
		shape = "/hlo_al/services/{service_id}/overlay"
	case len(parts) == 3 && parts[1] == "service_components" && parts[2] != "":
		shape = "/hlo_al/services/{service_id}/service_components/{service_component_id}"
	}
	for path, item := range allocation.OpenAPI().Paths.Map() {
		if strings.TrimSuffix(path, "/") == shape {
			return item.Operations()[req.Method]
		}
	}
	return nil
}
