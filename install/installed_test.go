package install_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/sandbox/broker"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/orchestrator"
	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

const agentName = release + "-hlo-agent"

// site is a cluster and a broker, before anything is installed.
type site struct {
	t          *testing.T
	server     *kube.Server
	kubeconfig string
	kube       kubernetes.Interface
	objects    dynamic.Interface
	broker     string
	listen     string
}

func newSite(t *testing.T) *site {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	server, err := kube.Start(t.Context(), kube.Options{Log: log, WithoutCRDs: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, server: server, kubeconfig: filepath.Join(t.TempDir(), "admin"), listen: freeAddress(t)}
	s.must(err)
	text, err := server.Kubeconfig()
	s.must(err)
	s.must(os.WriteFile(s.kubeconfig, text, 0o600))
	s.kube, err = kubernetes.NewForConfig(server.REST())
	s.must(err)
	s.objects, err = dynamic.NewForConfig(server.REST())
	s.must(err)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.broker = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	b := broker.New(broker.Options{Log: log})
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.Close()
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// helm runs Helm as the cluster's administrator.
func (s *site) helm(stdin string, args ...string) string {
	s.t.Helper()
	out, err := helm(s.t, stdin, append(args, "--kubeconfig", s.kubeconfig, "--namespace", namespace)...)
	s.must(err)
	return out
}

// orchestrate plays the aerOS operators until the test ends.
func (s *site) orchestrate() {
	s.t.Helper()
	o, err := orchestrator.New(orchestrator.Config{REST: s.server.REST(), Log: slog.New(slog.DiscardHandler), Pace: 200 * time.Millisecond})
	s.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
}

// call sends a request to the broker and gives the answer.
func (s *site) call(method, path string, body []byte) []byte {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.broker+"/ngsi-ld/v1/"+path, bytes.NewReader(body))
	s.must(err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	s.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	s.must(err)
	if resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text
}

// attribute is the value or the target of an entity's attribute, without what stands before the last colon.
func (s *site) attribute(id, name string) string {
	s.t.Helper()
	var entity map[string]struct{ Value, Object any }
	var raw map[string]json.RawMessage
	s.must(json.Unmarshal(s.call("GET", "entities/"+id, nil), &raw))
	delete(raw, "id")
	delete(raw, "type")
	delete(raw, "@context")
	text, err := json.Marshal(raw)
	s.must(err)
	s.must(json.Unmarshal(text, &entity))
	value := entity[name].Value
	if value == nil {
		value = entity[name].Object
	}
	if value == nil {
		return ""
	}
	return lastPart(fmt.Sprint(value))
}

func lastPart(text string) string { return text[strings.LastIndexByte(text, ':')+1:] }

func (s *site) patch(id, attribute, text string) {
	s.t.Helper()
	s.call("PATCH", "entities/"+id, []byte(`{"`+attribute+`": `+text+`}`))
}

// state waits until a component's reported status is that.
func (s *site) state(id, want string) {
	s.t.Helper()
	eventually(s.t, id, func() error { return differ("its status", s.attribute(id, "serviceComponentStatus"), want) })
}

func (s *site) list(group, version, resource string) []unstructured.Unstructured {
	s.t.Helper()
	found, err := s.objects.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: resource}).Namespace("workloads").
		List(s.t.Context(), metav1.ListOptions{LabelSelector: "hlo-agent.github.io/owner"})
	s.must(err)
	return found.Items
}

// TestInstalled installs the chart into an empty cluster, runs the agent with the rights that this gives it, has it do
// all that it does, and takes it away again.
func TestInstalled(t *testing.T) {
	t.Parallel()
	built(t)
	s := newSite(t)
	untouched := s.someDefinition()
	for _, name := range []string{namespace, "workloads", "argocd"} {
		_, err := s.kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		s.must(err)
	}
	_, err := s.kube.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "webhook"}, StringData: map[string]string{"secret": "a-secret-of-the-operator"},
	}, metav1.CreateOptions{})
	s.must(err)
	values := readValues(t, "testdata/installed/values.yaml")
	maps.Copy(values["settings"].(map[string]any), map[string]any{"CB_URL": s.broker, "NOTIFICATION_URL": "http://" + s.listen + "/notify"})
	text, err := yaml.Marshal(values)
	s.must(err)
	s.helm(string(text), "install", release, chart, "--values", "-")
	untouched()
	agent := startPod(t, s.server.REST(), agentName, freeAddress(t))
	agent.says("hlo_agent_leader 1")
	other := startPod(t, s.server.REST(), agentName, s.listen) // where notifications go
	other.says("hlo_agent_leader 0")
	prometheus := startPrometheus(t, agent.ops)
	s.orchestrate()

	entities, err := os.ReadFile("testdata/installed/entities.json")
	s.must(err)
	for _, batch := range [][]byte{world.Entities(), entities} {
		s.call("POST", "entityOperations/create", batch)
	}
	step := func(name string, run func(t *testing.T)) {
		if !t.Failed() { // what follows would only say the same again
			t.Run(name, func(t *testing.T) { s.t = t; run(t) })
			s.t = t
		}
	}
	step("runs what is ordered", func(t *testing.T) {
		for id, status := range world.Expected() {
			s.state(id, status)
		}
		s.state("urn:ngsi-ld:Service:crane:Component:note", "Running")
		eventually(t, "a plain Deployment", func() error { return differ("their number", len(s.list("apps", "v1", "deployments")), 1) })
		s.deploymentRuns()
		s.state("urn:ngsi-ld:Service:crane:Component:web", "Running")
		for resource, want := range map[string]int{"services": 1, "secrets": 1, "configmaps": 1} {
			if got := len(s.list("", "v1", resource)); got != want {
				t.Errorf("%d %s, want %d", got, resource, want)
			}
		}
	})
	step("changes, restores and deletes", func(t *testing.T) {
		s.changesAndDeletes()
	})
	step("with no right too few, and none too many", func(t *testing.T) {
		agent.wasAllowedAll()
		s.rights()
	})
	if *pictures != "" {
		s.busy(time.Minute) // so that there is something to see
	}
	step("what the dashboard asks for is there", func(t *testing.T) {
		prometheus.showsTheDashboard(t)
	})
	step("the other copy goes on", func(t *testing.T) {
		agent.stop(syscall.SIGTERM)
		other.says("hlo_agent_leader 1")
		s.orderedAway("urn:ngsi-ld:Service:crane:Component:note")
		other.wasAllowedAll()
	})
	step("an uninstall leaves the workloads", func(t *testing.T) {
		before := len(s.list("llo.aeros-project.eu", "v1alpha1", "servicecomponentk8s"))
		other.stop(syscall.SIGTERM)
		s.helm("", "uninstall", release)
		if after := len(s.list("llo.aeros-project.eu", "v1alpha1", "servicecomponentk8s")); after != before || after == 0 {
			t.Errorf("%d resources after the uninstall, %d before", after, before)
		}
		roles, err := s.kube.RbacV1().Roles("").List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=hlo-agent"})
		s.must(err)
		if len(roles.Items) > 0 {
			t.Errorf("%d roles are left", len(roles.Items))
		}
	})
}

// someDefinition installs one of the custom resource definitions with a mark, as an orchestrator's own chart would
// have, and gives a check that it is as it was.
func (s *site) someDefinition() func() {
	s.t.Helper()
	all, err := kube.CRDs()
	s.must(err)
	definitions := s.objects.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	crd := all[0]
	crd.SetAnnotations(map[string]string{"example.org/of": "the operator"})
	made, err := definitions.Create(s.t.Context(), crd, metav1.CreateOptions{})
	s.must(err)
	return func() {
		s.t.Helper()
		now, err := definitions.Get(s.t.Context(), crd.GetName(), metav1.GetOptions{})
		s.must(err)
		if now.GetUID() != made.GetUID() || now.GetGeneration() != made.GetGeneration() || now.GetAnnotations()["example.org/of"] == "" {
			s.t.Errorf("the chart changed %s, which was there before", crd.GetName())
		}
		list, err := definitions.List(s.t.Context(), metav1.ListOptions{})
		s.must(err)
		if len(list.Items) != len(all) {
			s.t.Errorf("%d definitions after the install, want %d", len(list.Items), len(all))
		}
	}
}

// deploymentRuns says for the Deployment what a controller would.
func (s *site) deploymentRuns() {
	s.t.Helper()
	of := s.kube.AppsV1().Deployments("workloads")
	name := s.list("apps", "v1", "deployments")[0].GetName()
	d, err := of.Get(s.t.Context(), name, metav1.GetOptions{})
	s.must(err)
	d.Status.ObservedGeneration, d.Status.Replicas, d.Status.ReadyReplicas, d.Status.AvailableReplicas, d.Status.UpdatedReplicas = d.Generation, 1, 1, 1, 1
	d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable"}}
	_, err = of.UpdateStatus(s.t.Context(), d, metav1.UpdateOptions{})
	s.must(err)
}

func (s *site) changesAndDeletes() {
	s.t.Helper()
	id := world.Poke()
	object := func() *unstructured.Unstructured {
		for _, o := range s.list("llo.aeros-project.eu", "v1alpha1", "servicecomponentk8s") {
			if o.GetAnnotations()["hlo-agent.github.io/entity"] == id {
				return &o
			}
		}
		return nil
	}
	image := func() string {
		text, _, _ := unstructured.NestedString(object().Object, "spec", "image")
		return text
	}
	s.patch(id, "containerImage", `{"type": "Property", "value": "registry.example.org/changed:2"}`)
	eventually(s.t, "a change", func() error { return differ("the image", image(), "registry.example.org/changed:2") })

	eventually(s.t, "an edit", func() error { // its orchestrator may be faster
		o := object()
		s.must(unstructured.SetNestedField(o.Object, "edited/by:hand", "spec", "image"))
		_, err := s.objects.Resource(schema.GroupVersionResource{Group: "llo.aeros-project.eu", Version: "v1alpha1", Resource: "servicecomponentk8s"}).
			Namespace("workloads").Update(s.t.Context(), o, metav1.UpdateOptions{FieldManager: "somebody"})
		return err
	})
	eventually(s.t, "an edit is put back", func() error { return differ("the image", image(), "registry.example.org/changed:2") })

	s.orderedAway(id)
	if object() != nil {
		s.t.Errorf("the resource of %s is there, and it is Finished", id)
	}
	s.call("DELETE", "entities/urn:ngsi-ld:Service:crane:Component:web", nil)
	eventually(s.t, "a deleted entity's objects go", func() error {
		return differ("what is left", len(s.list("apps", "v1", "deployments"))+len(s.list("", "v1", "services"))+len(s.list("", "v1", "secrets")), 0)
	})
}

// busy changes components for a while, in waves.
func (s *site) busy(d time.Duration) {
	s.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	end := time.After(d)
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-end:
			return
		}
		if n/25%2 == 1 {
			continue
		}
		for id, status := range world.Expected() {
			if status == "Running" && id != world.Poke() {
				s.patch(id, "containerImage", fmt.Sprintf(`{"type": "Property", "value": "registry.example.org/busy:%d"}`, n))
			}
		}
	}
}

// orderedAway orders a component away, and waits until that is done.
func (s *site) orderedAway(id string) {
	s.t.Helper()
	s.patch(id, "serviceComponentStatus", `{"type": "Relationship", "object": "urn:ngsi-ld:ServiceComponentStatus:Removing"}`)
	s.state(id, "Finished")
}

// says waits until the metrics hold a line.
func (p *pod) says(line string) {
	p.t.Helper()
	eventually(p.t, line, func() error {
		text, err := p.metrics()
		if err == nil && !strings.Contains(text, "\n"+line+"\n") {
			err = errors.New("it is not among the metrics")
		}
		return err
	})
}

func (p *pod) metrics() (string, error) {
	resp, err := http.Get("http://" + p.ops + "/metrics")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// wasAllowedAll: the API server refused the agent nothing, and it follows every kind that there is.
func (p *pod) wasAllowedAll() {
	p.t.Helper()
	text, err := p.metrics()
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "hlo_agent_kubernetes_requests_total") && (strings.Contains(line, `code="403"`) || strings.Contains(line, `code="401"`)) {
			p.t.Errorf("refused: %s", line)
		}
	}
	if !strings.Contains(text, "\nhlo_agent_kubernetes_healthy 1\n") {
		p.t.Error("the agent does not follow every kind")
	}
}

// rights asks the API server what the agent's account may do.
func (s *site) rights() {
	s.t.Helper()
	may := func(verb, group, resource, in, name string) bool {
		review, err := s.kube.AuthorizationV1().SubjectAccessReviews().Create(s.t.Context(), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User:   "system:serviceaccount:" + namespace + ":" + agentName,
				Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: verb, Group: group, Version: "*", Resource: resource, Namespace: in, Name: name,
				},
			},
		}, metav1.CreateOptions{})
		s.must(err)
		return review.Status.Allowed
	}
	for _, c := range []struct {
		verb, group, resource, in, name string
		want                            bool
	}{
		{"create", "llo.aeros-project.eu", "servicecomponentk8s", "workloads", "", true},
		{"list", "", "secrets", "workloads", "", true},
		{"watch", "argoproj.io", "applications", "argocd", "", true},
		{"create", "coordination.k8s.io", "leases", "workloads", "", true},
		{"update", "coordination.k8s.io", "leases", "workloads", "hlo-agent-all.workloads", true},
		{"update", "coordination.k8s.io", "leases", "workloads", "of-others", false},
		{"list", "coordination.k8s.io", "leases", "workloads", "", false},
		{"update", "coordination.k8s.io", "leases", namespace, "", false},
		{"list", "", "secrets", namespace, "", false},
		{"list", "", "secrets", "argocd", "", false},
		{"list", "", "secrets", "", "", false},
		{"create", "llo.aeros-project.eu", "servicecomponentk8s", "default", "", false},
		{"update", "llo.aeros-project.eu", "servicecomponentk8s/status", "workloads", "", false},
		{"create", "", "pods", "workloads", "", false},
		{"create", "", "pods/exec", "workloads", "", false},
		{"get", "", "nodes", "", "", false},
		{"create", "rbac.authorization.k8s.io", "roles", "workloads", "", false},
		{"impersonate", "", "users", "", "", false},
	} {
		if got := may(c.verb, c.group, c.resource, c.in, c.name); got != c.want {
			s.t.Errorf("the agent may %s %s/%s %q in %q: %v, want %v", c.verb, c.group, c.resource, c.name, c.in, got, c.want)
		}
	}
}
