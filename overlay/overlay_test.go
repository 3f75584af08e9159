package overlay_test

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/overlay"
)

var secret = []byte(strings.Repeat("s", overlay.SecretMin))

// A key is the same each time, another one for another component, service or
// secret, and its public half belongs to it.
func TestKeys(t *testing.T) {
	t.Parallel()
	other := []byte(strings.Repeat("t", overlay.SecretMin))
	seen := map[string]string{}
	for name, c := range map[string]struct {
		secret             []byte
		service, component ngsild.EntityID
	}{
		"one": {secret, "s", "c"}, "other secret": {other, "s", "c"}, "other service": {secret, "t", "c"},
		"other component": {secret, "s", "d"}, "words cut elsewhere": {secret, "sc", ""},
	} {
		p, err := overlay.KeyOf(c.secret, c.service, c.component)
		if err != nil {
			t.Fatal(err)
		}
		again, err := overlay.KeyOf(c.secret, c.service, c.component)
		if err != nil || again != p {
			t.Errorf("%s: another key the second time (%v)", name, err)
		}
		if got := publicOf(t, p); got != p.Public || len(p.Public) != 44 {
			t.Errorf("%s: the public key is %s, want %s", name, p.Public, got)
		}
		if before, there := seen[p.Public]; there {
			t.Errorf("%s has the key of %s", name, before)
		}
		seen[p.Public] = name
		if text := fmt.Sprintf("%v %+v", p, p); strings.Contains(text, string(p.Private)) {
			t.Error("the private key prints")
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	subnet := netip.MustParsePrefix("10.13.7.0/24")
	taken := map[netip.Addr]bool{}
	for i := 2; i <= 254; i++ {
		a, err := overlay.NextFree(subnet, taken)
		if want := fmt.Sprint("10.13.7.", i); err != nil || a.String() != want {
			t.Fatalf("got %v, %v, want %s", a, err, want)
		}
		taken[a] = true
	}
	if a, err := overlay.NextFree(subnet, taken); !errors.Is(err, overlay.ErrFull) {
		t.Errorf("got %v, %v from a full network", a, err)
	}
	delete(taken, netip.MustParseAddr("10.13.7.9"))
	if a, err := overlay.NextFree(subnet, taken); err != nil || a.String() != "10.13.7.9" {
		t.Errorf("got %v, %v, want the one that is free", a, err)
	}
	for text, want := range map[string]string{"10.13.7.2": "10.13.7.0/24", "10.13.7.2/32": "10.13.7.0/24", "x": "", "": "", "fe80::1": ""} {
		got := ""
		if a, ok := overlay.ParseAddress(text); ok {
			got = overlay.SubnetOf(a).String()
		}
		if got != want {
			t.Errorf("%q is in %q, want %q", text, got, want)
		}
	}
}

// The shim's calls are those that were recorded.
func TestShimCalls(t *testing.T) {
	t.Parallel()
	var got []string
	status, reply := http.StatusOK, `{"service_id": "urn:ngsi-ld:Service:9b3e61d0c75a", "assigned_subnet": "10.13.7.0/24"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		text, _ := json.Marshal(body)
		got = append(got, r.Method+" "+r.URL.Path+" "+string(text))
		w.WriteHeader(status)
		fmt.Fprint(w, reply)
	}))
	t.Cleanup(server.Close)
	shim := overlay.NewShim(server.URL+"/", http.DefaultTransport)
	const service = "urn:ngsi-ld:Service:9b3e61d0c75a"
	subnet, err := shim.Subnet(t.Context(), service)
	if err != nil || subnet.String() != "10.13.7.0/24" {
		t.Fatalf("subnet %v, %v", subnet, err)
	}
	err = shim.Configure(t.Context(), service, subnet, []overlay.Peer{{Name: "camera-gw", Public: "Y28/NAR2ks776c/SXcJLAG37FTx6t/VMvuv8jo489U4=", Address: netip.MustParseAddr("10.13.7.2")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := shim.Remove(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`POST /subnet {"service_id":"urn:ngsi-ld:Service:9b3e61d0c75a"}`,
		`POST /service-network-overlay {"peers":[{"name":"camera-gw","peer_overlay_ip":"10.13.7.2","peer_public_key":"Y28/NAR2ks776c/SXcJLAG37FTx6t/VMvuv8jo489U4="},` +
			`{"is_master":true,"name":"WG server","peer_overlay_ip":"10.13.7.1","peer_public_key":"we_do_not_care_about_this"}],"service_id":"urn:ngsi-ld:Service:9b3e61d0c75a"}`,
		`DELETE /service-network-overlay {"service_id":"urn:ngsi-ld:Service:9b3e61d0c75a"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	reply = `{"assigned_subnet": "the key is hunter2"}`
	if _, err := shim.Subnet(t.Context(), service); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a subnet that is none gives %v", err)
	}
	status, reply = http.StatusInternalServerError, `private key hunter2`
	if err := shim.Configure(t.Context(), service, subnet, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a failing shim gives %v", err)
	}
	status = http.StatusNotFound
	if err := shim.Remove(t.Context(), service); err != nil {
		t.Errorf("nothing to remove gives %v", err)
	}
}

func publicOf(t *testing.T, p overlay.Pair) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(string(p.Private))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(key.PublicKey().Bytes())
}
