package faults_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// Secrets that are asked for with a component, and must not be seen anywhere else.
const (
	password = "pass-0f-the-registry"
	netKey   = "cHJpdmF0ZS1rZXktb2YtdGhlLW92ZXJsYXk="
)

// openRig is a rig whose agent takes requests of everybody.
func openRig(t *testing.T, env map[string]string) *rig {
	t.Helper()
	all := map[string]string{"API_AUTH": "off"}
	for name, value := range env {
		all[name] = value
	}
	return newRig(t, all)
}

// flat asks for a component in the flat form.
func flat(name string, version int) object {
	return object{"id": componentID(name), "image": image(version), "infrastructure_element": k1}
}

// newer asks in the newer form, for a private image and a place in an overlay.
func newer(name string, version int) object {
	return object{
		"service_component": object{
			"id": componentID(name), "image": image(version), "infrastructure_element": object{"id": k1, "hostname": "Alpha-k1"},
			"envVars": []object{{"key": "B", "value": "2"}, {"key": "A"}}, "cliArgs": []object{{"key": "-v"}, {"key": "-v"}},
			"ports": []object{{"number": 80}}, "orchestration_type": "ServiceComponentK8s", "llo_id": "urn:ngsi-ld:LowLevelOrchestrator:Alpha:Kubernetes",
			"exposePorts": true, "isJob": false, "isPrivate": true, "repoUsername": "robot", "repoPassword": password,
		},
		"scomponent_network_conf": object{"Address": "10.13.7.2", "DNS": "10.13.7.1", "PublicKey": "cHVibGlj", "Endpoint": "alpha:51820", "AllowedIPs": "10.13.7.0/24", "PrivateKey": netKey},
	}
}

// answer is what a caller gets.
type answer struct {
	code   int
	header http.Header
	body   object
	text   string
}

// call sends a request to the agent as another domain does.
func (r *rig) call(method, path string, body any) (answer, error) {
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.listen+"/hlo_al/services/"+path, reader)
	if err != nil {
		return answer{}, err
	}
	if reader != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	a := answer{code: resp.StatusCode, header: resp.Header, text: string(text)}
	if err == nil {
		err = json.Unmarshal(text, &a.body)
	}
	return a, err
}

// want sends a request that is answered with the code.
func (r *rig) want(code int, method, path string, body any) answer {
	r.t.Helper()
	a, err := r.call(method, path, body)
	must(r.t, err)
	if a.code != code {
		r.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.code, code, a.text)
	}
	return a
}

// problem is want for a refusal of that type.
func (r *rig) problem(code int, typ, method, path string, body any) answer {
	r.t.Helper()
	a := r.want(code, method, path, body)
	if got := a.body["type"]; got != "https://hlo-agent.github.io/problems/"+typ || a.header.Get("Content-Type") != "application/problem+json" {
		r.t.Errorf("%s %s: %s %s, want a problem of type %s", method, path, a.header.Get("Content-Type"), a.text, typ)
	}
	return a
}

func componentPath(name string) string { return service + "/service_components/" + componentID(name) }

func originOf(o *unstructured.Unstructured) string { return o.GetAnnotations()[originMark] }

// A component goes through everything that can be asked, with its entity in our
// own broker, where the front end made it without an element.
func TestAllocation(t *testing.T) {
	t.Parallel()
	r := openRig(t, nil)
	r.create(append(world(), component("web", object{"infrastructureElement": nil, "networkPorts": rel([]string{"urn:ngsi-ld:NetworkPort:p1"})}),
		object{"id": "urn:ngsi-ld:NetworkPort:p1", "type": "NetworkPort", "portNumber": prop(8554), "portProtocol": prop("udp")})...)
	r.start()
	r.orchestrate()
	body := flat("web", 1)
	body["ports"] = []object{{"number": 8554}, {"number": 9100}}
	r.problem(404, "not-allocated", "GET", componentPath("web"), nil)
	r.problem(404, "not-allocated", "DELETE", componentPath("web"), nil)
	r.problem(404, "not-allocated", "PUT", componentPath("web"), body)
	r.want(200, "POST", service, body)
	o := r.find(onK8s, "web") // it is there when the answer is
	if o == nil || originOf(o) != "hlo_al" {
		t.Fatalf("object %v", o)
	}
	ports, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
	must(t, differ("ports", ports, []any{object{"number": int64(8554), "protocol": "UDP"}, object{"number": int64(9100), "protocol": "TCP"}}))
	r.says(componentID("web"), "Running", "")
	must(t, differ("element in the broker", r.report(componentID("web")).Element, "Alpha:k1"))
	must(t, differ("report", r.report(componentID("web")).Word, "Running"))

	r.await(onK8s, "web", "its placement is noted", func(o *unstructured.Unstructured) error {
		return differ("noted", o.GetAnnotations()[llo.AllocationPlaced] != "", true)
	})
	before := len(r.toKube.Seen(clusterWrites))
	r.want(200, "POST", service, body)
	r.want(200, "POST", service+"/", body)
	r.problem(409, "exists", "POST", service, flat("web", 2))
	must(t, differ("writes for what is there", len(r.toKube.Seen(clusterWrites))-before, 0))
	shown := r.want(200, "GET", componentPath("web")+"/", nil)
	must(t, differ("image", shown.body["image"], image(1)))
	must(t, differ("element", shown.body["infrastructure_element"], k1))
	must(t, differ("state", at(shown.body, "state", "phase"), "Running"))

	delete(body, "id")
	body["image"], body["envVars"] = image(2), object{"B": "2", "A": "1"}
	r.want(200, "PUT", componentPath("web"), body)
	must(t, hasImage(2)(r.find(onK8s, "web")))
	r.want(200, "PUT", componentPath("web")+"/", body)
	must(t, differ("variables", r.want(200, "GET", componentPath("web"), nil).body["envVars"], object{"A": "1", "B": "2"}))
	body["infrastructure_element"] = k2
	r.want(200, "PUT", componentPath("web"), body)
	r.await(onK8s, "web", "moves", hasHost("Alpha-k2"))
	eventually(t, "the entity says so", func() error { return differ("element", r.report(componentID("web")).Element, "Alpha:k2") })

	r.want(200, "DELETE", componentPath("web"), nil)
	r.gone(onK8s, "web")
	eventually(t, "it is Finished", func() error {
		return differ("report", fmt.Sprintf("%+v", r.report(componentID("web"))), `{Phase:Unplaced Reason:Removed Message:ordered away; the object is gone UID: Word:Finished Element: Written:`+fmt.Sprint(r.report(componentID("web")).Written)+"}")
	})
	r.problem(404, "not-allocated", "GET", componentPath("web"), nil)
	r.problem(404, "not-allocated", "DELETE", componentPath("web")+"/", nil)
	r.want(200, "POST", service, flat("web", 3))
	r.says(componentID("web"), "Running", "")
	must(t, hasImage(3)(r.find(onK8s, "web")))
}

// What was asked for outlives a crash although no broker has its entity, with
// its secrets, which nobody else gets to see.
func TestAllocationWithoutEntity(t *testing.T) {
	t.Parallel()
	r := openRig(t, map[string]string{"RESYNC_INTERVAL": "1s"})
	r.create(world()...)
	r.start()
	r.orchestrate()
	r.want(201, "POST", service, newer("web", 1))
	check := func(o *unstructured.Unstructured) error {
		pw, _, _ := unstructured.NestedString(o.Object, "spec", "imageRegistry", "password")
		key, _, _ := unstructured.NestedString(o.Object, "spec", "networkOverlay", "privateKey")
		ip, _, _ := unstructured.NestedString(o.Object, "spec", "networkOverlay", "internalIp")
		return differ("secrets", []string{pw, key, ip}, []string{password, netKey, "10.13.7.2"})
	}
	must(t, check(r.exists("web")))
	running := func() {
		t.Helper()
		eventually(t, "GET says that it runs", func() error {
			a, err := r.call("GET", componentPath("web"), nil)
			if err != nil {
				return err
			}
			for _, secret := range []string{password, netKey} {
				if strings.Contains(a.text, secret) {
					t.Errorf("GET shows a secret: %s", a.text)
				}
			}
			return differ("state", at(a.body, "state", "phase"), "Running")
		})
	}
	running()
	uid := r.await(onK8s, "web", "its placement is noted", func(o *unstructured.Unstructured) error {
		return differ("noted", o.GetAnnotations()[llo.AllocationPlaced] != "", true)
	}).GetUID()
	r.agent.kill()
	wrote := len(r.toKube.Seen(clusterWrites))
	r.start()
	r.resyncs(3) // the broker lists nothing of it
	running()
	must(t, differ("uid after the restart", r.exists("web").GetUID(), uid))
	for _, e := range r.toKube.Seen(clusterWrites)[wrote:] {
		t.Fatalf("a write after the restart: %s %s %s", e.Method, e.Path, e.Body)
	}
	r.want(201, "POST", service, newer("web", 1)) // the same, secrets included
	other := newer("web", 1)
	other["service_component"].(object)["repoPassword"] = "another"
	r.problem(409, "exists", "POST", service, other)

	put := newer("web", 2)
	delete(put, "scomponent_network_conf")
	delete(put["service_component"].(object), "repoPassword")
	delete(put["service_component"].(object), "repoUsername")
	r.want(200, "PUT", componentPath("web"), put)
	must(t, hasImage(2)(r.exists("web")))
	must(t, check(r.exists("web")))
	r.delete(onK8s, "web") // by hand: it comes back
	must(t, check(r.await(onK8s, "web", "comes back", hasImage(2))))
	r.want(200, "DELETE", componentPath("web"), nil)
	r.gone(onK8s, "web")
	r.resyncs(2)
	if r.find(onK8s, "web") != nil {
		t.Error("it came back")
	}
	for _, secret := range []string{password, netKey} {
		if strings.Contains(r.agent.said.String(), secret) {
			t.Error("a secret is in the log")
		}
		for _, e := range r.toBroker.Seen(nil) {
			if bytes.Contains(e.Body, []byte(secret)) {
				t.Errorf("a secret went to the broker: %s %s", e.Method, e.Path)
			}
		}
	}
	for _, e := range r.toBroker.Seen(entityWrites) {
		t.Errorf("something was written to the broker: %s %s %s", e.Method, e.Path, e.Body)
	}
}

// TestAllocationRefused goes through what is refused, with nothing left behind.
func TestAllocationRefused(t *testing.T) {
	t.Parallel()
	r := openRig(t, nil)
	far := "urn:ngsi-ld:InfrastructureElement:Beta:b1"
	r.create(append(world(), domain("Beta", false), lowLevel("Beta", "Kubernetes"), element(far, "Kubernetes"),
		element("urn:ngsi-ld:InfrastructureElement:Alpha:odd", "Abacus"), element("urn:ngsi-ld:InfrastructureElement:Alpha:c1", "containerd"),
		component("ordered", nil))...)
	r.start()
	r.exists("ordered")
	on := func(name, element string) object {
		b := flat(name, 1)
		b["infrastructure_element"] = element
		return b
	}
	r.problem(400, "element-not-ours", "POST", service, on("web", far))
	r.problem(400, "element-unknown", "POST", service, on("web", "urn:ngsi-ld:InfrastructureElement:Alpha:none"))
	r.problem(400, "refused", "POST", service, on("web", "urn:ngsi-ld:InfrastructureElement:Alpha:odd"))
	r.foreign("held", nil, nil)
	r.problem(409, "name-held", "POST", service, on("held", k1))
	r.problem(409, "exists", "POST", service, on("ordered", k2))
	r.want(200, "POST", service, on("ordered", k1)) // what its entity orders, too
	r.problem(409, "ordered-by-entity", "PUT", componentPath("ordered"), on("ordered", k2))
	a := r.problem(400, "invalid", "POST", service, `{"image":"","infrastructure_element":7,"ports":[{"number":0}]}`)
	must(t, differ("faults", len(a.body["faults"].([]any)), 5))
	r.problem(400, "invalid", "POST", service, `{"image":`)
	r.problem(400, "invalid", "POST", "no%20id", on("web", k1))
	r.problem(400, "invalid", "GET", service+"/service_components/x", nil)
	r.problem(404, "path", "GET", service+"/service_components/", nil)
	r.problem(405, "method", "PATCH", componentPath("web"), nil)
	r.problem(404, "no-overlay", "DELETE", service+"/overlay", nil)
	r.problem(404, "not-allocated", "GET", "urn:ngsi-ld:Service:other/service_components/"+componentID("ordered"), nil)
	r.problem(404, "not-allocated", "DELETE", "urn:ngsi-ld:Service:other/service_components/"+componentID("ordered"), nil)
	r.want(200, "GET", url.PathEscape(service)+"/service_components/"+url.PathEscape(componentID("ordered")), nil)
	if n := len(r.list(onK8s)); n != 2 { // ordered, and the foreign one
		t.Errorf("%d objects", n)
	}
	r.want(200, "DELETE", componentPath("ordered"), nil)
	r.gone(onK8s, "ordered")
	eventually(t, "it is Finished", func() error { return differ("report", r.report(componentID("ordered")).Word, "Finished") })
}

func TestAllocationClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.create(world()...)
	r.start()
	r.problem(403, "closed", "POST", service, flat("web", 1))
	r.problem(403, "closed", "GET", componentPath("web"), nil)
	r.problem(403, "closed", "DELETE", componentPath("web"), nil)
}

// Requests for one component that come twice, at once and with a deletion in
// between end in the state of the last one.
func TestAllocationsAtOnce(t *testing.T) {
	t.Parallel()
	r := openRig(t, nil)
	r.create(append(world(), component("c00", object{"infrastructureElement": nil}))...)
	r.start()
	r.orchestrate()
	names, _ := components(4) // c00 has an entity, the others have none
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			for round := range 8 {
				var some sync.WaitGroup
				for n := range 6 {
					some.Go(func() {
						switch (n + i + round) % 3 {
						case 0:
							r.oneOf(200, 409)(r.call("POST", service, flat(name, round+1)))
						case 1:
							r.oneOf(200, 404)(r.call("DELETE", componentPath(name), nil))
						case 2:
							r.oneOf(200, 404)(r.call("PUT", componentPath(name), flat(name, round+10)))
						}
					})
				}
				some.Wait()
				if round%2 == 0 {
					r.oneOf(200, 404)(r.call("DELETE", componentPath(name), nil))
					continue
				}
				r.oneOf(200, 404)(r.call("DELETE", componentPath(name), nil))
				r.oneOf(200)(r.call("POST", service, flat(name, round+100)))
				must(t, hasImage(round+100)(r.exists(name)))
			}
		})
	}
	all.Wait()
	for i, name := range names {
		if i%2 == 0 {
			r.oneOf(200)(r.call("DELETE", componentPath(name), nil))
		}
	}
	for i, name := range names {
		if i%2 == 0 {
			r.gone(onK8s, name)
		} else {
			r.await(onK8s, name, "is the last one", hasImage(107))
		}
	}
	eventually(t, "the entity is Finished", func() error { return differ("report", r.report(componentID("c00")).Word, "Finished") })
	pass(t, time.Second)
	must(t, differ("objects", len(r.list(onK8s)), 2))
}

// oneOf checks the answer to a call.
func (r *rig) oneOf(codes ...int) func(answer, error) {
	r.t.Helper()
	return func(a answer, err error) {
		if err != nil {
			r.t.Error(err)
			return
		}
		for _, code := range codes {
			if a.code == code {
				return
			}
		}
		r.t.Errorf("answer %d %s, want one of %v", a.code, a.text, codes)
	}
}

// Orders in the entity hold for what others asked for as well.
func TestAllocationIsOrderedByItsEntity(t *testing.T) {
	t.Parallel()
	r := openRig(t, nil)
	r.create(append(world(), component("web", object{"infrastructureElement": nil}), component("job", object{"infrastructureElement": nil}))...)
	r.start()
	r.orchestrate()
	r.want(200, "POST", service, flat("web", 1))
	r.says(componentID("web"), "Running", "")
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Overload")})
	r.says(componentID("web"), "Running", "Overloaded")
	r.patch(componentID("web"), object{"infrastructureElement": rel(k2)}) // who handles the service has chosen
	r.await(onK8s, "web", "moves", hasHost("Alpha-k2"))
	eventually(t, "GET says so", func() error { // the object can be seen before its apply is answered
		return differ("element", r.want(200, "GET", componentPath("web"), nil).body["infrastructure_element"], k2)
	})
	eventually(t, "it runs there", func() error { return differ("report", r.report(componentID("web")).Word, "Running") })
	r.agent.kill()
	r.start()
	must(t, hasHost("Alpha-k2")(r.exists("web")))
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	r.gone(onK8s, "web")
	eventually(t, "it is Finished", func() error { return differ("report", r.report(componentID("web")).Word, "Finished") })
	pass(t, time.Second)
	if r.find(onK8s, "web") != nil {
		t.Error("it came back")
	}

	job := newer("job", 1)
	job["service_component"].(object)["isJob"] = true
	r.want(201, "POST", service, job)
	first := r.says(componentID("job"), "Succeeded", "")
	r.want(201, "POST", service, job)
	pass(t, time.Second)
	must(t, differ("uid of a job that is asked for again", r.report(componentID("job")).UID, first.UID))
	r.patch(componentID("job"), object{"serviceComponentStatus": word("Starting")}) // a new order
	eventually(t, "the job runs again", func() error {
		if again := r.report(componentID("job")); again.UID == first.UID || again.Phase != "Succeeded" {
			return fmt.Errorf("%+v", again)
		}
		return nil
	})
}

// far makes components whose names begin with far live in another broker, as a
// federated one shows them: by id, and in no list or notification of ours.
func (r *rig) far() {
	r.toBroker.Inject(faults.Fault{Match: func(e faults.Exchange) bool { return componentLists(e) && strings.Contains(e.Query, "local=true") }, Do: faults.Rewrite(func(code int, h http.Header, body []byte) (int, []byte) {
		var list, ours []object
		if json.Unmarshal(body, &list) != nil {
			return code, body
		}
		for _, e := range list {
			if id, _ := e["id"].(string); !strings.Contains(id, ":Component:far") {
				ours = append(ours, e)
			}
		}
		if ours == nil {
			ours = []object{}
		}
		h.Set("NGSILD-Results-Count", fmt.Sprint(len(ours)))
		text, err := json.Marshal(ours)
		if err != nil {
			return code, body
		}
		return code, text
	})})
	r.toWebhook.Inject(faults.Fault{Match: func(e faults.Exchange) bool { return bytes.Contains(e.Body, []byte(":Component:far")) }, Do: faults.Answer(204, http.Header{"X": {"y"}}, "")})
}

// The entity lives in the broker of who asks: what becomes of the component is
// written there, and what is ordered there is seen at a resync.
func TestAllocationOfAnotherBroker(t *testing.T) {
	t.Parallel()
	r := openRig(t, map[string]string{"RESYNC_INTERVAL": "2s"})
	beta := "urn:ngsi-ld:InfrastructureElement:Beta:b1"
	r.create(append(world(), domain("Beta", false), lowLevel("Beta", "Kubernetes"), element(beta, "Kubernetes"),
		component("far1", object{"infrastructureElement": nil}), component("far2", object{"infrastructureElement": rel(beta), "serviceComponentStatus": word("Overload")}))...)
	r.far()
	r.start()
	before := len(r.toBroker.Seen(nil))
	r.want(200, "POST", service, flat("far1", 1))
	r.exists("far1")
	r.runs(onK8s, "far1")
	r.says(componentID("far1"), "Running", "")
	about1 := r.toBroker.Seen(and(about("far1"), func(e faults.Exchange) bool { return !entityLists(e) })) // resyncs go on meanwhile
	writes := 0
	for _, e := range about1 {
		if entityWrites(e) {
			writes++
		}
	}
	if n := len(about1); writes > 2 || n > 2*writes+1 { // what is known may be too old for each report
		t.Errorf("%d requests for one allocation, %d of them writes (%d in all): %v", n, writes, len(r.toBroker.Seen(nil))-before, about1)
	}
	r.resyncs(2)
	r.agent.kill()
	r.start()
	r.resyncs(2)
	must(t, differ("report after a restart", r.report(componentID("far1")).Word, "Running"))
	r.phase(onK8s, "far1", "Failed")
	r.says(componentID("far1"), "Failed", "")
	r.runs(onK8s, "far1")
	eventually(t, "it recovers", func() error { return differ("report", r.report(componentID("far1")).Word, "Running") })
	r.patch(componentID("far1"), object{"serviceComponentStatus": word("Removing")})
	r.gone(onK8s, "far1")
	eventually(t, "it is Finished", func() error {
		got := r.report(componentID("far1"))
		return differ("report", []string{got.Word, got.Element}, []string{"Finished", ""})
	})

	// Moved here by whoever handles the service: until it runs here nothing is
	// written, since it still is the other domain's.
	r.want(200, "POST", service, flat("far2", 1))
	r.exists("far2")
	pass(t, 3*time.Second)
	got := r.report(componentID("far2"))
	must(t, differ("before it runs here", []string{got.Word, got.Element, got.Phase}, []string{"Overload", "Beta:b1", ""}))
	r.runs(onK8s, "far2")
	r.says(componentID("far2"), "Running", "")
	got = r.report(componentID("far2"))
	must(t, differ("when it runs here", []string{got.Word, got.Element}, []string{"Running", "Alpha:k1"}))
	// And away again: nothing more is written, and the object goes when it runs there.
	r.patch(componentID("far2"), object{"infrastructureElement": rel(beta)})
	r.resyncs(2)
	r.exists("far2")
	r.want(200, "DELETE", componentPath("far2"), nil)
	r.gone(onK8s, "far2")
	pass(t, time.Second)
	got = r.report(componentID("far2"))
	must(t, differ("after it was moved away", []string{got.Word, got.Element}, []string{"Running", "Beta:b1"}))
}
