package faults_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// shim answers as the recorded one: subnets are a number in memory, which
// begins anew when it is restarted.
type shim struct {
	*httptest.Server
	mu      sync.Mutex
	next    int
	calls   []string
	servers map[string]map[string]string // service → address → public key
	down    bool
}

func startShim(t *testing.T) *shim {
	t.Helper()
	s := &shim{servers: map[string]map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *shim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body struct {
		Service string `json:"service_id"`
		Peers   []struct {
			Key     string `json:"peer_public_key"`
			Address string `json:"peer_overlay_ip"`
		}
	}
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
	}
	if s.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	s.calls = append(s.calls, r.Method+" "+r.URL.Path)
	switch r.Method + " " + r.URL.Path {
	case "POST /subnet":
		s.next++
		fmt.Fprintf(w, `{"service_id": %q, "assigned_subnet": "10.13.%d.0/24"}`, body.Service, s.next)
	case "POST /service-network-overlay":
		peers := map[string]string{}
		for _, p := range body.Peers {
			peers[p.Address] = p.Key
		}
		s.servers[body.Service] = peers
		io.WriteString(w, `{"status": "configured"}`)
	case "DELETE /service-network-overlay":
		delete(s.servers, body.Service)
		io.WriteString(w, `{"status": "deleted"}`)
	case "GET /token/hlo":
		io.WriteString(w, `{"token": {"token": "made-up-token"}}`)
	default:
		http.NotFound(w, r)
	}
}

func (s *shim) peers(service string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.servers[service])
}

func (s *shim) count(call string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (s *shim) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func overlaySecret(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "overlay")
	must(t, os.WriteFile(file, []byte(strings.Repeat("overlay-secret-", 4)), 0o600))
	return file
}

// networkOf waits until a component's resource has its place in the network.
func networkOf(o *objects, name string) map[string]string {
	o.t.Helper()
	got := map[string]string{}
	o.await(onK8s, name, "has its network", func(u *unstructured.Unstructured) error {
		n, _, _ := unstructured.NestedStringMap(u.Object, "spec", "networkOverlay")
		if n["privateKey"] == "" {
			return fmt.Errorf("networkOverlay is %v", n)
		}
		got = n
		return nil
	})
	return got
}

// A service with an overlay network: every component gets its place in it, in
// another domain too; restarts of the agent and of the shim change nothing;
// when the service goes, so does the network.
func TestOverlayNetwork(t *testing.T) {
	t.Parallel()
	s := startShim(t)
	f := federate(t, map[string]string{"SHIM_URL": s.URL, "OVERLAY_SECRET_FILE": overlaySecret(t)})
	f.alpha.orchestrate()
	f.beta.orchestrate()
	const public = "1T4Xd+Hr4dkY6irKTHTd2xgoZGc5lWMDBsxgmNlUdWA="
	f.alpha.patch("urn:ngsi-ld:Domain:Alpha", object{"publicKey": prop(public), "publicUrl": prop("https://alpha.example.org")})
	s.set(func() { s.down = true })
	f.alpha.patch(service, object{"hasOverlay": prop(true)})
	f.alpha.create(component("near", nil), component("far", object{"infrastructureElement": rel(b1)}))
	f.alpha.says(componentID("near"), "Pending", "OverlayMissing")
	s.set(func() { s.down = false })

	near, far := networkOf(f.alpha.objects, "near"), networkOf(f.beta.objects, "far")
	f.alpha.says(componentID("near"), "Running", "")
	f.alpha.says(componentID("far"), "Running", "")
	peers := s.peers(service)
	if len(peers) != 3 || peers["10.13.1.1"] == "" {
		t.Errorf("the server knows %v", peers)
	}
	for name, n := range map[string]map[string]string{"near": near, "far": far} {
		if n["dns"] != "10.13.1.1" || n["allowedIps"] != "10.13.1.0/24" || n["endpoint"] != "alpha.example.org:51820" || n["publicKey"] != public || peers[n["internalIp"]] == "" {
			t.Errorf("%s has %v", name, n)
		}
	}
	if near["internalIp"] == far["internalIp"] || near["privateKey"] == far["privateKey"] {
		t.Error("two components share an address or a key")
	}

	answer := get(t, "http://"+f.beta.listen+"/hlo_al/services/"+service+"/service_components/"+componentID("far")+"/")
	if !strings.Contains(answer, image(1)) {
		t.Errorf("the other domain answers %s", answer)
	}

	configured := s.count("POST /service-network-overlay")
	f.alpha.agent.kill()
	s.set(func() { s.next = 0 })
	f.alpha.start()
	f.alpha.patch(componentID("far"), object{"infrastructureElement": rel(k1)}) // moves home
	f.only(f.alpha, f.beta, "far")
	if moved := networkOf(f.alpha.objects, "far"); fmt.Sprint(moved) != fmt.Sprint(far) {
		t.Error("its network changed with the move")
	}
	if n := s.count("POST /service-network-overlay"); n != configured {
		t.Errorf("the server was configured %d times after a restart and a move, %d before", n, configured)
	}

	const second = "urn:ngsi-ld:Service:second"
	f.alpha.create(object{"id": second, "type": "Service", "actionType": prop("DEPLOYED"), "hasOverlay": prop(true), "domainHandler": rel("urn:ngsi-ld:Domain:Alpha")})
	other := component("other", nil)
	other["id"], other["service"] = second+":Component:other", rel(second)
	f.alpha.create(other)
	f.alpha.says(second+":Component:other", "Running", "")
	if p := s.peers(second); p["10.13.2.2"] == "" {
		t.Errorf("a restarted shim gave a subnet twice and it was taken: %v", p)
	}

	for _, text := range []string{near["privateKey"], far["privateKey"], "made-up-token", "overlay-secret-"} {
		for where, said := range map[string]string{"alpha's log": f.alpha.agent.said.String(), "beta's log": f.beta.agent.said.String(),
			"the entity": fmt.Sprint(f.alpha.entity(componentID("near")), f.alpha.entity(componentID("far"))),
			"metrics":    get(t, "http://"+f.alpha.ops+"/metrics"), "readyz": get(t, "http://"+f.alpha.ops+"/readyz"),
			"the answer of the other domain": answer} {
			if strings.Contains(said, text) {
				t.Errorf("a secret is in %s", where)
			}
		}
	}

	for _, name := range []string{"near", "far"} {
		f.alpha.patch(componentID(name), object{"serviceComponentStatus": word("Removing")})
	}
	for _, name := range []string{"near", "far"} {
		f.alpha.says(componentID(name), "Unplaced", "Removed")
	}
	eventually(t, "the network is taken down", func() error {
		if p := s.peers(service); p != nil {
			return fmt.Errorf("the server knows %v", p)
		}
		if e := f.alpha.entity(componentID("near")); e["overlayNetworkIP"] != nil {
			return fmt.Errorf("the component has address %v", e["overlayNetworkIP"])
		}
		return nil
	})
	if p := s.peers(second); len(p) != 2 {
		t.Errorf("the other service's network is %v", p)
	}
}

// networked gives the service an overlay network, with a new component in it.
func (r *rig) networked(name string) {
	r.t.Helper()
	r.patch("urn:ngsi-ld:Domain:Alpha", object{"publicKey": prop("1T4Xd+Hr4dkY6irKTHTd2xgoZGc5lWMDBsxgmNlUdWA="), "publicUrl": prop("https://alpha.example.org")})
	r.patch(service, object{"hasOverlay": prop(true)})
	r.create(component(name, nil))
	networkOf(r.objects, name)
	eventually(r.t, "its entity bears its address", func() error { return r.bears(name, true) })
}

// without waits until a component is in no network.
func (r *rig) without(name string) {
	r.t.Helper()
	r.await(onK8s, name, "has no network", func(u *unstructured.Unstructured) error {
		if n, there, _ := unstructured.NestedMap(u.Object, "spec", "networkOverlay"); there {
			return fmt.Errorf("it has %v", len(n))
		}
		return nil
	})
	eventually(r.t, "its entity bears no address", func() error { return r.bears(name, false) })
}

func (r *rig) bears(name string, want bool) error {
	return differ("bears an address", r.entity(componentID(name))["overlayNetworkIP"] != nil, want)
}

// A network that is ordered away while its components stay goes, also when the
// agent dies right after it has answered; it stays away over restarts, and comes
// again when the service is ordered anew.
func TestOverlayIsOrderedAway(t *testing.T) {
	t.Parallel()
	s := startShim(t)
	r := openRig(t, map[string]string{"SHIM_URL": s.URL, "OVERLAY_SECRET_FILE": overlaySecret(t)})
	r.create(world()...)
	r.start()
	r.orchestrate()
	const network = service + "/overlay"
	r.problem(404, "no-overlay", "DELETE", network, nil)
	r.networked("web")
	r.says(componentID("web"), "Running", "")
	uid := r.exists("web").GetUID()
	down := func(want int) func() error {
		return func() error { return differ("peers at the server", len(s.peers(service)), want) }
	}
	must(t, down(2)())

	// The broker does not hold the order: it was not given.
	remove := r.toBroker.Inject(faults.Fault{Match: func(e faults.Exchange) bool { return e.Method == http.MethodPost }, Do: faults.Answer(503, nil, "")})
	r.problem(503, "unavailable", "DELETE", network, nil)
	remove()
	must(t, down(2)())

	s.set(func() { s.down = true }) // so that nothing comes of it before the kill
	r.want(200, "DELETE", network, nil)
	r.want(200, "DELETE", network+"/", nil)
	r.agent.kill()
	s.set(func() { s.down = false })
	r.start()
	eventually(t, "the server has forgotten it", down(0))
	r.without("web")
	r.problem(404, "no-overlay", "DELETE", network, nil)

	r.agent.kill()
	r.start()
	r.create(component("late", nil))
	r.says(componentID("late"), "Running", "")
	r.rest(time.Second)
	r.without("web")
	r.without("late")
	must(t, down(0)())
	must(t, differ("the object", r.exists("web").GetUID(), uid))

	r.patch(service, object{"actionType": prop("DEPLOYING")})
	networkOf(r.objects, "web")
	networkOf(r.objects, "late")
	eventually(t, "the server knows both", down(3))
	// Entities that are deleted without an order to remove them leave the network, too.
	r.do(http.MethodDelete, entityPath(componentID("late")), nil)
	r.gone(onK8s, "late")
	eventually(t, "the server knows the other one", down(2))
	r.do(http.MethodDelete, entityPath(componentID("web")), nil)
	r.gone(onK8s, "web")
	eventually(t, "the server knows none", down(0))
	eventually(t, "nothing of the order is left", func() error {
		var left []object
		return errors.Join(json.Unmarshal(r.do(http.MethodGet, "/ngsi-ld/v1/entities?type=OverlayRemoval&local=true", nil), &left), differ("records", len(left), 0))
	})
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(body)
}
