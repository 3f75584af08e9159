package allocation_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// FuzzDecode: whatever is sent, it is read or refused, and what is said of it
// quotes no value. What was read survives being recorded, and being sent on.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"flat", "newer", "older"} {
		f.Add(body(f, name))
	}
	for _, text := range []string{
		`{}`, `[]`, `null`, `{"service_component":null}`, `{"id":"urn:a","image":"i","infrastructure_element":"urn:e","ports":{}}`,
		`{"id":"urn:a","image":"i","infrastructure_element":"urn:e","ports":[{"number":1e0},{"number":65536}],"envVars":{"":"x","k":1e400}}`,
		`{"ID":"urn:b","id":"urn:a","image":"i","infrastructure_element":"urn:e","envVars":{"a":true},"cliArgs":{"--x":null}}`,
		`{"service_component":{"id":"urn:a","image":"i","infrastructure_element":{"id":"urn:e"},"envVars":[{"key":"a","value":false},{"key":"a"}],"isPrivate":true,"repoPassword":"hunter2-hunter2"},"scomponent_network_conf":{"PrivateKey":"k"}}`,
		`{"id":"urn:a\u0000","image":"\ud800","infrastructure_element":"urn:e"} x`, `{"service_component":{"ports":[{}]},"scomponent_network_conf":[]}`,
		`{"id":"urn:a","image":"i","infrastructure_element":"urn:e","Ports":[{"number":1}],"EnvVars":["x"],"SERVICE_COMPONENT":{"id":7}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, decode := range []func() (allocation.Request, error){
			func() (allocation.Request, error) { return allocation.Decode(text, service) },
			func() (allocation.Request, error) { return allocation.DecodeUpdate(text, service, camera) },
		} {
			r, err := decode()
			if err != nil {
				checkFaults(t, text, err)
				continue
			}
			checkRead(t, &r)
		}
	})
}

func checkFaults(t *testing.T, text []byte, err error) {
	t.Helper()
	var faults allocation.Faults
	if !errors.As(err, &faults) || len(faults) == 0 {
		t.Fatalf("no faults: %v", err)
	}
	keys, values := map[string]bool{}, map[string]bool{}
	var value any
	if json.Unmarshal(text, &value) != nil {
		return // nothing of it was understood, and the message is one of a few
	}
	texts(value, keys, values)
	said := err.Error()
	for v := range values {
		if len(v) < 8 || !strings.Contains(said, v) {
			continue
		}
		quoted := false // as the name of a member, or by the document
		for k := range keys {
			quoted = quoted || strings.Contains(k, v)
		}
		if document, err := json.Marshal(allocation.OpenAPI()); !quoted && err == nil && !strings.Contains(string(document), v) {
			t.Errorf("%q is quoted: %s", v, said)
		}
	}
}

func texts(value any, keys, values map[string]bool) {
	switch v := value.(type) {
	case string:
		values[v] = true
	case []any:
		for _, item := range v {
			texts(item, keys, values)
		}
	case map[string]any:
		for k, item := range v {
			keys[k] = true
			texts(item, keys, values)
		}
	}
}

func checkRead(t *testing.T, r *allocation.Request) {
	t.Helper()
	if !allocation.ValidID(string(r.Component)) || !allocation.ValidID(string(r.Element)) || r.Image == "" {
		t.Fatalf("incomplete: %+v", r.Allocation)
	}
	back, err := allocation.ParseRecord(r.Component, r.Record())
	if err != nil {
		t.Fatal(err)
	}
	back.Username, back.Password = r.Username, r.Password // what a record leaves out
	if back.Network != nil && r.Network != nil {
		back.Network.PrivateKey = r.Network.PrivateKey
	}
	if !back.Equal(&r.Allocation) || back.Digest() != r.Digest() {
		t.Errorf("recorded and read (-want +got):\n%s", cmp.Diff(r.Allocation, back))
	}
	sent, err := r.Body()
	if err != nil {
		t.Fatal(err)
	}
	again, err := allocation.DecodeUpdate(sent, r.Service, r.Component)
	if err != nil {
		t.Fatalf("what we send is refused: %v\n%s", err, sent)
	}
	if !again.Equal(&r.Allocation) {
		t.Errorf("sent and read (-want +got):\n%s", cmp.Diff(r.Allocation, again.Allocation))
	}
	_ = r.Entity(ngsild.Entity{})
	if _, err := r.Shown(allocation.State{}); err != nil {
		t.Fatal(err)
	}
}

// FuzzParseRecord: an annotation can be edited by hand.
func FuzzParseRecord(f *testing.F) {
	r, err := allocation.Decode(body(f, "newer"), service)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.Record())
	f.Add(`{"ports":[{"number":"x"}],"network":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := allocation.ParseRecord(camera, text)
		if err != nil {
			return
		}
		back, err := allocation.ParseRecord(camera, a.Record())
		if err != nil || !back.Equal(&a) {
			t.Errorf("%v (-want +got):\n%s", err, cmp.Diff(a, back))
		}
	})
}
