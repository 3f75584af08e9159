package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/agent/plans"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

func tenantsFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tenants.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const twoTenants = `
apiVersion: hlo-agent.github.io/v1alpha1
kind: Tenant
metadata: {name: mill}
spec:
  namespace: mill-ns
  settings: {DOMAIN_ID: Mill01, API_AUTH: oidc, OIDC_ISSUER: "https://keys", OIDC_AUDIENCE: mill}
---
apiVersion: hlo-agent.github.io/v1alpha1
kind: Tenant
metadata: {name: port}
spec: {namespace: port-ns, kubeconfig: port.kubeconfig}
`

// Nothing that says who may do what comes to a tenant from the process's own settings.
func TestTenantSettings(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CB_URL": "http://broker:1026", "NOTIFICATION_URL": "http://agent:8082/notify", "CB_TOKEN": "t", "RESYNC_INTERVAL": "7m",
		"NAMESPACE": "all", "KUBECONFIG": "/all", "AGENT_ID": "a1", "DOMAIN_ID": "X", "API_AUTH": "off", "API_CLIENTS": "c", "PLAN_TOKEN": "p", "OVERLAY_SECRET_FILE": "/o", "SHIM_URL": "http://shim",
		"CLUSTERS": "secrets", "BOOTSTRAP_SERVERS": "k:1", "KAFKA_PASSWORD_FILE": "/k", "HLO_OAUTH_TOKEN_URL": "http://t", "OIDC_ISSUER": "https://all", "HOMING_SYSTEMS": "/s", "NOTIFICATION_SECRET": "s3cret"}
	env["TENANTS_FILE"] = tenantsFile(t, twoTenants)
	all, err := readTenants(env["TENANTS_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return env[name] }
	got := map[string]map[string]string{}
	for _, tenant := range all {
		got[tenant.name] = map[string]string{}
		for name := range settingNames() {
			if value := tenant.env(getenv)(name); value != "" {
				got[tenant.name][name] = value
			}
		}
	}
	common := map[string]string{"CB_URL": "http://broker:1026", "CB_TOKEN": "t", "RESYNC_INTERVAL": "7m", "NOTIFICATION_SECRET": "s3cret"}
	want := map[string]map[string]string{
		"mill": {"NGSILD_TENANT": "mill", "NAMESPACE": "mill-ns", "KUBECONFIG": "/all", "AGENT_ID": "a1.mill", "NOTIFICATION_URL": "http://agent:8082/tenants/mill/notify",
			"DOMAIN_ID": "Mill01", "API_AUTH": "oidc", "OIDC_ISSUER": "https://keys", "OIDC_AUDIENCE": "mill"},
		"port": {"NGSILD_TENANT": "port", "NAMESPACE": "port-ns", "KUBECONFIG": filepath.Join(filepath.Dir(env["TENANTS_FILE"]), "port.kubeconfig"), "AGENT_ID": "a1.port",
			"NOTIFICATION_URL": "http://agent:8082/tenants/port/notify"},
	}
	for name, value := range common {
		want["mill"][name], want["port"][name] = value, value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the tenants are told (-want +got):\n%s", diff)
	}
	for _, name := range ofAllTenants {
		if !slices.Contains(slices.Collect(settingNames()), name) {
			t.Errorf("%s is no setting", name)
		}
	}
	if a, b := secretFor("mill", "s3cret"), secretFor("port", "s3cret"); a == b || strings.Contains(a+b, "s3cret") || len(a) != 64 {
		t.Errorf("the webhook secrets of two tenants are %s and %s", a, b)
	}
	_, one, err := oneTenant(func(name string) string { return map[string]string{"NGSILD_TENANT": "port"}[name] + env[name] })
	if err != nil || one("NAMESPACE") != "port-ns" || one("TENANTS_FILE") != "" {
		t.Errorf("a command for one tenant: %v", err)
	}
	if _, one, err = oneTenant(func(name string) string { return map[string]string{"NGSILD_TENANT": "PORT"}[name] + env[name] }); err != nil || one("NGSILD_TENANT") != "port" {
		t.Errorf("a command for a tenant in capitals: %v", err)
	}
	if _, _, err := oneTenant(getenv); err == nil || err.Error() != "NGSILD_TENANT: it, or --tenant, must name one of the tenants in TENANTS_FILE (mill, port), to say which is meant" {
		t.Errorf("a command for no tenant: %v", err)
	}
}

func TestWrongTenants(t *testing.T) {
	t.Parallel()
	one := func(name, spec string) string {
		return "apiVersion: hlo-agent.github.io/v1alpha1\nkind: Tenant\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
	}
	for text, want := range map[string]string{
		"":                             "it holds no tenant",
		"apiVersion: v1\nkind: Tenant": "want apiVersion hlo-agent.github.io/v1alpha1 and kind Tenant",
		one("mill.x", "namespace: a"):  `metadata.name "mill.x" is no tenant`,
		one("../x", "namespace: a"):    `metadata.name "../x" is no tenant`,
		one("a", "namespace: A"):       `tenant a: spec.namespace "A" is no namespace`,
		one("a", "namespaces: a"):      "field namespaces not found",
		one("a", "namespace: x, kubeconfig: k, serviceAccount: s"):                           "tenant a: spec.serviceAccount and spec.kubeconfig exclude each other",
		one("a", "namespace: x, serviceAccount: other/s"):                                    `tenant a: spec.serviceAccount "other/s" is no name in x`,
		one("a", "namespace: x, settings: {NAMESPACE: y}"):                                   "tenant a: spec.settings: NAMESPACE is no setting of a tenant",
		one("a", "namespace: x, settings: {LISTEN_ADDR: y}"):                                 "tenant a: spec.settings: LISTEN_ADDR is no setting of a tenant",
		one("a", "namespace: x, settings: {NO_SUCH: y}"):                                     "tenant a: spec.settings: NO_SUCH is no setting of a tenant",
		one("a", "namespace: x") + one("a", "namespace: y"):                                  "tenant a is there twice",
		one("Acme", "namespace: x") + one("b", "namespace: y") + one("acme", "namespace: z"): "tenants Acme and acme are one to the broker",
		one("a", "namespace: x") + one("b", "namespace: x"):                                  "tenants a and b have one namespace, x",
		one("a", "namespace: x, kubeconfig: k") + one("b", "namespace: y, kubeconfig: k"):    "tenants a and b have one kubeconfig",
	} {
		if _, err := readTenants(tenantsFile(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want %q", text, err, want)
		}
	}
}

// Rights are printed by tenant, and none that reach others.
func TestTenantRights(t *testing.T) {
	t.Parallel()
	file := tenantsFile(t, twoTenants)
	getenv := func(name string) string {
		return map[string]string{"TENANTS_FILE": file, "MAPPINGS": "aeros-k8s"}[name]
	}
	var out strings.Builder
	if err := printTenantRights(getenv, "hlo-agent", "hlo/agent", &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"namespace: mill-ns", "- servicecomponentk8s", "name: hlo-agent-tenant\n  namespace: mill-ns", "- impersonate", "resourceNames:\n  - hlo-agent-tenant", "name: agent\n  namespace: hlo"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "Cluster") || strings.Contains(out.String(), "port-ns") {
		t.Errorf("rights beyond the namespace are printed:\n%s", out.String())
	}
	wide := filepath.Join(t.TempDir(), "wide.yaml")
	for namespace, want := range map[string]string{"*": "in the whole cluster", "port-ns": "in port-ns, which is not its namespace"} {
		text := "apiVersion: hlo-agent.github.io/v1alpha1\nkind: Policy\nmetadata: {name: wide}\nspec:\n  allow:\n  - {group: apps, kinds: [StatefulSet], namespaces: [\"" + namespace + "\"]}\n"
		if err := os.WriteFile(wide, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := printTenantRights(func(name string) string { return map[string]string{"POLICY": wide}[name] + getenv(name) }, "hlo-agent", "hlo/agent", &out)
		if err == nil || !strings.Contains(err.Error(), "tenant mill: its mappings and policies ask for rights "+want) {
			t.Errorf("%s: %v", namespace, err)
		}
	}
}

// A broker sends the name of a tenant in small letters, however it was given to it.
func TestTenantHeader(t *testing.T) {
	t.Parallel()
	floor := newFloor([]tenant{{name: "Acme"}}, newMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	floor.rooms["Acme"].public = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	public := floor.public()
	for _, c := range []struct {
		named []string
		want  int
	}{
		{nil, http.StatusNoContent},
		{[]string{"acme"}, http.StatusNoContent},
		{[]string{"Acme"}, http.StatusNoContent},
		{[]string{"acme2"}, http.StatusUnauthorized},
		{[]string{"acme", "acme"}, http.StatusUnauthorized},
		{[]string{""}, http.StatusUnauthorized},
	} {
		req := httptest.NewRequest(http.MethodPost, "/tenants/Acme/notify", nil)
		req.Header["Ngsild-Tenant"] = c.named
		w := httptest.NewRecorder()
		public.ServeHTTP(w, req)
		if w.Code != c.want {
			t.Errorf("NGSILD-Tenant %q: %d, want %d", c.named, w.Code, c.want)
		}
	}
}

// TestCommandsOfATenant: whatever a command asks, it asks as the tenant's account of the
// API server, and as the tenant of the broker; without a name it asks nothing.
func TestCommandsOfATenant(t *testing.T) {
	t.Parallel()
	const component = "urn:ngsi-ld:Service:s:Component:c"
	for _, command := range []string{
		"status", "describe c", "why c", "reconcile c", "pause c", "resume c", "diff", "prune", "subscription list", "subscription delete", "homing solve -t TEMPLATE -i INVENTORY --systems SYSTEMS",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var mu sync.Mutex
			var asked, asOthers []string
			note := func(who, want string, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, who)
				if want != "system:serviceaccount:mill-ns:hlo-agent-tenant" && want != "mill" || strings.Contains(r.URL.Path, "port-ns") {
					asOthers = append(asOthers, r.Method+" "+r.URL.Path+" as "+want)
				}
			}
			broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				note("broker", r.Header.Get("NGSILD-Tenant"), r)
				w.Header().Set("NGSILD-Results-Count", "0")
				w.Header().Set("Content-Type", "application/json")
				switch {
				case r.Method != http.MethodGet:
					w.WriteHeader(http.StatusNoContent)
				case strings.Contains(r.URL.Path, "/subscriptions/"):
					w.WriteHeader(http.StatusNotFound)
					_, _ = io.WriteString(w, `{"type":"https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound","title":"subscription not found"}`)
				case strings.Contains(r.URL.RawQuery, "ServiceComponent"):
					w.Header().Set("NGSILD-Results-Count", "1")
					_, _ = io.WriteString(w, `[{"id":"`+component+`","type":"ServiceComponent"}]`)
				default:
					_, _ = io.WriteString(w, `[]`)
				}
			}))
			defer broker.Close()
			kube := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				note("cluster", r.Header.Get("Impersonate-User"), r)
				w.WriteHeader(http.StatusForbidden)
				mu.Lock()
				defer mu.Unlock()
				if command == "prune" || slices.Contains(asked, "broker") {
					cancel() // nothing more is learned by waiting; prune looks at the cluster first
				}
			}))
			defer kube.Close()
			dir := t.TempDir()
			write := func(name, text string) string {
				file := filepath.Join(dir, name)
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return file
			}
			env := map[string]string{"CB_URL": broker.URL, "TENANTS_FILE": tenantsFile(t, twoTenants),
				"KUBECONFIG": write("kubeconfig", `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "`+kube.URL+`"}}]}`)}
			words := strings.Fields(strings.NewReplacer(
				"TEMPLATE", write("template.yaml", "homing_template_version: '2017-10-10'\ndemands: {d: [{inventory_provider: aai, inventory_type: cloud}]}"), "INVENTORY", write("inventory.json", "[]"),
				"SYSTEMS", write("systems.yaml", "systems: [{name: a, kind: license, entities: {type: License, amounts: {a: b}}}]")).Replace(command))
			run := func(args ...string) (said string) {
				var out strings.Builder
				code := Main(ctx, "hlo-agent", args, func(name string) string { return env[name] }, strings.NewReader(""), &out, &out)
				return fmt.Sprint(out.String(), " exit ", code)
			}
			for _, more := range [][]string{nil, {"--tenant", "ports"}} {
				if said := run(append(slices.Clone(words), more...)...); !strings.Contains(said, "must name one of the tenants in TENANTS_FILE (mill, port)") || len(asked) > 0 {
					t.Errorf("%v: asked %v, and said %s", more, asked, said)
				}
			}
			said := run(append(words, "--tenant", "mill")...)
			mu.Lock()
			defer mu.Unlock()
			needsCluster := slices.Contains([]string{"status", "describe", "why", "diff", "prune"}, words[0])
			if needsCluster != slices.Contains(asked, "cluster") || words[0] != "homing" && words[0] != "prune" && !slices.Contains(asked, "broker") {
				t.Errorf("it asked %v, and said %s", asked, said)
			}
			if len(asOthers) > 0 {
				t.Errorf("it asked %v", asOthers)
			}
		})
	}
	// The namespace and the cluster are the tenant's.
	env := map[string]string{"CB_URL": "http://127.0.0.1:1", "TENANTS_FILE": tenantsFile(t, twoTenants)}
	for args, want := range map[string]string{
		"status --tenant mill -n port-ns":     "--namespace port-ns: the resources of tenant mill are in mill-ns, by TENANTS_FILE",
		"status --tenant port --kubeconfig x": "--kubeconfig: the cluster of tenant port is that of its kubeconfig in TENANTS_FILE",
	} {
		var out strings.Builder
		if code := Main(t.Context(), "hlo-agent", strings.Fields(args), func(name string) string { return env[name] }, strings.NewReader(""), &out, &out); code != 1 || !strings.Contains(out.String(), want) {
			t.Errorf("%s: exit %d, %s", args, code, out.String())
		}
	}
}

// TestStrangersOfTenants: who has no credentials that count for a tenant cannot find out
// whether there is one of a name, nor what its settings are.
func TestStrangersOfTenants(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	names := []string{"closed", "oidc", "mtls", "planning"}
	var all []tenant
	for _, name := range names {
		all = append(all, tenant{name: name})
	}
	floor := newFloor(all, newMetrics(prometheus.NewRegistry()), log)
	steps := map[string]*doorstep{}
	for _, name := range names {
		d := newDoorstep(t, func(c *Config) {
			c.APIAuth = map[string]string{"oidc": authOIDC, "mtls": authTLS}[name]
		})
		s := &service{room: floor.rooms[name], gate: d.gate, reconciler: &reconciler{metrics: d.metrics, log: log}}
		s.receiver = ngsild.NewReceiver(ngsild.ReceiverConfig{Secret: func() []string { return []string{secretFor(name, "of all")} },
			Sink: func(ngsild.Notification) {}, Unreadable: func(string) {}})
		if name == "planning" {
			s.cfg.PlanToken, s.plans = "of planning", plans.NewBook(plans.Config{Now: time.Now, Log: log})
		}
		s.room.public, steps[name] = s.routes(), d
	}
	public := floor.public()
	ask := func(method, path string, header http.Header) *http.Response {
		req := httptest.NewRequest(method, path, strings.NewReader("{}"))
		for name, values := range header {
			req.Header[name] = values
		}
		w := httptest.NewRecorder()
		public.ServeHTTP(w, req)
		return w.Result()
	}
	said := func(resp *http.Response) string {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(resp.StatusCode, " ", resp.Header, " ", string(body))
	}
	alike, refused := map[string]string{}, 0
	for _, path := range []string{
		"/notify", "/notify/", "/other", "/", "//", "/hlo_al", "/hlo_al/openapi.json", "/hlo_al/services/urn:s", "/hlo_al/services/urn:s/", "/hlo_al/services/urn:s/overlay",
		"/hlo_al/services/urn:s/service_components/urn:c", "/hlo_al/x", "/v1/plans", "/v1/plans/healthcheck", "/v1/plans/x", "/v1/openapi.json", "/v1/", "/../closed/notify",
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			for kind, header := range map[string]http.Header{
				"nothing":                   {},
				"a wrong secret":            {ngsild.SecretHeader: {"wrong"}},
				"another's secret":          {ngsild.SecretHeader: {secretFor("other", "of all")}},
				"another tenant":            {"Ngsild-Tenant": {"other"}},
				"the secret of the process": {ngsild.SecretHeader: {"of all"}},
				"a wrong token":             {"Authorization": {"Bearer x.y.z"}},
				"a token without the role":  {"Authorization": {"Bearer " + steps["oidc"].token("nobody", nil)}},
			} {
				for _, name := range append([]string{"unknown", "Closed"}, names...) {
					resp := ask(method, "/tenants/"+name+path, header)
					if resp.StatusCode == http.StatusUnauthorized {
						refused++
					}
					got := said(resp)
					if want := alike[method+path]; want == "" {
						alike[method+path] = got
					} else if got != want {
						t.Errorf("%s %s with %s, tenant %s:\ngot  %s\nwant %s, as all the others", method, path, kind, name, got, want)
					}
				}
			}
		}
	}
	if refused < 900 {
		t.Errorf("only %d requests were refused", refused)
	}
	// Those whose credentials count are let in, and who names another tenant with them is not.
	right := http.Header{ngsild.SecretHeader: {secretFor("closed", "of all")}, "Content-Type": {"application/json"}}
	if resp := ask(http.MethodPost, "/tenants/closed/notify", right); resp.StatusCode != http.StatusNoContent {
		t.Errorf("the right secret: %s", said(resp))
	}
	right["Ngsild-Tenant"] = []string{"oidc"}
	if got := said(ask(http.MethodPost, "/tenants/closed/notify", right)); got != alike["POST/notify"] {
		t.Errorf("the right secret for another tenant: %s", got)
	}
	if got := said(ask(http.MethodPost, "/tenants/oidc/notify", http.Header{ngsild.SecretHeader: right[ngsild.SecretHeader]})); got != alike["POST/notify"] {
		t.Errorf("one tenant's secret at another: %s", got)
	}
	if resp := ask(http.MethodPut, "/tenants/planning/v1/plans", http.Header{"Authorization": {"Bearer of planning"}}); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("the token of the plan API: %s", said(resp))
	}
}

// TestTenantsApart: settings by which two tenants would meet end the start.
func TestTenantsApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	kubeconfig := func(name, server, token string) string {
		return write(name, `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {token: "`+token+`"}}],
clusters: [{name: c, cluster: {server: "`+server+`"}}]}`)
	}
	own := kubeconfig("own", "https://main:6443", "of-the-agent")
	kubeconfig("main-a", "https://MAIN:6443/", "a")
	kubeconfig("edge-a", "https://edge", "a")
	kubeconfig("edge-b", "https://edge:443", "b")
	kubeconfig("edge-a-too", "https://edge:443", "a")
	kubeconfig("own-copy", "https://main:6443", "of-the-agent")
	bound := func(name string) string {
		return write("clusters-"+name+".yaml", "apiVersion: hlo-agent.github.io/v1alpha1\nkind: Cluster\nmetadata: {name: edge}\nspec: {orchestrators: [K3s], kubeconfig: "+name+"}\n")
	}
	policy := func(name, namespaces, clusters string) string {
		if clusters != "" {
			clusters = ", clusters: [" + clusters + "]"
		}
		return write(name, "apiVersion: hlo-agent.github.io/v1alpha1\nkind: Policy\nmetadata: {name: wide}\nspec:\n  allow:\n  - {kinds: [ConfigMap], namespaces: ["+namespaces+"]"+clusters+"}\n")
	}
	start := func(t *testing.T, a, b string) error {
		text := ""
		for name, spec := range map[string]string{"a": a, "b": b} {
			text += "---\napiVersion: hlo-agent.github.io/v1alpha1\nkind: Tenant\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n"
		}
		env := map[string]string{"CB_URL": "http://127.0.0.1:1", "NOTIFICATION_URL": "http://agent/notify", "KUBECONFIG": own,
			"TENANTS_FILE": filepath.Join(dir, strings.NewReplacer("/", "-").Replace(t.Name())+".yaml")}
		write(filepath.Base(env["TENANTS_FILE"]), text)
		getenv := func(name string) string { return env[name] }
		cfg, err := LoadConfig(t.Context(), getenv)
		if err != nil {
			t.Fatal(err)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		return Outside{Face: func(string) (Face, error) { return face{func(http.Handler) {}}, nil }}.RunTenants(stopped, cfg, getenv, slog.New(slog.DiscardHandler))
	}
	for name, c := range map[string]struct{ a, b, want string }{
		"apart":                           {"namespace: x", "namespace: y", ""},
		"clusters of their own":           {"namespace: x", "namespace: x, kubeconfig: edge-a", ""},
		"other accounts in one cluster":   {"namespace: x, kubeconfig: edge-a", "namespace: y, kubeconfig: edge-b", ""},
		"one namespace by another way":    {"namespace: x", "namespace: x, kubeconfig: main-a", "have one namespace, x, in one cluster, https://main:6443"},
		"one namespace by two ways":       {"namespace: x, kubeconfig: edge-a", "namespace: x, kubeconfig: edge-b", "have one namespace, x, in one cluster, https://edge:443"},
		"one namespace by CLUSTERS":       {"namespace: x, kubeconfig: edge-a", "namespace: x, settings: {CLUSTERS: " + bound("edge-b") + "}", "have one namespace, x, in one cluster, https://edge:443"},
		"one account":                     {"namespace: x, kubeconfig: edge-a", "namespace: y, kubeconfig: edge-a-too", "are one account in one cluster, https://edge:443"},
		"the agent's account":             {"namespace: x", "namespace: y, kubeconfig: own-copy", "tenant b: its kubeconfig is of the agent's own account, which may act as other tenants"},
		"the other's namespace by policy": {"namespace: x, settings: {POLICY: " + policy("y.yaml", "y", "") + "}", "namespace: y", "tenant a: its mappings and policies let it write ConfigMap into y, the namespace of tenant b"},
		"any namespace by policy":         {"namespace: x", "namespace: y, settings: {POLICY: " + policy("any.yaml", `"*"`, "") + "}", "tenant b: its mappings and policies let it write ConfigMap into x, the namespace of tenant a"},
		"the other's, in another cluster": {"namespace: x, settings: {POLICY: " + policy("y-edge.yaml", "y", "edge") + ", CLUSTERS: " + bound("edge-a") + "}", "namespace: y", ""},
		"the other's, in that cluster": {"namespace: x, settings: {POLICY: " + policy("y-edge2.yaml", "y", "edge") + ", CLUSTERS: " + bound("edge-a") + "}", "namespace: y, kubeconfig: edge-b",
			"tenant a: its mappings and policies let it write ConfigMap into y, the namespace of tenant b"},
		"a shipped mapping that goes anywhere": {"namespace: x, settings: {MAPPINGS: ocm-manifestwork}", "namespace: y", "let it write ManifestWork into y"},
		"one topic":                            {"namespace: x, settings: {BOOTSTRAP_SERVERS: 'k:1,l:1'}", "namespace: y, settings: {BOOTSTRAP_SERVERS: 'l:1', GROUP_ID: g}", "read one topic, allocator2deployment"},
		"two topics":                           {"namespace: x, settings: {BOOTSTRAP_SERVERS: '127.0.0.1:1'}", "namespace: y, settings: {BOOTSTRAP_SERVERS: '127.0.0.1:1', CONSUMER_TOPIC: t, GROUP_ID: g}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := start(t, c.a, c.b)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestTenantStaysWithin: nor do rules that change later let a tenant write where another is.
func TestTenantStaysWithin(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	allow := func(namespace string) {
		text := "apiVersion: hlo-agent.github.io/v1alpha1\nkind: Policy\nmetadata: {name: wide}\nspec:\n  allow:\n  - {kinds: [ConfigMap], namespaces: [" + namespace + "]}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allow("x")
	all := []tenant{{name: "a", namespace: "x", account: "s"}, {name: "b", namespace: "y", account: "s"}}
	configs := []Config{{Namespace: "x", Policies: []string{file}}, {Namespace: "y"}}
	places, err := keepApart(all, configs, "", func(string) (*rest.Config, error) { return &rest.Config{Host: "https://main"}, nil })
	if err != nil {
		t.Fatal(err)
	}
	s := &service{reconciler: &reconciler{cfg: configs[0]}, room: &room{within: func(now *rules) error { return places[0].within(now, places) }}}
	texts, err := readRules(&configs[0])
	if err != nil {
		t.Fatal(err)
	}
	l := s.rulesReload(texts)
	allow("y")
	for range 2 {
		_, err = l.again(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "let it write ConfigMap into y, the namespace of tenant b") {
		t.Errorf("a policy that lets a tenant into the namespace of another is taken: %v", err)
	}
}
