package allocation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	service = ngsild.EntityID("urn:ngsi-ld:Service:9b3e61d0c75a")
	camera  = service + ":Component:camera-gw"
	element = ngsild.EntityID("urn:ngsi-ld:InfrastructureElement:Mill01:e45f01c2b9d4")
)

func body(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func no() *bool  { return new(bool) }
func yes() *bool { b := true; return &b }

func TestDecode(t *testing.T) {
	t.Parallel()
	flat := allocation.Allocation{
		Component: camera, Service: service, Element: element, Image: "registry.example.org/vision/camera-gw:0.9.0",
		EnvVars: []allocation.Pair{{Key: "FPS", Value: "25"}, {Key: "RTSP_SOURCE", Value: "rtsp://192.168.40.60/stream1"}},
		CLIArgs: []allocation.Pair{{Key: "--metrics-port", Value: "9100"}, {Key: "--publish", Value: "udp"}},
		Ports:   []allocation.Port{{Number: 8554}, {Number: 9100}},
	}
	newer := flat
	newer.Hostname, newer.Kind = "raspi-cell-3", "ServiceComponentDocker"
	newer.Orchestrator = "urn:ngsi-ld:LowLevelOrchestrator:Mill01:Docker"
	newer.EnvVars = []allocation.Pair{flat.EnvVars[1], flat.EnvVars[0]} // as they are listed
	newer.CLIArgs = []allocation.Pair{flat.CLIArgs[1], flat.CLIArgs[0]}
	newer.ExposePorts, newer.IsJob, newer.IsPrivate = no(), no(), no()
	newer.Network = &allocation.Network{
		Address: "10.13.7.2", DNS: "10.13.7.1", PublicKey: "1T4Xd+Hr4dkY6irKTHTd2xgoZGc5lWMDBsxgmNlUdWA=",
		Endpoint: "portocloud.example.org:51820", AllowedIPs: "10.13.7.0/24", PrivateKey: "OyE87QA+ibNaJsIsvQEcm/qylXhBWyBp9/yLAZmLkD0=",
	}
	older := flat
	older.EnvVars, older.CLIArgs, older.Ports = flat.EnvVars[1:], nil, flat.Ports[:1]
	for name, want := range map[string]struct {
		form allocation.Form
		is   allocation.Allocation
	}{"flat": {allocation.Flat, flat}, "newer": {allocation.Newer, newer}, "older": {allocation.Older, older}} {
		got, err := allocation.Decode(body(t, name), service)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Form != want.form {
			t.Errorf("%s: form %v, want %v", name, got.Form, want.form)
		}
		if diff := cmp.Diff(want.is, got.Allocation); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecodeKeepsScalarsAsWritten(t *testing.T) {
	t.Parallel()
	r, err := allocation.Decode([]byte(`{"id":"urn:c","image":"i","infrastructure_element":"urn:e",
		"envVars":{"a":1.50,"b":true,"c":null,"d":"","e":"x"},"ports":[{"number":80.0,"protocol":"udp"}]}`), service)
	if err != nil {
		t.Fatal(err)
	}
	want := []allocation.Pair{{Key: "a", Value: "1.50"}, {Key: "b", Value: "true"}, {Key: "c"}, {Key: "d"}, {Key: "e", Value: "x"}}
	if diff := cmp.Diff(want, r.EnvVars); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]allocation.Port{{Number: 80, Protocol: "UDP"}}, r.Ports); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Names that differ from ours in case are others' names, as the schema has it.
func TestDecodeMindsCase(t *testing.T) {
	t.Parallel()
	r, err := allocation.Decode([]byte(`{"id":"urn:c","ID":"no id","image":"i","IMAGE":"","infrastructure_element":"urn:e","Infrastructure_Element":["x"],
		"ports":[{"number":80,"Number":0}],"envVars":{"ID":"1","id":"2"},"CliArgs":"x"}`), service)
	if err != nil {
		t.Fatal(err)
	}
	want := allocation.Allocation{Component: "urn:c", Service: service, Image: "i", Element: "urn:e", Ports: []allocation.Port{{Number: 80}},
		EnvVars: []allocation.Pair{{Key: "ID", Value: "1"}, {Key: "id", Value: "2"}}}
	if diff := cmp.Diff(want, r.Allocation); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// secret stands in bodies at every place where a value could be quoted from.
const secret = "s3cret-VALUE"

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"no JSON", `{"id": ` + secret, "the body is not JSON, from byte 8 on"},
		{"cut off", `{"id":"urn:a"`, "the body is not complete JSON"},
		{"empty", ``, "the body is not complete JSON"},
		{"two", `{} {}`, "the body must be one JSON object and nothing after it"},
		{"a list", `["` + secret + `"]`, "the body must be a JSON object"},
		{"nothing in it", `{}`, "/id must be there\n/image must be there\n/infrastructure_element must be there"},
		{"wrong types", `{"id":1,"image":["` + secret + `"],"infrastructure_element":{"id":"` + secret + `"},"envVars":["` + secret + `"],"cliArgs":"` + secret + `","ports":"` + secret + `"}`,
			"/cliArgs must be object\n/envVars must be object\n/id must be string\n/image must be string\n/infrastructure_element must be string\n/ports must be array"},
		{"bad texts", `{"id":"` + secret + `","image":"a ` + secret + `","infrastructure_element":"urn:x ` + secret + `"}`,
			"/id must match ID\n/image must match IMAGE\n/infrastructure_element must match ID"},
		{"deep", `{"id":"urn:c","image":"","infrastructure_element":"urn:e","envVars":{"A/B":{"x":"` + secret + `"}},"ports":[{"number":0},{"number":70000},{"number":"` + secret + `"},{},{"number":1.5,"protocol":"` + secret + `"}]}`,
			"/envVars/A~1B must be string or number or boolean or null\n/image must match IMAGE\n/image must not be empty\n/ports/0/number must be at least 1\n" +
				"/ports/1/number must be at most 65535\n/ports/2/number must be integer\n/ports/3/number must be there\n/ports/4/number must be integer\n/ports/4/protocol must match ^(?i:TCP|UDP|SCTP)$"},
		{"newer", `{"service_component":{"id":"urn:c","image":"i","infrastructure_element":{"hostname":"` + secret + `"},"envVars":[{"value":"` + secret + `"}],"isJob":"` + secret + `","repoPassword":["` + secret + `"]},"scomponent_network_conf":{"PrivateKey":{"a":"` + secret + `"}}}`,
			"/scomponent_network_conf/PrivateKey must be string or null\n/service_component/envVars/0/key must be there\n/service_component/infrastructure_element/id must be there\n" +
				"/service_component/isJob must be boolean or null\n/service_component/repoPassword must be string or null"},
		{"newer without", `{"service_component":"` + secret + `"}`, "/service_component must be object"},
		{"older", `{"id":"urn:c","image":"i","infrastructure_element":"urn:e","ports":{"number":"` + secret + `"},"envVars":"` + secret + `"}`,
			"/envVars must be object or array\n/ports/number must be integer"},
		{"of another service", `{"id":"urn:ngsi-ld:Service:x:Component:y","image":"i","infrastructure_element":"urn:e"}`, "/id is of another service than the path"},
	} {
		_, err := allocation.Decode([]byte(c.body), service)
		var faults allocation.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := strings.NewReplacer(idPattern(), "ID", imagePattern(), "IMAGE").Replace(err.Error())
		if diff := cmp.Diff(strings.Split(c.want, "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if strings.Contains(got, secret) {
			t.Errorf("%s: a value is quoted:\n%s", c.name, got)
		}
	}
}

func idPattern() string    { return allocation.OpenAPI().Components.Schemas["Id"].Value.Pattern }
func imagePattern() string { return allocation.OpenAPI().Components.Schemas["Image"].Value.Pattern }

func TestUpdate(t *testing.T) {
	t.Parallel()
	first, err := allocation.Decode(body(t, "newer"), service)
	if err != nil {
		t.Fatal(err)
	}
	is := first.Allocation
	is.IsPrivate, is.Username, is.Password = yes(), "robot", "pw"
	is.Ports[0].Protocol = "UDP"
	update := func(text string) allocation.Allocation {
		t.Helper()
		r, err := allocation.DecodeUpdate([]byte(text), service, camera)
		if err != nil {
			t.Fatal(err)
		}
		return r.Over(&is)
	}

	flat := update(`{"image":"new:1","infrastructure_element":"` + string(element) + `","ports":[{"number":8554}]}`)
	want := is
	want.Image, want.EnvVars, want.CLIArgs, want.Ports = "new:1", nil, nil, []allocation.Port{{Number: 8554, Protocol: "UDP"}}
	if diff := cmp.Diff(want, flat); diff != "" {
		t.Errorf("a flat change (-want +got):\n%s", diff)
	}

	newer := update(`{"service_component":{"image":"new:1","infrastructure_element":{"id":"urn:e"},"isPrivate":true}}`)
	if newer.Username != "robot" || newer.Password != "pw" || newer.Network == nil || newer.IsJob != nil {
		t.Errorf("a newer change without credentials and network: %+v", newer)
	}
	newer = update(`{"service_component":{"image":"new:1","infrastructure_element":{"id":"urn:e"},"isPrivate":false},"scomponent_network_conf":null}`)
	if newer.Username != "" || newer.Password != "" || newer.Network != nil {
		t.Errorf("a newer change that takes credentials and network away: %+v", newer)
	}

	_, err = allocation.DecodeUpdate([]byte(`{"id":"urn:other","image":"new:1","infrastructure_element":"urn:e"}`), service, camera)
	if err == nil || err.Error() != "/id is another component than that of the path" {
		t.Errorf("another component: %v", err)
	}
}

// TestEquality is of what POST means by the same body.
func TestEquality(t *testing.T) {
	t.Parallel()
	flat, err := allocation.Decode(body(t, "flat"), service)
	if err != nil {
		t.Fatal(err)
	}
	same := flat.Allocation
	same.Hostname, same.IsJob, same.Ports = "told", no(), []allocation.Port{{Number: 8554, Protocol: "UDP"}, {Number: 9100}}
	if !flat.Equal(&same) {
		t.Error("hints, defaults and protocols make no difference")
	}
	for name, change := range map[string]func(*allocation.Allocation){
		"image":    func(a *allocation.Allocation) { a.Image = "other" },
		"element":  func(a *allocation.Allocation) { a.Element = "urn:other" },
		"job":      func(a *allocation.Allocation) { a.IsJob = yes() },
		"variable": func(a *allocation.Allocation) { a.EnvVars = a.EnvVars[:1] },
		"port":     func(a *allocation.Allocation) { a.Ports = a.Ports[:1] },
		"password": func(a *allocation.Allocation) { a.Password = "x" },
		"network":  func(a *allocation.Allocation) { a.Network = &allocation.Network{} },
	} {
		other := flat.Allocation
		change(&other)
		if flat.Equal(&other) || other.Equal(&flat.Allocation) {
			t.Errorf("another %s is taken for the same", name)
		}
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	r, err := allocation.Decode(body(t, "newer"), service)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Allocation
	a.IsPrivate, a.Username, a.Password = yes(), "robot", "pass-word"
	text := a.Record()
	for _, secret := range []string{"robot", "pass-word", string(a.Network.PrivateKey)} {
		if strings.Contains(text, secret) || strings.Contains(fmt.Sprintf("%v %+v %#v", a, a, a), "pass-word") {
			t.Errorf("%q is in the record, or is printed: %s", secret, text)
		}
	}
	back, err := allocation.ParseRecord(camera, text)
	if err != nil {
		t.Fatal(err)
	}
	if back.Equal(&a) {
		t.Error("the record alone has no secrets and still equals what was asked for")
	}
	back.ReadSecrets(map[string]any{"spec": map[string]any{
		"imageRegistry":  map[string]any{"username": "robot", "password": "pass-word"},
		"networkOverlay": map[string]any{"privateKey": string(a.Network.PrivateKey)},
	}})
	if diff := cmp.Diff(a, back); diff != "" {
		t.Errorf("with what the object holds (-want +got):\n%s", diff)
	}
	back.Username, back.Password = "", ""
	back.ReadSecrets(map[string]any{"data": map[string]any{".dockerconfigjson": "eyJhdXRocyI6eyJyIjp7InVzZXJuYW1lIjoicm9ib3QiLCJwYXNzd29yZCI6InBhc3Mtd29yZCJ9fX0="}})
	if diff := cmp.Diff(a, back); diff != "" {
		t.Errorf("with a pull secret (-want +got):\n%s", diff)
	}
}

// TestBody is what goes to another domain, which may be one of ours.
func TestBody(t *testing.T) {
	t.Parallel()
	r, err := allocation.Decode(body(t, "newer"), service)
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Body()
	if err != nil {
		t.Fatal(err)
	}
	back, err := allocation.Decode(text, service)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Allocation, back.Allocation); diff != "" {
		t.Errorf("sent and read (-want +got):\n%s", diff)
	}
	var sent, recorded map[string]any
	if err := errors.Join(json.Unmarshal(text, &sent), json.Unmarshal(body(t, "newer"), &recorded)); err != nil {
		t.Fatal(err)
	}
	component := recorded["service_component"].(map[string]any)
	delete(component, "repoUsername") // empty
	delete(component, "repoPassword")
	if diff := cmp.Diff(recorded, sent); diff != "" {
		t.Errorf("against the recorded one (-want +got):\n%s", diff)
	}
	shown, err := r.Shown(allocation.State{Phase: "Running"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), string(r.Network.PrivateKey)) {
		t.Errorf("the key is shown: %s", shown)
	}
}

// What an id is, is said by the document; ValidID is a faster way to the same answer.
func TestValidIDIsThePatternOfTheDocument(t *testing.T) {
	t.Parallel()
	s := allocation.OpenAPI().Components.Schemas["Id"].Value
	pattern, random := regexp.MustCompile(s.Pattern), rand.New(rand.NewPCG(1, 2))
	agree := func(id string) bool {
		t.Helper()
		want := uint64(len(id)) <= *s.MaxLength && pattern.MatchString(id)
		if got := allocation.ValidID(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
		return want
	}
	for c := range 256 {
		for _, form := range []string{"a%sb:x", "%sa:x", "a:x%sy", "a:%s", "%s"} {
			agree(fmt.Sprintf(form, string([]byte{byte(c)})))
		}
	}
	const letters = "ab0:+.-é<^\\\""
	valid := 0
	for range 20_000 {
		id := make([]byte, random.IntN(12))
		for i := range id {
			id[i] = letters[random.IntN(len(letters))]
		}
		if agree(string(id)) {
			valid++
		}
	}
	for _, n := range []int{510, 511, 512, 513} {
		agree("urn:" + strings.Repeat("x", n-4))
	}
	if valid < 100 {
		t.Errorf("only %d of them were ids", valid)
	}
}
