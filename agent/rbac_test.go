package agent

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/mapping"
)

func TestRightsAreTheAllowList(t *testing.T) {
	t.Parallel()
	const aeros = "get list watch create patch delete llo.aeros-project.eu: servicecomponentcontainerds servicecomponentdockers servicecomponentk8s"
	for name, c := range map[string]struct {
		mappings []string
		want     map[string][]string
	}{
		"by default": {nil, map[string][]string{"edge": {aeros}}},
		"a kind that may be anywhere, with others inside of it": {[]string{"ocm-manifestwork"}, map[string][]string{
			"": {"get list watch create patch delete work.open-cluster-management.io: manifestworks"},
		}},
		"a namespace of its own": {[]string{"argocd"}, map[string][]string{
			"argocd": {"get list watch create patch delete argoproj.io: applications"},
		}},
		"several groups": {[]string{"kubernetes"}, map[string][]string{"edge": {
			"get list watch create patch delete : secrets services",
			"get list watch create patch delete apps: deployments",
			"get list watch create patch delete batch: jobs",
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, err := loadRules(&Config{Mappings: c.mappings, Namespace: "edge"})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]string{}
			for namespace, rules := range rightsOf(loaded.policy) {
				for _, r := range rules {
					got[namespace] = append(got[namespace], strings.Join(r.Verbs, " ")+" "+strings.Join(r.APIGroups, " ")+": "+strings.Join(r.Resources, " "))
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRightsArePrinted(t *testing.T) {
	t.Parallel()
	loaded, err := loadRules(&Config{Mappings: []string{"ocm-manifestwork", "argocd"}, Namespace: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printRights(rightsOf(loaded.policy), "hlo-agent", "edge/robot", &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: ClusterRole\n", "kind: ClusterRoleBinding\n", "kind: Role\n", "kind: RoleBinding\n", "  namespace: argocd\n", "- kind: ServiceAccount\n  name: robot\n  namespace: edge\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := printRights(rightsOf(loaded.policy), "hlo-agent", "robot", &out); err == nil {
		t.Error("an account without a namespace was taken")
	}
}

// TestScope: a kind is followed where the allow list lets it be, and not at all where it may only be inside of
// another object.
func TestScope(t *testing.T) {
	t.Parallel()
	rules, err := loadRules(&Config{Mappings: []string{"kubernetes", "argocd", "ocm-manifestwork", "aeros-k8s"}, Namespace: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for kind, namespaces := range rules.scope("default") {
		got[kind.Kind] = namespaces
	}
	want := map[string][]string{
		"Deployment": {"edge"}, "Job": {"edge"}, "Service": {"edge"}, "Secret": {"edge"},
		"ServiceComponentK8s": {"edge"}, "Application": {"argocd"}, "ManifestWork": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	narrow := scopeOf(rules.Set, rules.policy.For(mapping.Default(), "edge"))
	if len(narrow) != 1 {
		t.Errorf("follows %v, of which only ServiceComponentK8s is allowed", narrow)
	}
	for kind, namespaces := range union(narrow, rules.scope("default")) {
		if kind.Kind == "ServiceComponentK8s" {
			want[kind.Kind] = []string{"edge", "edge"}
		}
		if diff := cmp.Diff(want[kind.Kind], namespaces); diff != "" {
			t.Errorf("%s in both (-want +got):\n%s", kind.Kind, diff)
		}
	}
}

// TestRightsOnTheLease: of the Leases only the one of the election may be read and changed, where its name is known.
func TestRightsOnTheLease(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		want []string
	}{
		"named":         {Config{AgentID: "edge-1"}, []string{"create []", "get update [hlo-agent-edge-1]"}},
		"by its domain": {Config{Domains: []string{"urn:ngsi-ld:Domain:mill"}}, []string{"create []", "get update [hlo-agent-mill.edge]"}},
		"not known yet": {Config{}, []string{"get create update []"}},
	} {
		c.cfg.Namespace = "edge"
		r := rights{}
		r.elect(&c.cfg)
		var got []string
		for _, rule := range r["edge"] {
			got = append(got, strings.Join(rule.Verbs, " ")+" ["+strings.Join(rule.ResourceNames, " ")+"]")
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
