package faults_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// tenantRig is an agent for two tenants, mill and port, with the rights that hlo-agent
// rbac prints for it and no others.
type tenantRig struct {
	*rig                    // of the process; its namespace is the agent's
	mill, port *tenantOfRig // what they see
	config     *rest.Config // the agent's own account
}

type tenantOfRig struct {
	*brokerProcess
	*objects
	id string // AGENT_ID
}

func (tenant *tenantOfRig) subscriptionID() string {
	return "urn:ngsi-ld:Subscription:hlo-agent:" + tenant.id + ":components"
}

// secret is what the tenant can read in its own subscription.
func (tenant *tenantOfRig) secret(t *testing.T) string {
	t.Helper()
	list, _ := at(tenant.subscription(tenant.subscriptionID()), "notification", "endpoint", "receiverInfo").([]any)
	if len(list) == 0 {
		t.Fatal("the subscription has no receiverInfo")
	}
	return list[0].(object)["value"].(string)
}

// escaping is a mapping that lets an entity say where its objects go, and lax a policy
// that allows all that an agent starts with: no namespace of another tenant. RBAC is
// needed against it.
const escaping = `
apiVersion: hlo-agent.github.io/v1alpha1
kind: Mapping
metadata: {name: escaping}
spec:
  priority: 100
  attributes: {component: [escapeTo]}
  when: [has(component.escapeTo)]
  objects:
  - id: map
    object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${dnsLabel(component.id, 63)}", namespace: "${text(component.escapeTo)}"}}
`

const lax = `
apiVersion: hlo-agent.github.io/v1alpha1
kind: Policy
metadata: {name: lax}
spec:
  allow:
  - {kinds: [ConfigMap], namespaces: [default, kube-system, OWN]}
`

func newTenantRig(t *testing.T, env map[string]string) *tenantRig {
	t.Helper()
	server := cluster.Server(t)
	own := kubetest.Namespace(t, server)
	broker := startBroker(t, "--multiservice")
	r := &tenantRig{rig: newRigAt(t, server, own, broker, "Alpha", map[string]string{"NOTIFICATION_SECRET": "of-all-tenants-0123456789", "LOG_LEVEL": "debug"})}
	maps.Copy(r.env, env)
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	of := func(name string) *tenantOfRig {
		tenant := &tenantOfRig{brokerProcess: &brokerProcess{t: t, address: broker.address, tenant: name},
			objects: newObjects(t, server.REST(), kubetest.Namespace(t, server)), id: r.id + "." + name}
		tenant.create(world()...)
		return tenant
	}
	r.mill, r.port = of("mill"), of("port")
	text := ""
	for _, tenant := range []*tenantOfRig{r.mill, r.port} {
		text += fmt.Sprintf("---\napiVersion: hlo-agent.github.io/v1alpha1\nkind: Tenant\nmetadata: {name: %s}\nspec: {namespace: %s, settings: {DOMAIN_ID: Alpha}}\n", tenant.tenant, tenant.namespace)
	}
	r.env["TENANTS_FILE"] = write("tenants.yaml", text)
	delete(r.env, "DOMAIN_ID")
	delete(r.env, "NAMESPACE")

	printed, err := r.command("rbac", "--service-account", own+"/robot")
	must(t, err)
	for document := range strings.SplitSeq(strings.TrimPrefix(printed, "---\n"), "---\n") {
		u := &unstructured.Unstructured{}
		must(t, yaml.Unmarshal([]byte(document), &u.Object))
		kind := roles
		if u.GetKind() == "RoleBinding" {
			kind = roleBindings
		}
		_, err := r.client.Resource(kind).Namespace(u.GetNamespace()).Create(t.Context(), u, metav1.CreateOptions{})
		must(t, err)
	}
	r.config, err = server.User("system:serviceaccount:"+own+":robot", "system:serviceaccounts", "system:authenticated")
	must(t, err)
	transport, err := rest.TransportFor(r.config)
	must(t, err)
	r.toKube = r.proxy(r.config.Host, transport)
	must(t, clientcmd.WriteToFile(*plainKubeconfig(r.toKube.URL()), r.kubeconfig))
	// The agent is careless as well; the rights above are not made for this.
	r.env["MAPPINGS"] = "aeros-k8s,aeros-docker," + write("escaping.yaml", escaping)
	r.env["POLICY"] = write("lax.yaml", strings.ReplaceAll(lax, "OWN", own))
	r.launch()
	r.listed(r.rig)
	r.mill.orchestrate()
	r.port.orchestrate()
	return r
}

// listed waits until a copy of the agent has compared everything once for both.
func (r *tenantRig) listed(copied *rig) {
	r.t.Helper()
	for _, tenant := range []*tenantOfRig{r.mill, r.port} {
		eventually(r.t, tenant.tenant+" is listed", func() error {
			if n, err := copied.metric("resyncs_total", `result="ok"`, `tenant="`+tenant.tenant+`"`); err != nil || n < 1 {
				return fmt.Errorf("resyncs: %v %v", n, err)
			}
			return nil
		})
	}
}

// post sends a notification to a path of the public face.
func (r *tenantRig) post(path, secret, tenant string, body []byte) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.listen+path, bytes.NewReader(body))
	must(r.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Hlo-Agent-Secret", secret)
	if tenant != "" {
		req.Header.Set("NGSILD-Tenant", tenant)
	}
	resp, err := http.DefaultClient.Do(req)
	must(r.t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	must(r.t, err)
	return resp.StatusCode
}

// TestTenantsHaveNoWayAcross: two tenants with entities of the same ids in one agent.
// Whatever one of them says, orders or forges, nothing happens to the other.
func TestTenantsHaveNoWayAcross(t *testing.T) {
	t.Parallel()
	r := newTenantRig(t, nil)
	web := componentID("web")
	r.mill.create(component("web", nil))
	r.port.create(component("web", object{"containerImage": prop(image(77))}))
	for tenant, version := range map[*tenantOfRig]int{r.mill: 1, r.port: 77} {
		tenant.says(web, "Running", "")
		tenant.await(onK8s, "web", "has its own image", hasImage(version))
		if at(tenant.entity(web), "deploymentStatus", "value", "namespace") != tenant.namespace {
			t.Errorf("%s: the status is %v", tenant.tenant, tenant.entity(web)["deploymentStatus"])
		}
	}

	// What mill does comes to mill alone, in whatever words.
	accepted := func(tenant string) float64 {
		return r.count("notifications_total", `tenant="`+tenant+`"`)
	}
	r.rest(time.Second)
	before, version := accepted("port"), r.port.find(onK8s, "web").GetResourceVersion()
	r.mill.patch(web, object{"containerImage": prop(image(2))})
	r.mill.await(onK8s, "web", "changed", hasImage(2))
	name := "escape-to-port"
	r.mill.create(component(name, object{"escapeTo": prop(r.port.namespace)}))
	eventually(t, name+" is refused", func() error {
		if got := r.mill.report(componentID(name)); got.Phase != "Refused" {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	for n, to := range []string{r.namespace, "default", "kube-system"} {
		name = fmt.Sprint("escape", n)
		r.mill.create(component(name, object{"escapeTo": prop(to), "namespace": prop(to), "targetNamespace": prop(to)}))
		eventually(t, name+" was tried and not made", func() error {
			forbidden := r.toKube.Seen(func(e faults.Exchange) bool {
				return e.Status == http.StatusForbidden && strings.Contains(e.Path, "/configmaps") && e.Header.Get("Impersonate-User") != ""
			})
			if got := r.mill.report(componentID(name)); len(forbidden) < 2*(n+1) || got.Phase == "Running" {
				return fmt.Errorf("%d attempts, %+v", len(forbidden), got)
			}
			return nil
		})
		if list, err := r.client.Resource(configMaps).Namespace(to).List(t.Context(), metav1.ListOptions{LabelSelector: ownerLabel}); err != nil || len(list.Items) != 0 {
			t.Errorf("ConfigMaps of the agent in %s: %v, %v", to, list, err)
		}
	}
	body := []byte(strings.ReplaceAll(string(r.notification(now(0), component("web", object{"containerImage": prop(image(666))}))), r.subscriptionID("components"), r.port.subscriptionID()))
	secret := r.mill.secret(t)
	if secret == r.port.secret(t) {
		t.Error("both tenants have one secret")
	}
	for _, c := range []struct {
		path, secret, tenant string
		want                 int
	}{
		{"/tenants/port/notify", secret, "", http.StatusUnauthorized},
		{"/tenants/port/notify", secret, "port", http.StatusUnauthorized},
		{"/tenants/port/notify", r.port.secret(t), "mill", http.StatusUnauthorized}, // as the broker would send mill's
		{"/tenants/mill/../port/notify", secret, "", http.StatusNotFound},
		{"/tenants/mill%2f..%2fport/notify", secret, "", http.StatusNotFound},
		{"/notify", secret, "mill", http.StatusNotFound},
		{"/tenants/none/notify", secret, "", http.StatusUnauthorized},
		{"/tenants/mill/notify", secret, "mill", http.StatusNoContent}, // of port's subscription, which mill's loop does not know
	} {
		if got := r.post(c.path, c.secret, c.tenant, body); got != c.want {
			t.Errorf("%s for %q: %d, want %d", c.path, c.tenant, got, c.want)
		}
	}
	eventually(t, "a foreign subscription is counted", func() error {
		if n, err := r.metric("notifications_total", `result="unknown_subscription"`, `tenant="mill"`); n != 1 || err != nil {
			return fmt.Errorf("%v %v", n, err)
		}
		return nil
	})
	if got := r.port.find(onK8s, "web"); got.GetResourceVersion() != version {
		t.Errorf("port's resource changed: %v", got.Object["spec"])
	}
	if n, refused := accepted("port")-before, r.count("notifications_total", `tenant="port"`, `result="unauthorized"`); n != refused || refused != 2 {
		t.Errorf("port got %v notifications of which %v were refused, want 2 and 2", n, refused)
	}

	// What others ask of a tenant whose table says nothing of it.
	if resp, err := http.Get("http://" + r.listen + "/tenants/port/hlo_al/services/x/service_components/y"); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("HLO_AL of port: %v %v", resp, err)
	}

	// What people type is for one tenant, with its rights. What the careless policy
	// allows cannot be listed with them.
	typed := *r.rig
	typed.env = maps.Clone(r.env)
	typed.env["MAPPINGS"] = "aeros-k8s,aeros-docker"
	delete(typed.env, "POLICY")
	for _, tenant := range []*tenantOfRig{r.mill, r.port} {
		for _, command := range []string{"status", "prune", "subscription list"} {
			out, err := typed.command(append(strings.Fields(command), "--tenant", tenant.tenant)...)
			if command == "subscription list" && !strings.Contains(out, tenant.subscriptionID()) || command == "prune" && (err != nil || !strings.Contains(out, "nothing to prune")) ||
				command == "status" && !strings.Contains(out, "web") {
				t.Errorf("%s of %s: %v\n%s", command, tenant.tenant, err, out)
			}
		}
	}

	// Ordered away and deleted in one, kept in the other.
	r.mill.patch(web, object{"serviceComponentStatus": word("Removing")})
	r.mill.gone(onK8s, "web")
	r.mill.remove(web)
	r.rest(time.Second)
	r.port.says(web, "Running", "")
	if got := r.port.find(onK8s, "web"); got == nil || got.GetResourceVersion() != version {
		t.Errorf("port's resource: %v", got)
	}

	// Each request was made as the tenant whose namespace it is for.
	requests := 0
	for _, e := range r.toKube.Seen(nil) {
		as := e.Header.Get("Impersonate-User")
		for _, tenant := range []*tenantOfRig{r.mill, r.port} {
			if strings.Contains(e.Path, "/namespaces/"+tenant.namespace+"/") && !strings.Contains(e.Path, "/configmaps") {
				requests++
				if as != "system:serviceaccount:"+tenant.namespace+":hlo-agent-tenant" {
					t.Errorf("%s %s was asked as %q", e.Method, e.Path, as)
				}
			}
		}
		if as == "" && strings.Contains(e.Path, "/namespaces/") {
			t.Errorf("%s %s was asked as the agent itself", e.Method, e.Path)
		}
	}
	if requests == 0 {
		t.Error("no request was seen")
	}
}

// TestTenantsWithTwoCopies: with an election by tenant the copy that does not lead hands
// each notification on to the same tenant of the one that does, and takes over for both.
func TestTenantsWithTwoCopies(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	r := newTenantRig(t, map[string]string{"LEADER_ELECTION": "true", "NOTIFICATION_URL": "http://" + listen + "/notify"})
	second := *r.rig
	second.listen, second.ops, second.env = listen, freeAddress(t), maps.Clone(r.env)
	second.env["LISTEN_ADDR"], second.env["OPS_ADDR"] = second.listen, second.ops
	second.launch()
	for _, tenant := range []string{"mill", "port"} {
		eventually(t, "the second copy follows for "+tenant, func() error {
			if status, err := postEmpty(t, "http://"+listen+"/tenants/"+tenant+"/notify"); err != nil || status != http.StatusUnauthorized {
				return fmt.Errorf("it answers %d, %v", status, err)
			}
			return nil
		})
	}
	web := componentID("web")
	r.mill.create(component("web", nil))
	r.port.create(component("web", object{"containerImage": prop(image(77))}))
	r.mill.says(web, "Running", "")
	r.port.says(web, "Running", "")
	for _, tenant := range []string{"mill", "port"} {
		if n := second.count("notifications_total", `result="handed_on"`, `tenant="`+tenant+`"`); n < 1 {
			t.Errorf("%v notifications of %s were handed on", n, tenant)
		}
	}
	r.agent.kill()
	r.listed(&second)
	r.mill.patch(web, object{"containerImage": prop(image(2))})
	r.mill.await(onK8s, "web", "changed by the second", hasImage(2))
	r.port.await(onK8s, "web", "as it was", hasImage(77))
}

// postEmpty posts nothing, without credentials.
func postEmpty(t *testing.T, url string) (int, error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// TestTenantRights tries on the API server what a loop that somebody took over would.
func TestTenantRights(t *testing.T) {
	t.Parallel()
	r := newTenantRig(t, nil)
	as := func(user string) dynamic.Interface {
		config := rest.CopyConfig(r.config)
		config.Impersonate.UserName = user
		client, err := dynamic.NewForConfig(config)
		must(t, err)
		return client
	}
	account := func(tenant *tenantOfRig) string {
		return "system:serviceaccount:" + tenant.namespace + ":hlo-agent-tenant"
	}
	if _, err := as(account(r.mill)).Resource(onK8s).Namespace(r.mill.namespace).List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatalf("in its own namespace: %v", err)
	}
	for who, user := range map[string]string{
		"mill": account(r.mill), "the agent itself": "", "another account of port": "system:serviceaccount:" + r.port.namespace + ":default",
		"an administrator": "system:admin", "another tenant's namesake": "system:serviceaccount:default:hlo-agent-tenant",
	} {
		client := as(user).Resource(onK8s).Namespace(r.port.namespace)
		o := &unstructured.Unstructured{Object: object{"apiVersion": group.String(), "kind": "ServiceComponentK8s", "metadata": object{"name": "taken-over"}, "spec": object{"image": "x"}}}
		_, errCreate := client.Create(t.Context(), o, metav1.CreateOptions{})
		_, errList := client.List(t.Context(), metav1.ListOptions{})
		errDelete := client.Delete(t.Context(), "x", metav1.DeleteOptions{})
		_, errSecrets := as(user).Resource(secrets).Namespace(r.port.namespace).List(t.Context(), metav1.ListOptions{})
		for what, err := range map[string]error{"create": errCreate, "list": errList, "delete": errDelete, "read the secrets": errSecrets} {
			if !apierrors.IsForbidden(err) {
				t.Errorf("%s, %s in port's namespace: %v, want it to be forbidden", who, what, err)
			}
		}
	}
}
