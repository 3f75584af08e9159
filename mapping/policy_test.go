package mapping_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
)

func policy(t testing.TB, texts ...string) *mapping.Policy {
	t.Helper()
	var sources []mapping.Source
	for i, text := range texts {
		sources = append(sources, mapping.Source{Name: string(rune('a'+i)) + ".yaml", Data: []byte(text)})
	}
	p, err := mapping.LoadPolicy(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var sharedPolicy = sync.OnceValue(mapping.DefaultPolicy)

// policyText is a policy file.
func policyText(name, spec string) string {
	return "apiVersion: hlo-agent.github.io/v1alpha1\nkind: Policy\nmetadata: {name: " + name + "}\nspec:\n" + indent(spec, "  ") + "\n"
}

func parsed(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(data); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return o
}

// The objects of the tests, around the spec of a pod in a line.
func deployment(pod string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w, namespace: default}\nspec: {template: {metadata: {labels: {a: b}}, spec: {" + pod + "}}}\n"
}

func job(pod string) string {
	return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: w, namespace: default}\nspec: {template: {spec: {" + pod + "}}}\n"
}

func knative(pod string) string {
	return "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: w, namespace: default}\nspec: {template: {spec: {" + pod + "}}}\n"
}

func work(objects ...string) string {
	text := "apiVersion: work.open-cluster-management.io/v1\nkind: ManifestWork\nmetadata: {name: w, namespace: c1}\nspec:\n  workload:\n    manifests:\n"
	for _, o := range objects {
		text += "    - " + strings.TrimPrefix(indent(strings.TrimSpace(o), "      "), "      ") + "\n"
	}
	return text
}

func aeros(spec string) string {
	return "apiVersion: llo.aeros-project.eu/v1alpha1\nkind: ServiceComponentK8s\nmetadata: {name: w, namespace: default}\nspec: {" + spec + "}\n"
}

func TestPolicyDenies(t *testing.T) {
	t.Parallel()
	const (
		privileged = "policy default, rule privileged: nothing may run privileged"
		host       = "policy default, rule host-namespaces: nothing may share the namespaces of its node"
		paths      = "policy default, rule host-paths: nothing may mount files of its node"
		caps       = "policy default, rule capabilities: no capability may be added"
		cannot     = " (the rule cannot be computed for what is there)"
		pod        = "spec.template.spec."
	)
	for _, c := range []struct{ name, object, want string }{
		{"a plain pod", deployment("containers: [{name: c, image: x, securityContext: {privileged: false, capabilities: {drop: [ALL]}}}]"), ""},
		{"no capability added", deployment("containers: [{securityContext: {capabilities: {add: []}}}]"), ""},
		{"host namespaces not used", deployment("hostNetwork: false, containers: []"), ""},
		{"privileged", deployment("containers: [{name: a}, {name: b, securityContext: {privileged: true}}]"),
			"Deployment w: " + pod + "containers[1].securityContext.privileged: " + privileged},
		{"privileged at the start", job("initContainers: [{securityContext: {privileged: true}}]"),
			"Job w: " + pod + "initContainers[0].securityContext.privileged: " + privileged},
		{"privileged for debugging", knative("ephemeralContainers: [{securityContext: {privileged: true}}]"),
			"Service w: " + pod + "ephemeralContainers[0].securityContext.privileged: " + privileged},
		{"privileged as text", deployment(`containers: [{securityContext: {privileged: "true"}}]`),
			"Deployment w: " + pod + "containers[0].securityContext.privileged: " + privileged},
		{"privileged as an object", deployment(`containers: [{securityContext: {privileged: {a: b}}}]`),
			"Deployment w: " + pod + "containers[0].securityContext.privileged: " + privileged},
		{"host network", deployment("hostNetwork: true"), "Deployment w: " + pod + "hostNetwork: " + host},
		{"host processes", job("hostPID: true"), "Job w: " + pod + "hostPID: " + host},
		{"host IPC", knative("hostIPC: true"), "Service w: " + pod + "hostIPC: " + host},
		{"host process of Windows", deployment("securityContext: {windowsOptions: {hostProcess: true}}"),
			"Deployment w: " + pod + "securityContext.windowsOptions.hostProcess: " + host},
		{"host path", deployment("volumes: [{name: v, emptyDir: {}}, {name: h, hostPath: {path: /s3cret}}]"),
			"Deployment w: " + pod + "volumes[1].hostPath: " + paths},
		{"capability", deployment("containers: [{securityContext: {capabilities: {add: [NET_ADMIN]}}}]"),
			"Deployment w: " + pod + "containers[0].securityContext.capabilities: " + caps},
		{"capabilities of an odd shape", deployment("containers: [{securityContext: {capabilities: [NET_ADMIN]}}]"),
			"Deployment w: " + pod + "containers[0].securityContext.capabilities: " + caps + cannot},
		{"host port", deployment("containers: [{ports: [{hostPort: 80}]}]"),
			"Deployment w: " + pod + "containers[0].ports[0].hostPort: policy default, rule host-ports: nothing may take a port of its node"},
		{"no confinement", job("securityContext: {seccompProfile: {type: Unconfined}}"),
			"Job w: " + pod + "securityContext.seccompProfile: policy default, rule confinement: nothing may take its confinement off"},
		{"confined", job("securityContext: {seccompProfile: {type: RuntimeDefault}, sysctls: []}, serviceAccountName: default"), ""},
		{"kernel settings", deployment("securityContext: {sysctls: [{name: a, value: b}]}"),
			"Deployment w: " + pod + "securityContext.sysctls: policy default, rule kernel: nothing may reach the kernel of its node"},
		{"another proc", knative("containers: [{securityContext: {procMount: Unmasked}}]"),
			"Service w: " + pod + "containers[0].securityContext.procMount: policy default, rule kernel: nothing may reach the kernel of its node"},
		{"another account", deployment("serviceAccountName: admin"),
			"Deployment w: " + pod + "serviceAccountName: policy default, rule service-accounts: nothing may act in the cluster as somebody else"},
		{"an account in chart values", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: w, namespace: argocd}\n" +
			"spec: {source: {helm: {valuesObject: {serviceAccount: {create: true}}}}}", ""},
		{"addresses outside", "apiVersion: v1\nkind: Service\nmetadata: {name: w, namespace: default}\nspec: {externalIPs: [10.0.0.1]}\n",
			"Service w: spec.externalIPs: policy default, rule external-addresses: no Service may take addresses outside of the cluster"},
		{"aerOS", aeros("image: x, privileged: false"), ""},
		{"aerOS privileged", aeros("image: x, privileged: true"), "ServiceComponentK8s w: spec.privileged: " + privileged},
		{"work", work(deployment("containers: [{image: x}]"), job("containers: [{image: x}]")), ""},
		{"privileged in a work", work(job("containers: []"), deployment("containers: [{securityContext: {privileged: true}}]")),
			"ManifestWork w: spec.workload.manifests[1]." + pod + "containers[0].securityContext.privileged: " + privileged},
		{"host network in a work", work(deployment("hostNetwork: true")), "ManifestWork w: spec.workload.manifests[0]." + pod + "hostNetwork: " + host},
		{"in a list in a work", work("apiVersion: v1\nkind: List\nitems:\n- " + strings.TrimPrefix(indent(job("hostPID: true"), "  "), "  ")),
			"ManifestWork w: spec.workload.manifests[0].items[0]." + pod + "hostPID: " + host},
		{"a list with metadata", work("apiVersion: v1\nkind: List\nmetadata: {}\nitems: []"),
			"ManifestWork w: the policy does not allow the kind List at spec.workload.manifests[0] inside of ManifestWork"},
		{"other kind", "apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: default}\n", "Pod w: the policy does not allow the kind Pod"},
		{"other group", "apiVersion: evil.example.org/v1\nkind: Deployment\nmetadata: {name: w, namespace: default}\n",
			"Deployment w: the policy does not allow the kind Deployment.evil.example.org"},
		{"rights", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: w}\n",
			"ClusterRoleBinding w: the policy does not allow the kind ClusterRoleBinding.rbac.authorization.k8s.io"},
		{"other namespace", strings.Replace(deployment(""), "namespace: default", "namespace: kube-system", 1),
			`Deployment w: the policy does not allow the namespace "kube-system" for Deployment.apps`},
		{"no namespace", strings.Replace(deployment(""), ", namespace: default", "", 1),
			`Deployment w: the policy does not allow the namespace "" for Deployment.apps`},
		{"Argo CD in another namespace", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: w, namespace: default}\n",
			`Application w: the policy does not allow the namespace "default" for Application.argoproj.io`},
		{"other kind in a work", work("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: x}"),
			"ManifestWork w: the policy does not allow the kind ClusterRoleBinding.rbac.authorization.k8s.io at spec.workload.manifests[0] inside of ManifestWork"},
		{"other namespace in a work", work(strings.Replace(job(""), "namespace: default", "namespace: kube-system", 1)),
			`ManifestWork w: the policy does not allow the namespace "kube-system" for Job.batch at spec.workload.manifests[0] inside of ManifestWork`},
		{"a work in a work", work(work()),
			"ManifestWork w: the policy does not allow the kind ManifestWork.work.open-cluster-management.io at spec.workload.manifests[0] inside of ManifestWork"},
		{"a Deployment in a Deployment", deployment("x: {apiVersion: apps/v1, kind: Deployment, metadata: {namespace: default}}"),
			"Deployment w: the policy does not allow the kind Deployment.apps at spec.template.spec.x inside of Deployment"},
		{"a reference", deployment("x: {apiVersion: v1, kind: Node, name: n}"), ""},
		{"chart values", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: w, namespace: argocd}\n" +
			"spec: {source: {helm: {valuesObject: {agent: {privileged: true}}}}}",
			"Application w: spec.source.helm.valuesObject.agent.privileged: " + privileged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := parsed(t, c.object)
			before := o.DeepCopy()
			err := sharedPolicy().Check([]*unstructured.Unstructured{o})
			var e *mapping.Error
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want == "":
			case !errors.As(err, &e) || !errors.Is(err, mapping.ErrInvalid) || e.Reason != mapping.ReasonPolicyDenied:
				t.Fatalf("got %v, want %s", err, c.want)
			case e.Message != c.want:
				t.Errorf("got  %s\nwant %s", e.Message, c.want)
			}
			if diff := cmp.Diff(before, o); diff != "" {
				t.Errorf("the object was changed:\n%s", diff)
			}
		})
	}
}

// TestPolicyErrorNamesEntityAndField checks the parts that the status of a component is made of.
func TestPolicyErrorNamesEntityAndField(t *testing.T) {
	t.Parallel()
	o := parsed(t, deployment("hostNetwork: true, hostPID: true"))
	o.SetAnnotations(map[string]string{"hlo-agent.github.io/entity": componentID})
	for range 20 { // whichever way a map is walked
		var e *mapping.Error
		if err := sharedPolicy().Check([]*unstructured.Unstructured{o}); !errors.As(err, &e) ||
			e.Entity != componentID || e.Field != "spec.template.spec.hostNetwork" {
			t.Fatalf("got %+v", e)
		}
	}
}

func TestRegistries(t *testing.T) {
	t.Parallel()
	list := policy(t, policyText("ours", "registries: [registry.example.org, 'r.example.org:5000/team/', docker.io/library, ghcr.io/acme/web]"))
	for image, allowed := range map[string]bool{
		"registry.example.org/a/b:1":                       true,
		"registry.example.org/a@sha256:00":                 true,
		"registry.example.org.evil.com/a":                  false,
		"registry.example.org:5000/a":                      false,
		"evil.com/registry.example.org/a":                  false,
		"r.example.org:5000/team/a:1":                      true,
		"r.example.org:5000/teams/a":                       false,
		"r.example.org:5000/a":                             false,
		"r.example.org:5000/team/../a":                     false,
		"nginx":                                            true,
		"nginx:1.29":                                       true,
		"docker.io/library/nginx":                          true,
		"index.docker.io/library/nginx":                    true,
		"library/nginx":                                    true,
		"someone/nginx":                                    false,
		"ghcr.io/acme/web":                                 true,
		"ghcr.io/acme/web:2":                               true,
		"ghcr.io/acme/web/more":                            true,
		"ghcr.io/acme/website":                             false,
		"registry.example.org/a\nregistry.evil.com/b":      false,
		"registry.example.org\\@evil.com/a":                false,
		"":                                                 false,
		"registry.example.org":                             true, // an image of that name in docker.io/library
		"${registry}/a":                                    false,
		"registry.example.org/ä":                           false,
		"REGISTRY.EXAMPLE.ORG/a":                           false,
		"registry.example.org/%2e%2e/evil":                 false,
		"localhost/nginx":                                  false,
		"user@registry.example.org/a":                      false,
		"registry.example.org/" + strings.Repeat("a", 500): true,
	} {
		o := parsed(t, deployment("containers: [{name: c}]"))
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		containers[0].(map[string]any)["image"] = image
		if err := unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"); err != nil {
			t.Fatal(err)
		}
		err := list.Check([]*unstructured.Unstructured{o})
		want := ""
		if !allowed {
			want = ": Deployment w: spec.template.spec.containers[0].image: policy default, rule registries: the image is from a registry that is not in the list"
		}
		if got := errText(err); got != want {
			t.Errorf("%q: got %q, want %q", image, got, want)
		}
	}
	for name, c := range map[string]struct {
		policy string
		want   bool
	}{
		"shipped list":            {policyText("ours", "rules: []"), true},
		"any":                     {policyText("ours", "registries: ['*']\nrepositories: ['*']"), true},
		"no list at all":          {policyText("default", "allow:\n- {group: apps, kinds: [Deployment]}\nrules:\n- {name: registries, at: [image], that: 'imageWithin(value, registries)', message: no}"), false},
		"two lists, neither here": {policyText("ours", "registries: [a.example.org]") + "---\n" + policyText("theirs", "registries: [b.example.org]"), false},
		"two lists":               {policyText("ours", "registries: [a.example.org]") + "---\n" + policyText("theirs", "registries: [registry.example.org]"), true},
	} {
		o := parsed(t, deployment("containers: [{name: c, image: registry.example.org/a}]"))
		if err := policy(t, c.policy).Check([]*unstructured.Unstructured{o}); (err == nil) != c.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	app := func(url string) *unstructured.Unstructured {
		o := parsed(t, "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: w, namespace: argocd}\nspec: {source: {}}")
		_ = unstructured.SetNestedField(o.Object, url, "spec", "source", "repoURL") // the path is there
		return o
	}
	repositories := policy(t, policyText("ours", "repositories: ['https://git.example.org/fleet']"))
	for url, allowed := range map[string]bool{
		"https://git.example.org/fleet":                 true,
		"https://git.example.org/fleet/web":             true,
		"https://git.example.org/fleets":                false,
		"https://git.example.org/fleet/../x":            false,
		"https://git.example.org/fleet?x=https://e.org": false,
		"http://git.example.org/fleet":                  false,
	} {
		if err := repositories.Check([]*unstructured.Unstructured{app(url)}); (err == nil) != allowed {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

// TestPolicyOfOperator has what other policies may add, change and replace.
func TestPolicyOfOperator(t *testing.T) {
	t.Parallel()
	vents := "allow:\n- group: greenhouse.example.org\n  kinds: [VentPlan]\n"
	plan := "apiVersion: greenhouse.example.org/v1\nkind: VentPlan\nmetadata: {name: v, namespace: NS}\nspec: {open: 5}\n"
	for _, c := range []struct{ name, policy, object, want string }{
		{"not allowed", policyText("own", "rules: []"), plan, "the policy does not allow the kind VentPlan.greenhouse.example.org"},
		{"allowed", policyText("own", vents), plan, ""},
		{"other namespace", policyText("own", vents+"  namespaces: [beds]"), plan, `the policy does not allow the namespace "default" for VentPlan.greenhouse.example.org`},
		{"own namespace by name", policyText("own", vents+"  namespaces: [beds, '${targetNamespace}']"), plan, ""},
		{"any namespace", policyText("own", vents+"  namespaces: ['*']"), strings.Replace(plan, "NS", "kube-system", 1), ""},
		{"other mapping", policyText("own", vents+"  mappings: [aeros-k8s]"), plan, ""},
		{"mapping that is not loaded", policyText("own", vents+"  mappings: [greenhouse]"), plan, "the policy does not allow the kind VentPlan.greenhouse.example.org"},
		{"rule for objects", policyText("own", vents+"rules:\n- {name: open, that: object.spec.open < 5, message: not so wide}"), plan, "policy own, rule open: not so wide"},
		{"rule for one kind", policyText("own", vents+"rules:\n- {name: open, that: 'object.kind != \"VentPlan\" || value.spec.open < 6', message: not so wide}"), plan, ""},
		{"rule that fails", policyText("own", vents+"rules:\n- {name: open, that: object.spec.opened < 5, message: not so wide}"), plan,
			"policy own, rule open: not so wide (the rule cannot be computed for what is there)"},
		{"rule for a field", policyText("own", vents+"rules:\n- {name: open, at: [open], that: value < 5 && field == \"spec.open\", message: not so wide}"), plan,
			"spec.open: policy own, rule open: not so wide"},
		{"shipped rule replaced", policyText("own", "rules:\n- {name: privileged, at: [privileged], that: 'true', message: as you like}"), aeros("privileged: true"), ""},
		{"shipped policy replaced", policyText("default", vents), plan, ""},
		{"shipped policy replaced, so nothing else", policyText("default", vents), aeros("image: x"), "the policy does not allow the kind ServiceComponentK8s.llo.aeros-project.eu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := parsed(t, strings.Replace(c.object, "NS", "default", 1))
			err := policy(t, c.policy).For(shared(t), "default").Check([]*unstructured.Unstructured{o})
			var e *mapping.Error
			errors.As(err, &e)
			if e == nil {
				e = &mapping.Error{}
			}
			if got := strings.TrimPrefix(e.Message, o.GetKind()+" "+o.GetName()+": "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestPolicyFollowsMappings(t *testing.T) {
	t.Parallel()
	want := []mapping.Allowance{
		{Group: "llo.aeros-project.eu", Kinds: []string{"ServiceComponentK8s"}, Resources: []string{"servicecomponentk8s"}, Namespaces: []string{"fleet"}, Mappings: []string{"aeros-k8s"}},
		{Group: "llo.aeros-project.eu", Kinds: []string{"ServiceComponentDocker"}, Resources: []string{"servicecomponentdockers"}, Namespaces: []string{"fleet"}, Mappings: []string{"aeros-docker"}},
		{Group: "llo.aeros-project.eu", Kinds: []string{"ServiceComponentContainerd"}, Resources: []string{"servicecomponentcontainerds"}, Namespaces: []string{"fleet"}, Mappings: []string{"aeros-containerd"}},
	}
	if diff := cmp.Diff(want, mapping.DefaultPolicy().For(shared(t), "fleet").Allowed()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	again := mapping.DefaultPolicy().For(load(t), "x").For(shared(t), "fleet")
	if diff := cmp.Diff(want, again.Allowed()); diff != "" {
		t.Errorf("bound twice (-want +got):\n%s", diff)
	}
	if got := mapping.DefaultPolicy().For(allShipped(t), "fleet").Allowed(); len(got) != len(mapping.DefaultPolicy().Allowed()) {
		t.Errorf("all mappings, but not all allowances: %v", got)
	}
}

func BenchmarkPolicy(b *testing.B) {
	r, err := allShipped(b).Render(inputOf(decode(b, "testdata/aeros-vision-camera-gw/entity.jsonld")), "default")
	if err != nil {
		b.Fatal(err)
	}
	p := mapping.DefaultPolicy()
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Check(r.Objects); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	text, err := os.ReadFile("policies/default.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(policyText("own", "rules:\n- {name: a, at: [image], that: object.spec.x < 5 && field != value, message: no}")))
	f.Add([]byte(policyText("own", "registries: &a [x.example.org/]\nrepositories: *a\nallow: [{kinds: *a}]")))
	f.Add([]byte("kind: Policy\nspec: &a {rules: *a}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		source := mapping.Source{Name: "f", Data: data}
		p, err := mapping.LoadPolicy(source)
		if (err == nil) != (len(mapping.Lint(source)) == 0) && strings.Contains(string(data), "\nkind: Policy\n") {
			t.Fatalf("load and lint differ: %v", err)
		}
		if err != nil {
			return
		}
		objects := []*unstructured.Unstructured{parsed(t, work(deployment("containers: [{image: x}]"))), parsed(t, aeros("image: x"))}
		if err := p.Check(objects); err != nil && !errors.Is(err, mapping.ErrInvalid) {
			t.Fatalf("no known outcome: %v", err)
		}
	})
}
