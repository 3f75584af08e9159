package faults_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the policy does not allow is refused, with the rule in the component's status, whichever mapping made it
// and whatever the entity says; what is there stays as it is.
func TestPolicyDenies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	// A careless mapping: what the entity says becomes a Deployment's security, or a kind and a place of its own.
	careless := write("careless.yaml", `
apiVersion: hlo-agent.github.io/v1alpha1
kind: Mapping
metadata: {name: kubernetes}
spec:
  priority: 10
  attributes: {component: [careless, privileged, host, place]}
  when: [has(component.careless)]
  objects:
  - id: app
    object:
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: "${dnsLabel(component.id, 63)}", namespace: "${text(component.place, targetNamespace)}"}
      spec:
        selector: {matchLabels: {a: b}}
        template:
          metadata: {labels: {a: b}}
          spec:
            hostNetwork: ${boolean(component.host)}
            containers: [{name: app, image: "${text(component.containerImage)}", securityContext: {privileged: "${boolean(component.privileged)}"}}]
  - id: map
    when: text(component.careless) == "kind"
    object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${dnsLabel(component.id, 63)}"}}
`)
	policy := write("policy.yaml", `
apiVersion: hlo-agent.github.io/v1alpha1
kind: Policy
metadata: {name: ours}
spec:
  registries: [registry.example.org]
  rules:
  - {name: no-latest, at: [image], that: "!string(value).endsWith(':latest')", message: an image needs a version}
`)
	r := newRig(t, map[string]string{"MAPPINGS": careless + ",aeros-k8s,aeros-docker", "POLICY": policy})
	r.ready(component("web", nil))
	was := r.find(onK8s, "web").GetResourceVersion()

	for name, c := range map[string]struct {
		attrs   object
		message string
	}{
		"registry":   {object{"containerImage": prop("registry.example.org.evil.com/shop/web:1")}, "spec.image: policy default, rule registries: "},
		"own-rule":   {object{"containerImage": prop("registry.example.org/shop/web:latest")}, "spec.image: policy ours, rule no-latest: an image needs a version"},
		"privileged": {object{"careless": prop("x"), "privileged": prop("true")}, "securityContext.privileged: policy default, rule privileged: "},
		"host":       {object{"careless": prop("x"), "host": prop(true)}, "hostNetwork: policy default, rule host-namespaces: "},
		"place":      {object{"careless": prop("x"), "place": prop("kube-system")}, `the policy does not allow the namespace "kube-system" for Deployment.apps`},
		"kind":       {object{"careless": prop("kind")}, "the policy does not allow the kind ConfigMap"},
	} {
		r.create(component(name, c.attrs))
		said := r.says(componentID(name), "Refused", "PolicyDenied")
		if !strings.Contains(said.Message, c.message) || said.Word != "Failed" {
			t.Errorf("%s: %+v, want Failed with %q", name, said, c.message)
		}
		if strings.Contains(said.Message, "evil") {
			t.Errorf("%s: the message holds a value: %s", name, said.Message)
		}
	}
	if n := len(r.list(deployments)); n != 0 {
		t.Errorf("%d Deployments, want none", n)
	}
	elsewhere, err := r.client.Resource(deployments).Namespace("kube-system").List(t.Context(), metav1.ListOptions{})
	must(t, err)
	if len(elsewhere.Items) != 0 {
		t.Errorf("%d Deployments in kube-system", len(elsewhere.Items))
	}

	// What runs goes on when its entity asks for what is not allowed, and the cure is seen.
	r.patch(componentID("web"), object{"containerImage": prop("evil.example.com/web:1")})
	said := r.says(componentID("web"), "Refused", "PolicyDenied")
	if said.Word != "Running" {
		t.Errorf("reported %s, want Running: the present object runs", said.Word)
	}
	if got := r.find(onK8s, "web").GetResourceVersion(); got != was {
		t.Errorf("the object was changed: version %s, was %s", got, was)
	}
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.await(onK8s, "web", "changed", hasImage(2))
	r.says(componentID("web"), "Running", "")
}
