package faults_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
)

var (
	secrets      = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	services     = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	pods         = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	configMaps   = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	namespaces   = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	roles        = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}
	roleBindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}
)

// limited makes the agent a service account that has the rights that hlo-agent rbac prints and no others, and
// gives that account's configuration.
func (r *rig) limited(mappings string) *rest.Config {
	r.t.Helper()
	server := cluster.Server(r.t)
	r.env["MAPPINGS"] = mappings
	printed, err := r.command("rbac", "--service-account", r.namespace+"/robot", "--name", "robot")
	must(r.t, err)
	for document := range strings.SplitSeq(strings.TrimPrefix(printed, "---\n"), "---\n") {
		u := &unstructured.Unstructured{}
		must(r.t, yaml.Unmarshal([]byte(document), &u.Object))
		kind := roles
		if u.GetKind() == "RoleBinding" {
			kind = roleBindings
		}
		if _, err := r.client.Resource(kind).Namespace(u.GetNamespace()).Create(r.t.Context(), u, metav1.CreateOptions{}); err != nil {
			r.t.Fatalf("%s: %v", document, err)
		}
	}
	config, err := server.User("system:serviceaccount:"+r.namespace+":robot", "system:serviceaccounts", "system:authenticated")
	must(r.t, err)
	transport, err := rest.TransportFor(config)
	must(r.t, err)
	r.toKube = r.proxy(config.Host, transport)
	must(r.t, clientcmd.WriteToFile(*plainKubeconfig(r.toKube.URL()), r.kubeconfig))
	return config
}

// An agent with the rights that match the allow list does everything it is for.
func TestRightsAreEnough(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.limited("aeros-k8s,aeros-docker,kubernetes")
	r.create(append(world(), component("web", nil), component("plain", object{
		"deployAs": prop("kubernetes"), "isPrivate": prop(true), "repoUsername": prop("u"), "repoPassword": prop("p"),
		"exposePorts": prop(true), "networkPorts": rel("urn:ngsi-ld:NetworkPort:1"),
	}), object{"id": "urn:ngsi-ld:NetworkPort:1", "type": "NetworkPort", "portNumber": prop(80)})...)
	r.start()
	r.orchestrate()
	r.says(componentID("web"), "Running", "")
	const plain = "service-shop-component-plain"
	for _, kind := range []schema.GroupVersionResource{deployments, services, secrets} {
		eventually(t, kind.Resource, func() error { return differ("number", len(r.list(kind)), 1) })
	}
	// Changed, put right, moved to another kind, and ordered away.
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.await(onK8s, "web", "changed", hasImage(2))
	r.merge(onK8s, "web", object{"spec": object{"image": "somebody/else:1"}})
	r.await(onK8s, "web", "put right", hasImage(2))
	r.delete(onK8s, "web")
	r.await(onK8s, "web", "made again", hasImage(2))
	r.patch(componentID("web"), object{"infrastructureElement": rel(d1)})
	r.gone(onK8s, "web")
	r.await(onDock, "web", "moved", hasImage(2))
	for _, name := range []string{"web", "plain"} {
		r.patch(componentID(name), object{"serviceComponentStatus": word("Removing")})
		r.says(componentID(name), "Unplaced", "Removed")
	}
	for _, kind := range []schema.GroupVersionResource{deployments, services, secrets, onDock} {
		eventually(t, kind.Resource, func() error { return differ("number", len(r.list(kind)), 0) })
	}
	if n := r.count("kubernetes_requests_total", `code="403"`); n > 0 {
		t.Errorf("%v requests were forbidden", n)
	}
	if _, err := r.command("prune"); err != nil {
		t.Errorf("prune: %v\n%s of %s", err, r.agent.said.String(), plain)
	}
}

// Copies that elect one of them may do so, and touch no other Lease.
func TestRightsOnTheLease(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"LEADER_ELECTION": "true", "POD_IP": "127.0.0.1"})
	config := r.limited("aeros-k8s")
	r.create(append(world(), component("web", nil))...)
	r.start()
	r.orchestrate()
	r.says(componentID("web"), "Running", "")
	if n := r.count("kubernetes_requests_total", `code="403"`); n > 0 {
		t.Errorf("%v requests were forbidden", n)
	}
	others := &unstructured.Unstructured{Object: object{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": object{"name": "of-others"}}}
	others, err := r.client.Resource(leases).Namespace(r.namespace).Create(t.Context(), others, metav1.CreateOptions{})
	must(t, err)
	robot, err := dynamic.NewForConfig(config)
	must(t, err)
	own := robot.Resource(leases).Namespace(r.namespace)
	if _, err := own.Get(t.Context(), "hlo-agent-"+r.id, metav1.GetOptions{}); err != nil {
		t.Errorf("its own Lease: %v", err)
	}
	for what, try := range map[string]func() error{
		"get":    func() error { _, err := own.Get(t.Context(), "of-others", metav1.GetOptions{}); return err },
		"update": func() error { _, err := own.Update(t.Context(), others, metav1.UpdateOptions{}); return err },
		"list":   func() error { _, err := own.List(t.Context(), metav1.ListOptions{}); return err },
		"delete": func() error { return own.Delete(t.Context(), "hlo-agent-"+r.id, metav1.DeleteOptions{}) },
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			t.Errorf("%s of a Lease: %v, want it forbidden", what, err)
		}
	}
}

// What the allow list does not ask for is forbidden, and what it asks for is not: each kind that the API server
// knows is tried against the policy and against RBAC, in namespaces of ours and of others.
func TestRightsAreTheAllowList(t *testing.T) {
	t.Parallel()
	for mappings, own := range map[string]bool{"aeros-k8s": false, "aeros-docker,kubernetes": true} {
		t.Run(mappings, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			config := r.limited(mappings)
			policy := policyOf(t, mappings, r.namespace)
			robot, err := kubernetes.NewForConfig(config)
			must(t, err)
			for _, namespace := range []string{r.namespace, "default", "kube-system"} {
				rules := rulesOf(t, robot, namespace)
				for kind, name := range kindsOf(t, cluster.Server(t).REST()) {
					o := &unstructured.Unstructured{}
					o.SetGroupVersionKind(kind)
					o.SetName("x")
					o.SetNamespace(namespace)
					allowed := policy.Check([]*unstructured.Unstructured{o}) == nil
					for _, verb := range []string{"get", "list", "watch", "create", "patch", "delete"} {
						// Events are no objects of mappings, and told where these are.
						want := allowed || kind.Group == "" && name == "events" && namespace == r.namespace && (verb == "create" || verb == "patch")
						if got := grants(rules, verb, kind.Group, name); got != want {
							t.Errorf("%s %s in %s: RBAC says %v, the allow list %v", verb, name, namespace, got, want)
						}
					}
					for _, verb := range []string{"update", "deletecollection", "bind", "escalate", "impersonate", "*"} {
						if grants(rules, verb, kind.Group, name) {
							t.Errorf("%s %s in %s is granted, and not needed", verb, name, namespace)
						}
					}
				}
			}
			r.cannotDoMore(config, own)
		})
	}
}

// cannotDoMore tries what an agent that somebody took over would try. ownSecrets: it may read those of its own
// namespace, because a mapping makes pull secrets.
func (r *rig) cannotDoMore(config *rest.Config, ownSecrets bool) {
	r.t.Helper()
	robot, err := dynamic.NewForConfig(config)
	must(r.t, err)
	one := func(apiVersion, kind string, more object) *unstructured.Unstructured {
		o := object{"apiVersion": apiVersion, "kind": kind, "metadata": object{"name": "taken-over"}}
		for key, value := range more {
			o[key] = value
		}
		return &unstructured.Unstructured{Object: o}
	}
	create := func(kind schema.GroupVersionResource, namespace string, o *unstructured.Unstructured) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := robot.Resource(kind).Namespace(namespace).Create(ctx, o, metav1.CreateOptions{})
			return err
		}
	}
	list := func(kind schema.GroupVersionResource, namespace string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := robot.Resource(kind).Namespace(namespace).List(ctx, metav1.ListOptions{})
			return err
		}
	}
	tries := map[string]func(context.Context) error{
		"create a Pod":                         create(pods, r.namespace, one("v1", "Pod", object{"spec": object{"containers": []any{object{"name": "x", "image": "x"}}}})),
		"create a Secret in another namespace": create(secrets, "default", one("v1", "Secret", nil)),
		"create a component in another":        create(onK8s, "default", one(group.String(), "ServiceComponentK8s", object{"spec": object{"image": "x"}})),
		"create a ConfigMap":                   create(configMaps, r.namespace, one("v1", "ConfigMap", nil)),
		"create a namespace":                   create(namespaces, "", one("v1", "Namespace", nil)),
		"give itself more rights":              create(roles, r.namespace, one("rbac.authorization.k8s.io/v1", "Role", object{"rules": []any{object{"apiGroups": []any{"*"}, "resources": []any{"*"}, "verbs": []any{"*"}}}})),
		"read the secrets of kube-system":      list(secrets, "kube-system"),
		"read the secrets of all namespaces":   list(secrets, ""),
		"list components everywhere":           list(onK8s, ""),
		"read the roles":                       list(roles, r.namespace),
		"delete all components at once": func(ctx context.Context) error {
			return robot.Resource(onK8s).Namespace(r.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		},
	}
	if !ownSecrets {
		tries["read the secrets of its own namespace"] = list(secrets, r.namespace)
	}
	for what, try := range tries {
		if err := try(r.t.Context()); !apierrors.IsForbidden(err) {
			r.t.Errorf("%s: %v, want it to be forbidden", what, err)
		}
	}
	if ownSecrets {
		must(r.t, list(secrets, r.namespace)(r.t.Context()))
	}
}

func policyOf(t *testing.T, mappings, namespace string) *mapping.Policy {
	t.Helper()
	sources, err := mapping.Shipped(strings.Split(mappings, ",")...)
	must(t, err)
	set, err := mapping.Load(sources...)
	must(t, err)
	return mapping.DefaultPolicy().For(set, namespace)
}

// rulesOf are the rights of whoever asks, in a namespace.
func rulesOf(t *testing.T, client kubernetes.Interface, namespace string) []authorizationv1.ResourceRule {
	t.Helper()
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	answer, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(), review, metav1.CreateOptions{})
	must(t, err)
	if answer.Status.Incomplete || len(answer.Status.ResourceRules) == 0 {
		t.Fatalf("the rights in %s are not told: %+v", namespace, answer.Status)
	}
	return answer.Status.ResourceRules
}

func grants(rules []authorizationv1.ResourceRule, verb, group, resource string) bool {
	holds := func(list []string, word string) bool {
		return slices.Contains(list, word) || slices.Contains(list, "*")
	}
	return slices.ContainsFunc(rules, func(r authorizationv1.ResourceRule) bool {
		return holds(r.Verbs, verb) && holds(r.APIGroups, group) && holds(r.Resources, resource)
	})
}

// kindsOf are the kinds that can be kept in the cluster, with their plural names. Reviews, which everybody may
// ask about themselves, are none.
func kindsOf(t *testing.T, config *rest.Config) map[schema.GroupVersionKind]string {
	t.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(config)
	must(t, err)
	lists, err := client.ServerPreferredResources()
	must(t, err)
	kinds := map[schema.GroupVersionKind]string{}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		must(t, err)
		for _, resource := range list.APIResources {
			if slices.Contains(resource.Verbs, "list") {
				kinds[version.WithKind(resource.Kind)] = resource.Name
			}
		}
	}
	if len(kinds) < 40 {
		t.Fatal(fmt.Errorf("only %d kinds: that is no whole API server", len(kinds)))
	}
	return kinds
}
