package install_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write what is made from something else: rights, manifests")

const rightsFile = chart + "/files/rights.yaml"

const rightsHead = `# What the agent needs for each shipped mapping, by namespace; ${targetNamespace} is that of the objects, "*" is the
# whole cluster. Compared with ` + "`hlo-agent rbac`" + ` by a test, which writes it with -update.
`

// rights are the rules by namespace, "*" for those of the whole cluster.
type rights map[string][]any

// rightsIn takes the rules out of Roles and ClusterRoles.
func rightsIn(all []*unstructured.Unstructured) rights {
	r := rights{}
	for _, o := range all {
		namespace := o.GetNamespace()
		switch o.GetKind() {
		case "ClusterRole":
			namespace = "*"
		case "Role":
		default:
			continue
		}
		rules, _, _ := unstructured.NestedSlice(o.Object, "rules")
		r[namespace] = append(r[namespace], rules...)
	}
	return r
}

// flat is what the rights come to, one line for each thing that may be done, so that two ways to write the same are
// equal.
func (r rights) flat() []string {
	var all []string
	for namespace, rules := range r {
		for _, rule := range rules {
			rule := rule.(map[string]any)
			for _, group := range rule["apiGroups"].([]any) {
				for _, resource := range rule["resources"].([]any) {
					for _, verb := range rule["verbs"].([]any) {
						all = append(all, fmt.Sprintf("%s: %s %s/%s%v", namespace, verb, group, resource, rule["resourceNames"]))
					}
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func shippedMappings(t *testing.T) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(agentSays(t, nil, "mapping", "list")) {
		if name, _, _ := strings.Cut(line, " "); name != "NAME" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestRightsOfMappings compares the chart's table of rights with what the program says of each shipped mapping.
func TestRightsOfMappings(t *testing.T) {
	t.Parallel()
	const own = "own-namespace-of-the-objects"
	table := map[string]rights{}
	for _, name := range shippedMappings(t) {
		said := agentSays(t, nil, "rbac", "--mapping", name, "--namespace", own)
		table[name] = rights{}
		for namespace, rules := range rightsIn(objects(t, said)) {
			table[name][strings.ReplaceAll(namespace, own, "${targetNamespace}")] = rules
		}
	}
	text, err := yaml.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte(rightsHead + string(text))
	if *update {
		if err := os.WriteFile(rightsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(rightsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (cd install && go test . -run Rights -update): %s", rightsFile, cmp.Diff(string(want), string(got)))
	}
	enum, _, _ := unstructured.NestedSlice(readValues(t, chart+"/values.schema.json"), "properties", "mappings", "properties", "shipped", "items", "enum")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(table)), texts(enum)); diff != "" {
		t.Errorf("mappings.shipped in the schema (-want +got): %s", diff)
	}
}

func texts(list []any) []string {
	var all []string
	for _, one := range list {
		all = append(all, fmt.Sprint(one))
	}
	slices.Sort(all)
	return all
}

// TestRenderedRights compares the chart's Roles with what the program says of the same settings: no right more, and
// none less.
func TestRenderedRights(t *testing.T) {
	t.Parallel()
	all := shippedMappings(t)
	for _, c := range []struct {
		namespace string
		mappings  []string
		secrets   bool // clusters are bound by Secrets
		who       map[string]string
	}{
		{"default", nil, false, nil},
		{"workloads", []string{"aeros-k8s"}, true, map[string]string{"DOMAIN_ID": "Mill01"}},
		{namespace, []string{"kubernetes"}, false, map[string]string{"DOMAIN_ID": "urn:ngsi-ld:Domain:Port 1, Mill01"}},
		{"argocd", []string{"argocd", "knative"}, false, map[string]string{"DOMAIN_ID": "*"}},
		{"default", []string{"aeros-k8s"}, false, map[string]string{"DOMAIN_ID": strings.Repeat("a-long-name.", 8)}},
		{"default", []string{"aeros-k8s"}, false, map[string]string{"DOMAIN_ID": "mill", "AGENT_ID": "Edge_1.-a"}},
		{"default", []string{"aeros-k8s"}, false, map[string]string{"AGENT_ID": "edge-1.a"}},
		{"workloads", all, true, nil},
	} {
		t.Run(fmt.Sprint(c.namespace, " ", strings.Join(c.mappings, ","), c.who), func(t *testing.T) {
			t.Parallel()
			own := map[string]any{"CB_URL": "http://orion-ld:1026", "NAMESPACE": c.namespace}
			values := map[string]any{"settings": own}
			settings := []string{"NAMESPACE=" + c.namespace, "LEADER_ELECTION=true"}
			for name, value := range c.who {
				own[name] = value
				settings = append(settings, name+"="+value)
			}
			if c.mappings != nil {
				values["mappings"] = map[string]any{"shipped": c.mappings}
				settings = append(settings, "MAPPINGS="+strings.Join(c.mappings, ","))
			}
			if c.secrets {
				values["clusters"] = map[string]any{"bySecrets": true}
				settings = append(settings, "CLUSTERS=secrets")
			}
			got := objects(t, mustRender(t, values))
			want := objects(t, agentSays(t, settings, "rbac"))
			if diff := cmp.Diff(rightsIn(want).flat(), rightsIn(got).flat()); diff != "" {
				t.Errorf("rights of the chart (-hlo-agent rbac +chart): %s", diff)
			}
			boundToAgent(t, got)
		})
	}
}

// boundToAgent: each role has a binding of its name, to the account that the pod runs as.
func boundToAgent(t *testing.T, all []*unstructured.Unstructured) {
	t.Helper()
	account := find(t, all, "ServiceAccount").GetName()
	if got, _, _ := unstructured.NestedString(find(t, all, "Deployment").Object, "spec", "template", "spec", "serviceAccountName"); got != account {
		t.Errorf("the pod runs as %q, not as %q", got, account)
	}
	roles, bound := map[string]bool{}, map[string]bool{}
	for _, o := range all {
		at := o.GetNamespace() + "/" + o.GetName()
		switch kind := o.GetKind(); kind {
		case "Role", "ClusterRole":
			roles[kind+" "+at] = true
		case "RoleBinding", "ClusterRoleBinding":
			subjects, _, _ := unstructured.NestedSlice(o.Object, "subjects")
			want := []any{map[string]any{"kind": "ServiceAccount", "name": account, "namespace": namespace}}
			if diff := cmp.Diff(want, subjects); diff != "" {
				t.Errorf("subjects of %s %s: %s", kind, at, diff)
			}
			role, _, _ := unstructured.NestedStringMap(o.Object, "roleRef")
			bound[role["kind"]+" "+o.GetNamespace()+"/"+role["name"]] = true
		}
	}
	if diff := cmp.Diff(roles, bound); diff != "" || len(roles) == 0 {
		t.Errorf("roles and bindings (-roles +bound): %s", diff)
	}
}

func find(t *testing.T, all []*unstructured.Unstructured, kind string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range all {
		if o.GetKind() == kind {
			return o
		}
	}
	t.Fatalf("no %s was rendered", kind)
	return nil
}
