package agent

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// small is a world in mixed forms: simplified, normalized, and expanded names.
const small = `[
 {"id":"urn:ngsi-ld:Domain:A","type":"Domain","isEntrypoint":true},
 {"id":"urn:ngsi-ld:LowLevelOrchestrator:A:Kubernetes","type":"LowLevelOrchestrator","domain":"urn:ngsi-ld:Domain:A","orchestrationType":"urn:ngsi-ld:OrchestrationType:Kubernetes"},
 {"id":"urn:ngsi-ld:InfrastructureElement:A:1","type":"InfrastructureElement","hostname":{"type":"Property","value":"one"},"containerTechnology":"Kubernetes","domain":{"object":"urn:ngsi-ld:Domain:A"},"lowLevelOrchestrator":{"type":"Relationship","object":"urn:ngsi-ld:LowLevelOrchestrator:A:Kubernetes"}},
 {"id":"urn:ngsi-ld:NetworkPort:1","type":"NetworkPort","portNumber":"8080","portProtocol":"tcp/udp"},
 {"id":"urn:ngsi-ld:Service:s:Component:good","type":"ServiceComponent","service":"urn:ngsi-ld:Service:s","serviceComponentStatus":"Starting","infrastructureElement":"urn:ngsi-ld:InfrastructureElement:A:1","https://uri.etsi.org/ngsi-ld/default-context/containerImage":{"type":"Property","value":"x:1"},"networkPorts":"urn:ngsi-ld:NetworkPort:1","isJob":"false","isPrivate":true,"repoUsername":"u","repoPassword":"p"},
 {"id":"urn:ngsi-ld:Service:s:Component:bad","type":"ServiceComponent","service":"urn:ngsi-ld:Service:s","infrastructureElement":"urn:ngsi-ld:InfrastructureElement:A:1"},
 {"id":"urn:ngsi-ld:Service:s:Component:waits","type":"ServiceComponent","containerImage":"x"},
 {"id":"urn:ngsi-ld:Service:s:Component:goes","type":"ServiceComponent","serviceComponentStatus":"Removing","infrastructureElement":"urn:ngsi-ld:InfrastructureElement:A:1","containerImage":"x"},
 {"id":"urn:ngsi-ld:Service:s:Component:ended","type":"ServiceComponent","serviceComponentStatus":{"type":"Relationship","object":"urn:ngsi-ld:ServiceComponentStatus:Finished"},"infrastructureElement":"urn:ngsi-ld:InfrastructureElement:A:1","containerImage":"x"}
]`

func TestRender(t *testing.T) {
	t.Parallel()
	code, out, errs := program(t, small, "render", "-f", "-")
	if code != 1 {
		t.Errorf("exit %d, want 1: one cannot be rendered", code)
	}
	for _, want := range []string{"kind: ServiceComponentK8s", "image: x:1", "number: 8080", "protocol: UDP", "isJob: false", "hostname: one", "username: u", "password: p"} {
		if !strings.Contains(out, want) {
			t.Errorf("stdout lacks %q:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "---\n"); n != 1 {
		t.Errorf("%d documents, want 1:\n%s", n, out)
	}
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	for _, want := range []string{"Component:bad: NoImage: ", "Component:waits: note: ", "Component:goes: note: ", "Component:ended: note: ", "Component:good: warning: "} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
			t.Errorf("stderr lacks %q:\n%s", want, errs)
		}
	}
	if code, out, _ := program(t, small, "render", "-f", "-", "--id", "urn:ngsi-ld:Service:s:Component:good"); code != 0 || !strings.Contains(out, "aeros-service-s-component-good") {
		t.Errorf("--id: exit %d\n%s", code, out)
	}
	if code, _, errs := program(t, small, "render", "-f", "-", "--id", "urn:none"); code != 1 || !strings.Contains(errs, "urn:none") {
		t.Errorf("an unknown --id: exit %d, %s", code, errs)
	}
	if code, _, errs := program(t, "", "render", "-f", "/nowhere.json"); code != 1 || !strings.Contains(errs, "/nowhere.json") {
		t.Errorf("a missing file: exit %d, %s", code, errs)
	}
}

func TestRenderIsSortedWhateverTheOrder(t *testing.T) {
	t.Parallel()
	second := strings.ReplaceAll(small, ":good", ":also")
	_, one, _ := program(t, small[:len(small)-1]+","+second[1:], "render", "-f", "-")
	_, two, _ := program(t, second[:len(second)-1]+","+small[1:], "render", "-f", "-")
	if one != two || strings.Index(one, "component-also") > strings.Index(one, "component-good") {
		t.Errorf("not sorted by id, or dependent on the order:\n%s\n%s", one, two)
	}
}

func TestSubscriptionListMasksSecrets(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasSuffix(req.URL.Path, "components") {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"type":"https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound","title":"Subscription Not Found"}`))
			return
		}
		_, _ = w.Write([]byte(`{"id":"urn:ngsi-ld:Subscription:hlo-agent:A.default:components","type":"Subscription","status":"active","notification":{"endpoint":{"uri":"http://a/notify","receiverInfo":[{"key":"X-Hlo-Agent-Secret","value":"hush-hush"}]},"timesSent":3}}`))
	}))
	t.Cleanup(server.Close)
	cfg := Config{BrokerURL: server.URL, AgentID: "A.default"}
	client, err := newClient(&cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := loadMappings(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := listSubscriptions(t.Context(), client, subscriptions(&cfg, follow(set)), &out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "hush-hush") || !strings.Contains(text, "X-Hlo-Agent-Secret=[redacted]") || !strings.Contains(text, "missing") {
		t.Errorf("list:\n%s", text)
	}
}

// TestSubscriptionsAreNarrow: load figures of elements must not be asked for.
func TestSubscriptionsAreNarrow(t *testing.T) {
	t.Parallel()
	set, err := loadMappings(nil)
	if err != nil {
		t.Fatal(err)
	}
	subs := subscriptions(&Config{AgentID: "a"}, follow(set))
	if len(subs[0].WatchedAttributes) != 0 {
		t.Errorf("components watch %v: with watched attributes deletions are not told", subs[0].WatchedAttributes)
	}
	watched := subs[1].WatchedAttributes
	for _, want := range []string{"hostname", "domain", "lowLevelOrchestrator", "containerTechnology", "portNumber", "portProtocol", "orchestrationType", "domainHandler", "actionType"} {
		if !slices.Contains(watched, want) {
			t.Errorf("%s is not followed: %v", want, watched)
		}
	}
	for _, name := range watched {
		if strings.HasPrefix(name, "current") || strings.HasPrefix(name, "available") {
			t.Errorf("the figure %s is followed", name)
		}
	}
}

// TestRunFailsAtOnceWhenItCannotListen names the setting at fault.
func TestRunFailsAtOnceWhenItCannotListen(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg, err := load(t, map[string]string{"CB_URL": "orion", "NOTIFICATION_URL": "http://a/notify", "LISTEN_ADDR": taken.Addr().String(), "KUBECONFIG": "testdata/kubeconfig"})
	if err != nil {
		t.Fatal(err)
	}
	err = Run(t.Context(), cfg, newLogger(&cfg, &strings.Builder{}))
	if err == nil || !strings.Contains(err.Error(), "LISTEN_ADDR") {
		t.Errorf("got %v", err)
	}
}
