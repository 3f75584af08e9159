package mapping_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/mapping"
)

func TestAttributesOfShippedMappings(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"component": {
			"cliArgs", "containerImage", "envVars", "exposePorts", "infrastructureElement", "isJob", "isPrivate",
			"networkOverlay", "networkPorts", "repoPassword", "repoUsername", "service",
		},
		"element":      {"containerTechnology", "domain", "hostname", "lowLevelOrchestrator"},
		"orchestrator": {"orchestrationType"},
		"domain":       {},
		"service":      {},
		"port":         {"number", "portNumber", "portProtocol", "protocol"},
	}
	if diff := cmp.Diff(want, shared(t).Attributes()); diff != "" {
		t.Errorf("aerOS mappings (-want +got):\n%s", diff)
	}
	all := allShipped(t).Attributes()
	for role, names := range all {
		if names == nil {
			t.Errorf("a shipped mapping reads a whole %s", role)
		}
	}
	want["component"] = []string{
		"chart", "chartValues", "cliArgs", "containerImage", "deployAs", "envVars", "exposePorts", "infrastructureElement",
		"isJob", "isPrivate", "networkOverlay", "networkPorts", "repoPassword", "repoUsername", "repositoryPath", "repositoryUrl", "service",
		"targetRevision",
	}
	want["element"] = []string{"containerTechnology", "cpuArchitecture", "deployAs", "domain", "hostname", "lowLevelOrchestrator"}
	want["orchestrator"] = []string{"applicationNamespace", "clusterNamespace", "clusterServer", "deployAs", "orchestrationType"}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("all mappings (-want +got):\n%s", diff)
	}
}

// TestAttributes: whatever may read more than the names written down is all.
func TestAttributes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression, role string
		want             []string // nil: all
	}{
		{"domain.owner", "domain", []string{"owner"}},
		{"domain.?owner", "domain", []string{"owner"}},
		{`domain["owner"]`, "domain", []string{"owner"}},
		{`domain[?"owner"]`, "domain", []string{"owner"}},
		{"text(domain.owner)", "domain", []string{"owner"}},
		{`text(domain.owner, "x")`, "domain", []string{"owner"}},
		{"text(domain.?owner)", "domain", []string{"owner"}},
		{"text(domain.owner.name)", "domain", []string{"owner"}},
		{"has(domain.owner)", "domain", []string{"owner"}},
		{`"owner" in domain`, "domain", []string{"owner"}},
		{"domain.id", "domain", []string{}},
		{"domain[component.n]", "domain", nil},
		{"component.n in domain", "domain", nil},
		{"domain.map(k, k)", "domain", nil},
		{"size(domain)", "domain", nil},
		{"cel.bind(d, domain, d.owner)", "domain", nil},
		{"[1].map(domain, domain)", "domain", []string{}},
		{"[domain].map(d, d.owner)", "domain", nil},
		{"ports[0].portNumber", "port", []string{"number", "portNumber"}},
		{"ports[?0].?other", "port", []string{"other"}},
		{"ports[component.n].other", "port", nil},
		{"ports.map(p, p.other)", "port", []string{"other"}},
		{"ports.filter(p, p.a == 1).map(p, p.b)", "port", []string{"a", "b"}},
		{"ports.filter(p, p.a == 1).filter(p, p.b == 1).map(p, p.c)", "port", []string{"a", "b", "c"}},
		{"ports.filter(p, p.a == 1)[0].b", "port", []string{"a", "b"}},
		{"ports.exists(p, p.a == 1)", "port", []string{"a"}},
		{"size(ports)", "port", []string{}},
		{"ports.map(p, p).map(q, q.a)", "port", nil},
		{"ports.map(p, [p])", "port", nil},
		{"ports.filter(p, size([p]) == 1).map(p, p.a)", "port", nil},
		{"ports.filter(p, true)", "port", nil},
		{"ports.map(p, p[p.a])", "port", nil},
	} {
		t.Run(c.expression, func(t *testing.T) {
			t.Parallel()
			set := load(t, like("m", "", "data:\n  value: >-\n    ${"+c.expression+"}"))
			if diff := cmp.Diff(c.want, set.Attributes()[c.role]); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	set := load(t, like("m", "let: {tcp: 'ports.filter(p, p.a == 1)'}", "data: {a: b}"))
	if got := set.Attributes()["port"]; got != nil {
		t.Errorf("ports under another name: got %q", got)
	}
}

func TestMappings(t *testing.T) {
	t.Parallel()
	got := allShipped(t).Mappings()
	want := mapping.Info{
		Name: "kubernetes", Description: "Deployment or Job, Service, pull Secret", File: "mappings/kubernetes.yaml",
		Priority: 10, Kinds: []string{"Deployment", "Job", "Service", "Secret"},
	}
	if diff := cmp.Diff(want, got[2]); diff != "" {
		t.Error(diff)
	}
	for i, name := range allShipped(t).Names() {
		if got[i].Name != name || got[i].Description == "" {
			t.Errorf("%d: got %+v, want %s with a description", i, got[i], name)
		}
	}
}
