package ngsild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plain is an answer without a body beyond the given one.
func plainAnswer(status int, body string, headers ...string) string {
	text := fmt.Sprintf("HTTP/1.1 %d %s\n", status, http.StatusText(status))
	for _, header := range headers {
		text += header + "\n"
	}
	return text + fmt.Sprintf("Content-Type: application/json\nContent-Length: %d\n\n%s", len(body), body)
}

func TestEntity(t *testing.T) {
	t.Parallel()
	broker := newReplay(t)
	broker.on("GET /ngsi-ld/v1/entities/urn:ngsi-ld:SC:1", answered(t, "h01_merge_inside_values", "GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:SC:1", 0))
	got, err := broker.client().Entity(t.Context(), "urn:ngsi-ld:SC:1")
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "urn:ngsi-ld:SC:1" || got.Enum("serviceComponentStatus") != "Starting" || got.Attrs["deploymentStatus"].Malformed {
		t.Errorf("got %+v", got)
	}
	sent := broker.requests[0].Header
	if sent.Get("Accept") != "application/json" || sent.Get("Link") != "" || sent.Get("NGSILD-Tenant") != "" {
		t.Errorf("sent %v", sent)
	}
}

// TestMalformedAnswer: an attribute that holds one key twice under two names
// does not fail the read.
func TestMalformedAnswer(t *testing.T) {
	t.Parallel()
	broker := newReplay(t)
	const target = "/ngsi-ld/v1/entities/urn:ngsi-ld:SC:x1"
	broker.on("GET "+target, answered(t, "d09_attribute_name_expansion", "GET", target, 1))
	got, err := broker.client().Entity(t.Context(), "urn:ngsi-ld:SC:x1")
	if err != nil || !got.Attrs["serviceComponentStatus"].Malformed || got.Attrs["location"].Malformed {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestEntityErrors(t *testing.T) {
	t.Parallel()
	const path = "/ngsi-ld/v1/entities/urn:x:1"
	recorded404 := func(target string) string { return answered(t, "h03_lists_and_404", "GET", target, 0) }
	for name, c := range map[string]struct {
		answer, message string
		kind            error
	}{
		"absent": {recorded404("/ngsi-ld/v1/entities/urn:ngsi-ld:L:nope"),
			`get entity urn:x:1: broker answered 404 "Entity Not Found": urn:ngsi-ld:L:nope`, ErrNotFound},
		"wrong path": {recorded404("/wrong/ngsi-ld/v1/entities/urn:ngsi-ld:L:nope"),
			`get entity urn:x:1: broker answered 404 "Service Not Found": /wrong/ngsi-ld/v1/entities/urn:ngsi-ld:L:nope`, ErrRetry},
		"wrong tenant": {answered(t, "d06_tenants_multiservice", "GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:SC:1", 0),
			`get entity urn:x:1: broker answered 404 "No such tenant": nosuch`, ErrRetry},
		"filtered away": {answered(t, "f01_not_found_and_count_aeros-flags", "GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:SC:2?attrs=status", 0),
			`get entity urn:x:1: broker answered 404 "Combination Entity/Attributes Not Found": urn:ngsi-ld:SC:2`, ErrRetry},
		"gateway's 404": {plainAnswer(404, `{"message":"no route"}`), `get entity urn:x:1: broker answered 404 Not Found`, ErrRetry},
		"title alone":   {plainAnswer(404, `{"title":"Entity Not Found"}`), `get entity urn:x:1: broker answered 404 "Entity Not Found"`, ErrRetry},
		"404 of HTML":   {plainAnswer(404, `<html>nginx</html>`), `get entity urn:x:1: broker answered 404 Not Found`, ErrRetry},
		"tenants off": {recorded404("/ngsi-ld/v1/entities/urn:ngsi-ld:L:p1"),
			`get entity urn:x:1: broker answered 400 "Tenants not supported": tenant in use but tenant support is not enabled for the broker`, ErrInvalid},
		"410":            {plainAnswer(410, ``), `get entity urn:x:1: broker answered 410 Gone`, ErrInvalid},
		"401":            {plainAnswer(401, ``), `get entity urn:x:1: broker answered 401 Unauthorized`, ErrRetry},
		"403":            {plainAnswer(403, `{"title":"not you","detail":7}`), `get entity urn:x:1: broker answered 403 "not you"`, ErrRetry},
		"408":            {plainAnswer(408, ``), `get entity urn:x:1: broker answered 408 Request Timeout`, ErrRetry},
		"429":            {plainAnswer(429, ``, "Retry-After: 3"), `get entity urn:x:1: broker answered 429 Too Many Requests`, ErrRetry},
		"500":            {plainAnswer(500, `{"title":"Database Error","detail":"line\nbreak"}`), `get entity urn:x:1: broker answered 500 "Database Error": line break`, ErrRetry},
		"503":            {plainAnswer(503, ``), `get entity urn:x:1: broker answered 503 Service Unavailable`, ErrRetry},
		"204":            {"HTTP/1.1 204 No Content\n", `get entity urn:x:1: try again: the answer is no entity: entities: unexpected end of JSON input`, ErrRetry},
		"HTML with 200":  {plainAnswer(200, `<html>login</html>`), `get entity urn:x:1: try again: the answer is no entity: entities: invalid character '<' looking for beginning of value`, ErrRetry},
		"other entity":   {plainAnswer(200, `{"id":"urn:x:2","type":"T"}`), `get entity urn:x:1: try again: the answer is another entity`, ErrRetry},
		"empty list":     {plainAnswer(200, `[]`), `get entity urn:x:1: try again: the answer is another entity`, ErrRetry},
		"no type":        {plainAnswer(200, `{"id":"urn:x:1"}`), `get entity urn:x:1: refused by the broker: entity urn:x:1: no type`, ErrInvalid},
		"redirect away":  {plainAnswer(302, ``, "Location: http://elsewhere.invalid/x"), `get entity urn:x:1: broker answered 302 Found`, ErrRetry},
		"cut short":      {"HTTP/1.1 200 OK\nContent-Length: 100\n\n{\"id\"", `get entity urn:x:1: unexpected EOF`, ErrRetry},
		"no HTTP at all": {"nonsense\n", `get entity urn:x:1: net/http: HTTP/1.x transport connection broken: malformed HTTP response "nonsense"`, ErrRetry},
	} {
		broker := newReplay(t)
		broker.on("GET "+path, c.answer)
		_, err := broker.client().Entity(t.Context(), "urn:x:1")
		if err == nil || err.Error() != c.message {
			t.Errorf("%s: got  %v\nwant %s", name, err, c.message)
		}
		for _, kind := range []error{ErrNotFound, ErrRetry, ErrInvalid} {
			if errors.Is(err, kind) != (kind == c.kind) {
				t.Errorf("%s: errors.Is(err, %v) = %v", name, kind, !errors.Is(err, kind))
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "soon": 0,
		"Sun, 22 Nov 2026 00:01:00 GMT": time.Minute,
		"Sat, 21 Nov 2026 00:00:00 GMT": 0,
	} {
		header := http.Header{"Retry-After": {text}, "Date": {"Sun, 22 Nov 2026 00:00:00 GMT"}}
		if got := retryAfter(header); got != want {
			t.Errorf("Retry-After %q: got %v, want %v", text, got, want)
		}
	}
	if got := retryAfter(http.Header{"Retry-After": {"Sun, 22 Nov 2026 00:01:00 GMT"}}); got != 0 {
		t.Errorf("without Date: got %v", got)
	}
}

// TestIDs: ids travel as one escaped segment, as Orion-LD was seen to take it.
func TestIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[EntityID]string{
		"urn:ngsi-ld:SC:1":     "urn:ngsi-ld:SC:1",
		"urn:ngsi-ld:SC:a+b":   "urn:ngsi-ld:SC:a%2Bb",
		"urn:ngsi-ld:SC:a&b=c": "urn:ngsi-ld:SC:a%26b%3Dc",
		"urn:x:a/../b?c#d%e":   "urn:x:a%2F..%2Fb%3Fc%23d%25e",
		"urn:x:ünï {id}":       "urn:x:%C3%BCn%C3%AF%20%7Bid%7D",
		"urn:x:a_b-c.d~e":      "urn:x:a_b-c.d~e",
	} {
		broker := newReplay(t)
		broker.on("GET /ngsi-ld/v1/entities/"+want, plainAnswer(200, `{"id":"`+string(id)+`","type":"T"}`))
		if _, err := broker.client().Entity(t.Context(), id); err != nil {
			t.Errorf("%s: %v; sent %v", id, err, broker.sent())
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	const target = "/ngsi-ld/v1/entities/urn:ngsi-ld:SC:1"
	broker := newReplay(t)
	broker.on("PATCH "+target, answered(t, "h01_merge_inside_values", "PATCH", target, 0))
	attrs := map[string]any{"serviceComponentStatus": map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:ServiceComponentStatus:Running"}}
	if err := broker.client().Merge(t.Context(), "urn:ngsi-ld:SC:1", attrs); err != nil {
		t.Fatal(err)
	}
	want := `{"serviceComponentStatus":{"object":"urn:ngsi-ld:ServiceComponentStatus:Running","type":"Relationship"}}`
	if broker.bodies[0] != want || broker.requests[0].Header.Get("Content-Type") != "application/json" || broker.requests[0].ContentLength != int64(len(want)) {
		t.Errorf("sent %s with %v, length %d", broker.bodies[0], broker.requests[0].Header, broker.requests[0].ContentLength)
	}
	if err := broker.client().Merge(t.Context(), "urn:ngsi-ld:SC:1", nil); err != nil || len(broker.requests) != 1 {
		t.Errorf("no attributes: %v, %d requests", err, len(broker.requests))
	}
}

// TestCreateAndDelete: entities of our own come and go.
func TestCreateAndDelete(t *testing.T) {
	t.Parallel()
	const target = "/ngsi-ld/v1/entities/urn:ngsi-ld:SC:1"
	broker := newReplay(t)
	broker.on("POST /ngsi-ld/v1/entities", plainAnswer(201, ``))
	if err := broker.client().CreateEntity(t.Context(), "urn:x:1", "T", map[string]any{"a": map[string]any{"type": "Property", "value": "x"}}); err != nil {
		t.Error(err)
	}
	if want := `{"a":{"type":"Property","value":"x"},"id":"urn:x:1","type":"T"}`; broker.bodies[0] != want {
		t.Errorf("sent %s, want %s", broker.bodies[0], want)
	}
	broker = newReplay(t)
	broker.on("POST /ngsi-ld/v1/entities", plainAnswer(409, `{"type":"https://uri.etsi.org/ngsi-ld/errors/AlreadyExists","title":"Entity already exists","detail":"urn:x:1"}`))
	if err := broker.client().CreateEntity(t.Context(), "urn:x:1", "T", nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("an id that is taken: %v", err)
	}
	broker.on("DELETE "+target, plainAnswer(204, ``))
	if err := broker.client().DeleteEntity(t.Context(), "urn:ngsi-ld:SC:1"); err != nil {
		t.Error(err)
	}
	broker = newReplay(t)
	broker.on("DELETE "+target, plainAnswer(404, `{"type":"https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound","title":"Entity Not Found","detail":"urn:ngsi-ld:SC:1"}`))
	if err := broker.client().DeleteEntity(t.Context(), "urn:ngsi-ld:SC:1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
}

func TestMergeErrors(t *testing.T) {
	t.Parallel()
	const nope = "/ngsi-ld/v1/entities/urn:ngsi-ld:SC:nope"
	for name, c := range map[string]struct {
		answer, message string
		kind            error
	}{
		"absent, plain broker": {answered(t, "f01_not_found_and_count_mongocOnly-plain", "PATCH", nope, 0),
			`merge entity urn:x:1: broker answered 404 "Entity does not exist": urn:ngsi-ld:SC:nope`, ErrNotFound},
		"JSON null": {answered(t, "c02_notification_per_operation", "PATCH", "/ngsi-ld/v1/entities/urn:ngsi-ld:SC:1", 5),
			`merge entity urn:x:1: broker answered 400 "The use of NULL value is not recommended for JSON-LD (the whole attribute gets ignored)": https://uri.etsi.org/ngsi-ld/status`, ErrInvalid},
		"in part":          {plainAnswer(207, `{"updated":[]}`), `merge entity urn:x:1: broker answered 207 Multi-Status`, ErrRetry},
		"redirected":       {plainAnswer(307, ``, "Location: /ngsi-ld/v1/entities/urn:x:2"), `merge entity urn:x:1: broker answered 307 Temporary Redirect`, ErrRetry},
		"turned into read": {plainAnswer(302, ``, "Location: /ngsi-ld/v1/entities/urn:x:1"), `merge entity urn:x:1: broker answered 302 Found`, ErrRetry},
		"409":              {plainAnswer(409, ``), `merge entity urn:x:1: broker answered 409 Conflict`, ErrInvalid},
	} {
		broker := newReplay(t)
		broker.on("PATCH /ngsi-ld/v1/entities/urn:x:1", c.answer)
		err := broker.client().Merge(t.Context(), "urn:x:1", map[string]any{"a": 1})
		if err == nil || err.Error() != c.message || !errors.Is(err, c.kind) {
			t.Errorf("%s: got  %v\nwant %s", name, err, c.message)
		}
		if len(broker.requests) != 1 {
			t.Errorf("%s: %d requests", name, len(broker.requests))
		}
	}
	broker := newReplay(t)
	err := broker.client().Merge(t.Context(), "urn:x:1", map[string]any{"a": func() {}})
	if !errors.Is(err, ErrInvalid) || len(broker.requests) != 0 {
		t.Errorf("a value without JSON: %v", err)
	}
}

// TestHeaders: prefix, tenant and further headers go with every request, and a
// redirected read within the host keeps them.
func TestHeaders(t *testing.T) {
	t.Parallel()
	broker := newReplay(t)
	broker.on("GET /orionld/ngsi-ld/v1/entities/urn:x:1", plainAnswer(302, ``, "Location: /moved"))
	broker.on("GET /moved", plainAnswer(200, `{"id":"urn:x:1","type":"T"}`))
	client := NewClient(ClientConfig{
		BaseURL: broker.URL + "/orionld/", Tenant: "factory", Transport: broker.Client().Transport,
		Headers: map[string]string{"aerOS": "true", "Authorization": "Bearer abcdefgh"},
	})
	if _, err := client.Entity(t.Context(), "urn:x:1"); err != nil {
		t.Fatal(err)
	}
	for _, request := range broker.requests {
		got := []string{request.Header.Get("Ngsild-Tenant"), request.Header.Get("Aeros"), request.Header.Get("Authorization")}
		if diff := cmp.Diff([]string{"factory", "true", "Bearer abcdefgh"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", request.RequestURI, diff)
		}
	}
}

// TestRedirectAway: nothing at all is sent to another host.
func TestRedirectAway(t *testing.T) {
	t.Parallel()
	other := newReplay(t)
	broker := newReplay(t)
	broker.on("GET /ngsi-ld/v1/entities/urn:x:1", plainAnswer(302, ``, "Location: "+other.URL+"/x"))
	if _, err := broker.client().Entity(t.Context(), "urn:x:1"); !errors.Is(err, ErrRetry) {
		t.Errorf("got %v", err)
	}
	if sent := other.sent(); len(sent) > 0 {
		t.Errorf("the other host got %v", sent)
	}
}

// TestSecretsStayOut: neither headers nor receiverInfo show in errors, also not
// where a broker repeats them.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	const token, secret = "Bearer tokentokentoken", "0123456789abcdef"
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"title": "echo", "detail": token + " and " + secret, "type": secret})
	}))
	defer echo.Close()
	client := NewClient(ClientConfig{BaseURL: echo.URL, Transport: echo.Client().Transport, Headers: map[string]string{"Authorization": token}})
	s := Subscription{ID: "urn:s:1"}
	s.Notification.Endpoint.ReceiverInfo = []KeyValue{{SecretHeader, secret}}
	const want = `subscription urn:s:1: broker answered 400 "echo": [redacted] and [redacted]`
	if err := client.CreateSubscription(t.Context(), s); err == nil || err.Error() != "create "+want {
		t.Errorf("create: %v", err)
	}
	patch := map[string]any{"notification": map[string]any{"endpoint": map[string]any{"receiverInfo": s.Notification.Endpoint.ReceiverInfo}}}
	if err := client.PatchSubscription(t.Context(), "urn:s:1", patch); err == nil || err.Error() != "patch "+want {
		t.Errorf("patch: %v", err)
	}
	client = NewClient(ClientConfig{BaseURL: "http://user:passwordpassword@127.0.0.1:1", Headers: map[string]string{"Authorization": token}})
	defer client.CloseIdle()
	if _, err := client.Entity(t.Context(), "urn:x:1"); err == nil || strings.Contains(err.Error(), "password") {
		t.Errorf("no connection: %v", err)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	var mu sync.Mutex
	var codes []int
	client := NewClient(ClientConfig{
		BaseURL: slow.URL, Transport: slow.Client().Transport, Timeout: 20 * time.Millisecond,
		Observe: func(_ string, code int, _ time.Duration) { mu.Lock(); defer mu.Unlock(); codes = append(codes, code) },
	})
	_, err := client.Entity(t.Context(), "urn:x:1")
	if !errors.Is(err, ErrRetry) || !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "get entity urn:x:1: context deadline exceeded") {
		t.Errorf("timeout: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Entity(ctx, "urn:x:1"); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrRetry) {
		t.Errorf("cancelled: %v", err)
	}
	if diff := cmp.Diff([]int{0, 0}, codes); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func TestAnswerTooLarge(t *testing.T) {
	t.Parallel()
	big := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		piece := []byte(strings.Repeat(" ", 1<<16))
		for range maxAnswer>>16 + 2 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	defer big.Close()
	client := NewClient(ClientConfig{BaseURL: big.URL, Transport: big.Client().Transport})
	_, err := client.Entity(t.Context(), "urn:x:1")
	if err == nil || err.Error() != "get entity urn:x:1: the answer is too large" || !errors.Is(err, ErrRetry) {
		t.Errorf("got %v", err)
	}
}

// TestObserve: every verb is reported with its status.
func TestObserve(t *testing.T) {
	t.Parallel()
	broker := newReplay(t)
	var seen []string
	client := NewClient(ClientConfig{BaseURL: broker.URL, Transport: broker.Client().Transport,
		Observe: func(verb string, code int, d time.Duration) {
			if d <= 0 {
				t.Errorf("%s took %v", verb, d)
			}
			seen = append(seen, fmt.Sprint(verb, " ", code))
		}})
	ctx := t.Context()
	_, _ = client.Entity(ctx, "urn:x:1")
	_, _ = client.List(ctx, Query{Local: true}, nil)
	_ = client.Merge(ctx, "urn:x:1", map[string]any{"a": 1})
	_, _ = client.Subscription(ctx, "urn:s:1")
	_, _ = client.Subscriptions(ctx)
	_ = client.CreateSubscription(ctx, Subscription{})
	_ = client.PatchSubscription(ctx, "urn:s:1", map[string]any{})
	_ = client.DeleteSubscription(ctx, "urn:s:1")
	want := []string{"get_entity 418", "list_entities 418", "merge_entity 418", "get_subscription 418",
		"list_subscriptions 418", "create_subscription 418", "patch_subscription 418", "delete_subscription 418"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	last := broker.requests[len(broker.requests)-1]
	if last.Method != "DELETE" || last.Header.Get("Content-Type") != "" || last.ContentLength != 0 {
		t.Errorf("DELETE carries %v, length %d", last.Header, last.ContentLength)
	}
}
