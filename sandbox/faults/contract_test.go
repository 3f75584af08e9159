package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
	"github.com/hlo-agent/hlo-agent/sandbox/issuer"
)

// contract is a client made of nothing but the OpenAPI document that the agent
// serves. It makes bodies, right and wrong, from the schemas, and holds every
// answer against what the document says of it.
type contract struct {
	*rig
	doc    *openapi3.T
	router routers.Router
	issuer *issuer.Issuer

	down atomic.Bool // the issuer gives no answer

	mu     sync.Mutex
	seen   map[string]bool // operation and status
	asked  int
	passed string // the token of the present caller
}

func newContract(t *testing.T) *contract {
	t.Helper()
	c := &contract{seen: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		c.issuer.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	c.issuer, err = issuer.New(server.URL, time.Now)
	must(t, err)
	c.rig = newRig(t, map[string]string{"API_AUTH": "oidc", "OIDC_ISSUER": server.URL, "OIDC_AUDIENCE": issuer.Audience, "API_RATE": fmt.Sprint(apiRate), "API_MAX_BYTES": "65536",
		"SHIM_URL": startShim(t).URL, "OVERLAY_SECRET_FILE": overlaySecret(t)})
	c.create(world()...)
	c.start()
	resp, err := http.Get("http://" + c.listen + "/hlo_al/openapi.json")
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	c.doc, err = openapi3.NewLoader().LoadFromData(text)
	must(t, err)
	must(t, c.doc.Validate(t.Context()))
	c.router, err = gorillamux.NewRouter(c.doc)
	must(t, err)
	return c
}

// apiRate is how often a caller may ask in a second, and twice as often at once.
const apiRate = 30

// good is a token that may do everything, of a new caller before the rate of the last one can be used up,
// however fast the machine is.
func (c *contract) good() string {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked%apiRate == 0 {
		c.passed = c.token(fmt.Sprint("caller-", c.asked), "HLO")
	}
	c.asked++
	return c.passed
}

func (c *contract) token(subject, role string) string {
	c.t.Helper()
	token, err := c.issuer.Token(role, map[string]any{"sub": subject})
	must(c.t, err)
	return token
}

// send carries out an operation and checks its answer. right says that the
// request fits the document, too.
func (c *contract) send(operation, token, contentType string, path map[string]string, body []byte, right bool) (int, object) {
	c.t.Helper()
	address, method := c.address(operation, path)
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.listen+address, bytes.NewReader(body))
	must(c.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	route, params, err := c.router.FindRoute(req)
	must(c.t, err)
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: !right, IncludeResponseStatus: true}}
	if right {
		if err := openapi3filter.ValidateRequest(c.t.Context(), in); err != nil {
			c.t.Errorf("%s: the request does not fit the document: %v\n%s", operation, err, body)
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := http.DefaultClient.Do(req)
	must(c.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(c.t, err)
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: in.Options}
	out.SetBodyBytes(text)
	if err := openapi3filter.ValidateResponse(c.t.Context(), out); err != nil {
		c.t.Errorf("%s: the answer %d does not fit the document: %v\n%s", operation, resp.StatusCode, err, text)
	}
	var answer object
	must(c.t, json.Unmarshal(text, &answer))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[fmt.Sprint(operation, " ", resp.StatusCode)] = true
	return resp.StatusCode, answer
}

// address finds an operation and fills in its path.
func (c *contract) address(operation string, values map[string]string) (address, method string) {
	c.t.Helper()
	for path, item := range c.doc.Paths.Map() {
		for method, o := range item.Operations() {
			if o.OperationID != operation {
				continue
			}
			for name, value := range values {
				path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
			}
			return path, method
		}
	}
	c.t.Fatalf("the document has no operation %s", operation)
	return "", ""
}

// forms are the schemas of an operation's bodies.
func (c *contract) forms(operation string) []*openapi3.Schema {
	for _, item := range c.doc.Paths.Map() {
		for _, o := range item.Operations() {
			if o.OperationID != operation || o.RequestBody == nil {
				continue
			}
			var forms []*openapi3.Schema
			for _, ref := range o.RequestBody.Value.Content["application/json"].Schema.Value.AnyOf {
				forms = append(forms, ref.Value)
			}
			return forms
		}
	}
	return nil
}

// example is a value that fits a schema, with everything that it has or only
// with what it must have. given are values by the name of the member.
func example(s *openapi3.Schema, whole bool, given map[string]any) any {
	switch {
	case s.Type.Includes("object"):
		o := object{}
		for name, p := range s.Properties {
			if value, ok := given[name]; ok && (whole || slices.Contains(s.Required, name)) && !p.Value.Type.Includes("object") {
				o[name] = value
			} else if whole || slices.Contains(s.Required, name) {
				o[name] = example(p.Value, whole, given)
			}
		}
		if extra := s.AdditionalProperties.Schema; extra != nil && whole {
			o["NAME"] = example(extra.Value, whole, given)
		}
		return o
	case s.Type.Includes("array"):
		return []any{example(s.Items.Value, whole, given)}
	case s.Type.Includes("integer"):
		return 8080
	case s.Type.Includes("boolean") && !s.Type.Includes("string"):
		return true
	case strings.Contains(s.Pattern, "TCP"):
		return "udp"
	}
	return "text"
}

// broken is a body with one thing wrong, and where.
type broken struct {
	at   string
	body any
}

// breakIt makes every value that breaks one rule of a schema in one place.
func breakIt(s *openapi3.Schema, good any, at string, put func(any) any) []broken {
	var out []broken
	wrong := func(value any) { out = append(out, broken{at, put(value)}) }
	if !s.Type.Includes("string") {
		wrong("a text")
	} else if !s.Type.Includes("object") && !s.Type.Includes("array") {
		wrong([]any{})
	}
	if s.Pattern != "" {
		wrong("\x01 no \x01")
	}
	if s.MaxLength != nil && *s.MaxLength < 60_000 {
		wrong(strings.Repeat("x:y", int(*s.MaxLength)))
	}
	if s.Min != nil {
		wrong(*s.Min - 1)
	}
	if s.Max != nil {
		wrong(*s.Max + 1)
	}
	switch good := good.(type) {
	case object:
		for name, value := range good {
			p := s.Properties[name]
			if p == nil {
				p = s.AdditionalProperties.Schema
			}
			with := func(v any) any {
				o := maps.Clone(good)
				if o[name] = v; v == nil {
					delete(o, name)
				}
				return put(o)
			}
			if slices.Contains(s.Required, name) {
				out = append(out, broken{at + "/" + name, with(nil)})
			}
			out = append(out, breakIt(p.Value, value, at+"/"+name, with)...)
		}
	case []any:
		for i, item := range good {
			with := func(v any) any { return put([]any{v}) }
			out = append(out, breakIt(s.Items.Value, item, fmt.Sprint(at, "/", i), with)...)
		}
	}
	return out
}

func text(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b
}

// TestContract exercises every operation, every form of body and every answer
// of the OpenAPI document.
func TestContract(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	const kind = "application/json"
	given := map[string]any{"id": componentID("web"), "image": image(1), "infrastructure_element": k1, "ports": []any{object{"number": 8080}}}
	path := map[string]string{"service_id": service, "service_component_id": componentID("web")}
	allocate, update, show, drop := "allocateServiceComponent", "updateServiceComponentParameters", "getServiceComponentParameters", "deallocateServiceComponent"
	wants := func(want int, operation string, body any) {
		t.Helper()
		var b []byte
		if body != nil {
			b = text(t, body)
		}
		if code, answer := c.send(operation, c.good(), kind, path, b, true); code != want {
			t.Errorf("%s: %d, want %d: %v\n%s", operation, code, want, answer, b)
		}
	}

	for _, operation := range []string{allocate, update} {
		for _, form := range c.forms(operation) {
			for _, whole := range []bool{false, true} {
				success, first := 200, form.Properties["service_component"] != nil
				if first && operation == allocate {
					success = 201
				}
				body := c.filled(form, whole, given)
				if operation == allocate {
					wants(404, show, nil)
					wants(404, drop, nil)
					wants(404, update, body)
					wants(success, allocate, body)
					wants(success, allocate, body)
					other := c.filled(form, whole, map[string]any{"id": componentID("web"), "image": image(2), "infrastructure_element": k1})
					wants(409, allocate, other)
					wants(200, show, nil)
					wants(200, drop, nil)
					c.gone(onK8s, "web")
					eventually(t, "it is forgotten", func() error {
						code, _ := c.send(show, c.good(), "", path, nil, true)
						return differ("GET", code, 404)
					})
					continue
				}
				wants(201, allocate, newer("web", 7))
				wants(200, update, body)
				wants(200, update, body)
				must(t, hasImage(1)(c.exists("web")))
				wants(200, drop, nil)
				c.gone(onK8s, "web")
			}
			whole := c.filled(form, true, given)
			all := breakIt(form, whole, "", func(v any) any { return v })
			if len(all) < 20 {
				t.Errorf("%s: only %d ways to break a body", operation, len(all))
			}
			for _, b := range all {
				if v, ok := b.body.(object); !ok || (form.Properties["service_component"] != nil && v["service_component"] == nil) {
					continue // another form
				}
				if v := b.body.(object); form.Properties["service_component"] == nil && strings.HasPrefix(b.at, "/ports") {
					if _, older := v["ports"].(object); older != (form.Properties["ports"].Value.Type.Includes("object")) {
						continue // another form
					}
				}
				code, answer := c.send(operation, c.good(), kind, path, text(t, b.body), false)
				list, _ := answer["faults"].([]any)
				at := func(f any) bool { return f.(object)["path"] == b.at }
				if code != 400 || !slices.ContainsFunc(list, at) {
					t.Errorf("%s, wrong at %s: %d %v\n%s", operation, b.at, code, answer, text(t, b.body))
				}
			}
		}
	}
	if n := len(c.list(onK8s)); n != 0 {
		t.Errorf("%d objects are left", n)
	}

	// A network that there is, and then is not.
	c.networked("net")
	wants(200, "deleteOverlay", nil)
	c.without("net")
	wants(404, "deleteOverlay", nil)

	// What does not depend on the body.
	wants(201, allocate, newer("web", 1))
	c.patchPaused(true)
	wants(409, drop, nil)
	wants(409, update, newer("web", 2))
	c.patchPaused(false)
	operations := []string{allocate, update, show, drop, "deleteOverlay"}
	for _, operation := range operations {
		body := []byte(nil)
		if c.forms(operation) != nil {
			body = text(t, newer("web", 2))
			c.expect(415, operation, c.good(), "text/plain", path, body)
			c.expect(413, operation, c.good(), kind, path, bytes.Repeat([]byte(" "), 70_000))
		}
		c.expect(400, operation, c.good(), kind, map[string]string{"service_id": "no id", "service_component_id": "none either"}, body)
		c.expect(401, operation, "", kind, path, body)
		c.expect(403, operation, c.token("two", "nobody"), kind, path, body)
	}
	wants(404, "deleteOverlay", nil)
	busy := c.token("busy", "HLO")
	for _, operation := range operations {
		c.burst(operation, busy, path)
	}
	c.toKube.Inject(faults.Fault{Match: clusterWrites, Do: faults.Answer(503, nil, "")})
	var down sync.WaitGroup
	for operation, name := range map[string]string{allocate: "other", update: "web", drop: "web"} {
		down.Go(func() {
			body := []byte(nil)
			if operation != drop {
				body = text(t, newer(name, 3))
			}
			c.expect(503, operation, c.good(), kind, map[string]string{"service_id": service, "service_component_id": componentID(name)}, body)
		})
	}
	down.Wait()
	c.down.Store(true)
	must(t, c.issuer.Rotate()) // so that no key is known
	for _, operation := range operations {
		c.expect(503, operation, c.token("three", "HLO"), kind, path, text(t, newer("web", 2)))
	}

	for _, item := range c.doc.Paths.Map() {
		for _, o := range item.Operations() {
			for code := range o.Responses.Map() {
				if !c.seen[o.OperationID+" "+code] {
					t.Errorf("%s was never answered with %s", o.OperationID, code)
				}
			}
		}
	}
}

// filled is a body of a form, in which every name has the given value.
func (c *contract) filled(form *openapi3.Schema, whole bool, given map[string]any) any {
	own := maps.Clone(given)
	if p := form.Properties["ports"]; p != nil && p.Value.Type.Includes("object") {
		delete(own, "ports")
	}
	body := example(form, whole, own).(object)
	component, ok := body["service_component"].(object)
	if !ok {
		return body
	}
	component["infrastructure_element"].(object)["id"] = given["infrastructure_element"]
	if whole {
		component["isJob"] = false
	}
	return body
}

func (c *contract) expect(want int, operation, token, kind string, path map[string]string, body []byte) {
	c.t.Helper()
	if code, answer := c.send(operation, token, kind, path, body, false); code != want {
		c.t.Errorf("%s: %d, want %d: %v", operation, code, want, answer)
	}
}

// burst sends an operation until the caller's rate is used up again.
func (c *contract) burst(operation, token string, path map[string]string) {
	c.t.Helper()
	body := []byte(`{}`) // refused before anything is done
	if operation == "deallocateServiceComponent" {
		path = map[string]string{"service_id": service, "service_component_id": componentID("none")}
	}
	// One caller that waits for each answer is slower than the rate where the machine is busy, so a crowd helps.
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	var crowd sync.WaitGroup
	defer func() { cancel(); crowd.Wait() }()
	address, method := c.address(operation, path)
	for range 16 {
		crowd.Go(func() {
			for n := 0; n < 1000 && ctx.Err() == nil; n++ {
				req, err := http.NewRequestWithContext(ctx, method, "http://"+c.listen+address, bytes.NewReader(body))
				must(c.t, err)
				req.Header.Set("Authorization", "Bearer "+token)
				if resp, err := http.DefaultClient.Do(req); err == nil { // else it was cut off at the end
					_ = resp.Body.Close()
				}
			}
		})
	}
	for ctx.Err() == nil {
		if code, _ := c.send(operation, token, "application/json", path, body, false); code == 429 {
			return
		}
	}
	c.t.Errorf("%s: no limit", operation)
}

// patchPaused stops the orchestration of web by an annotation, or goes on.
func (c *contract) patchPaused(on bool) {
	c.t.Helper()
	c.merge(onK8s, "web", object{"metadata": object{"annotations": object{"hlo-agent.github.io/paused": fmt.Sprint(on)}}})
	eventually(c.t, "the agent knows of it", func() error {
		_, answer := c.send("getServiceComponentParameters", c.good(), "", map[string]string{"service_id": service, "service_component_id": componentID("web")}, nil, true)
		return differ("paused", at(answer, "state", "reason") == "Paused", on)
	})
}
