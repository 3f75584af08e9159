package faults_test

import (
	"encoding/json"
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

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	secret := filepath.Join(t.TempDir(), "overlay")
	must(t, os.WriteFile(secret, []byte(strings.Repeat("overlay-secret-", 4)), 0o600))
	f := federate(t, map[string]string{"SHIM_URL": s.URL, "OVERLAY_SECRET_FILE": secret})
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
