package broker

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// componentJSON is an entity of about the size of a service component.
func componentJSON(n int) string {
	id := fmt.Sprintf("urn:ngsi-ld:Service:bench:Component:c%06d", n)
	return `{"id":"` + id + `","type":"ServiceComponent",` +
		`"infrastructureElement":{"type":"Relationship","object":"urn:ngsi-ld:InfrastructureElement:Cloud:02420a0d0011"},` +
		`"service":{"type":"Relationship","object":"urn:ngsi-ld:Service:bench"},` +
		`"serviceComponentStatus":{"type":"Relationship","object":"urn:ngsi-ld:ServiceComponentStatus:Starting"},` +
		`"containerImage":{"type":"Property","value":"example/image:1.2.3","observedAt":"2026-01-01T00:00:00Z"},` +
		`"networkPorts":{"type":"Relationship","object":["urn:ngsi-ld:NetworkPort:a1","urn:ngsi-ld:NetworkPort:a2"]},` +
		`"cliArgs":{"type":"Property","value":[{"key":"-c","value":"/config/broker.conf"},{"key":"-v","value":""}]},` +
		`"envVars":{"type":"Property","value":[{"key":"TZ","value":"Europe/Lisbon"},{"key":"LEVEL","value":"info"}]},` +
		`"exposePorts":{"type":"Property","value":true},"isJob":{"type":"Property","value":false}}`
}

// BenchmarkBatchCreate puts entities in by batches of 100 over loopback, with a
// subscription that gets all of them.
func BenchmarkBatchCreate(b *testing.B) {
	const batch = 100
	r := newReceiver(b, 1)
	server := New(Options{Distributed: true})
	url := "http://" + serve(b, server)
	subscribeTo(b, url, "http://"+r.listener.Addr().String()+"/ok/bench")
	bodies := make([]string, (b.N+batch-1)/batch)
	for i := range bodies {
		items := make([]string, batch)
		for j := range items {
			items[j] = componentJSON(i*batch + j)
		}
		bodies[i] = "[" + strings.Join(items, ",") + "]"
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, body := range bodies {
		res, err := http.Post(url+"/ngsi-ld/v1/entityOperations/create", "application/json", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			b.Fatal(res.Status)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(len(bodies)*batch)/b.Elapsed().Seconds(), "entities/s")
	http.DefaultClient.CloseIdleConnections()
}

func subscribeTo(b *testing.B, url, endpoint string) {
	b.Helper()
	body := `{"id":"urn:ngsi-ld:Subscription:bench","type":"Subscription","entities":[{"type":"ServiceComponent"}],"notification":{"endpoint":{"uri":"` + endpoint + `"}}}`
	res, err := http.Post(url+"/ngsi-ld/v1/subscriptions", "application/json", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		b.Fatal(res.Status)
	}
}

// BenchmarkMerge patches the status of one of many entities without HTTP.
func BenchmarkMerge(b *testing.B) {
	server := New(Options{Distributed: true})
	for i := range 1000 {
		server.ServeHTTP(httptest.NewRecorder(), jsonRequest("POST", "/entities", componentJSON(i)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w := httptest.NewRecorder()
		path := fmt.Sprintf("/entities/urn:ngsi-ld:Service:bench:Component:c%06d", i%1000)
		server.ServeHTTP(w, jsonRequest("PATCH", path, fmt.Sprintf(`{"deploymentStatus":{"type":"Property","value":{"phase":"p%d","reason":"r"}}}`, i)))
		if w.Code != http.StatusNoContent {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// jsonRequest is a request for a path below /ngsi-ld/v1.
func jsonRequest(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, "/ngsi-ld/v1"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}
