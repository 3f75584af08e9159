package agent

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// clusterText is a cluster as a file of CLUSTERS holds it.
func clusterText(name, spec string) string {
	return "apiVersion: hlo-agent.github.io/v1alpha1\nkind: Cluster\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n"
}

// tableOf reads a folder with these files.
func tableOf(t *testing.T, files map[string]string, secrets ...clusterSecret) (*clusterTable, error) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &tableReader{paths: []string{folder}, dial: func(path string) (*rest.Config, error) {
		if _, err := os.Stat(path); err != nil {
			return nil, errors.New("not there")
		}
		return &rest.Config{Host: filepath.Base(path)}, nil
	}}
	if secrets != nil {
		r.secrets = func(context.Context) ([]clusterSecret, error) { return secrets, nil }
	}
	return r.read(t.Context())
}

func TestTable(t *testing.T) {
	t.Parallel()
	table, err := tableOf(t, map[string]string{
		"a.yaml":    clusterText("edge", "orchestrators: ['urn:ngsi-ld:LowLevelOrchestrator:P:k8s'], domains: [Mill01], kubeconfig: edge.conf"),
		"b.yml":     clusterText("default", "orchestrators: ['Mill01:docker']") + "---\n" + clusterText("lost", "domains: ['urn:ngsi-ld:Domain:Far'], kubeconfig: nowhere"),
		"c.yaml":    "apiVersion: v1\nkind: Config\n",
		"edge.conf": "",
	}, clusterSecret{name: "s", cluster: "core", domains: "Core1, Core2\nCore3", kubeconfig: "apiVersion: v1\nkind: Config\n" +
		"clusters: [{name: c, cluster: {server: 'https://core'}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ orchestrator, domain, want string }{
		{"urn:ngsi-ld:LowLevelOrchestrator:P:k8s", "urn:ngsi-ld:Domain:P", "edge"},
		{"P:k8s", "P", "edge"},
		{"urn:ngsi-ld:LowLevelOrchestrator:Mill01:k8s", "urn:ngsi-ld:Domain:Mill01", "edge"},
		{"urn:ngsi-ld:LowLevelOrchestrator:Mill01:docker", "urn:ngsi-ld:Domain:Mill01", "default"},
		{"urn:ngsi-ld:LowLevelOrchestrator:X:k8s", "urn:ngsi-ld:Domain:X", "default"},
		{"", "urn:ngsi-ld:Domain:Far", "lost"}, {"", "Core2", "core"}, {"", "", "default"},
	} {
		if got := table.of(ngsild.EntityID(c.orchestrator), ngsild.EntityID(c.domain)); got != c.want {
			t.Errorf("%s of %s belongs on %s, want %s", c.orchestrator, c.domain, got, c.want)
		}
	}
	if names := slices.Sorted(maps.Keys(table.connections)); !slices.Equal(names, []string{"core", "edge", "lost"}) {
		t.Errorf("clusters %v", names)
	}
	if c := table.connections["edge"]; c.err != nil || c.rest.Host != "edge.conf" {
		t.Errorf("edge: %+v", c)
	}
	if c := table.connections["core"]; c.err != nil || c.rest.Host != "https://core" {
		t.Errorf("core: %+v", c)
	}
	if c := table.connections["lost"]; c.err == nil {
		t.Error("a kubeconfig that is not there was taken")
	}
}

func TestTableThatIsWrong(t *testing.T) {
	t.Parallel()
	good := clusterText("edge", "domains: [A], kubeconfig: k")
	for name, c := range map[string]struct{ text, want string }{
		"another kind":       {strings.Replace(good, "Cluster", "Policy", 1), "kind Cluster"},
		"an unknown key":     {clusterText("edge", "domains: [A], kubeconfig: k, context: x"), "context"},
		"no name":            {clusterText("''", "domains: [A], kubeconfig: k"), "is no name of a cluster"},
		"a bad name":         {clusterText("Edge_1", "domains: [A], kubeconfig: k"), "is no name of a cluster"},
		"no kubeconfig":      {clusterText("edge", "domains: [A]"), "needs spec.kubeconfig"},
		"default with one":   {clusterText("default", "domains: [A], kubeconfig: k"), "needs spec.kubeconfig"},
		"bound to nothing":   {clusterText("edge", "kubeconfig: k"), "bound to no orchestrator"},
		"twice":              {good + "---\n" + clusterText("edge", "domains: [B], kubeconfig: k"), "is there twice"},
		"a domain of two":    {good + "---\n" + clusterText("core", "domains: ['urn:ngsi-ld:Domain:A'], kubeconfig: k"), "urn:ngsi-ld:Domain:A is bound to the cluster edge too"},
		"not YAML":           {"{", "yaml"},
		"all that is wrong":  {clusterText("X", "domains: [A]") + "---\n" + clusterText("Y_", "domains: [A], kubeconfig: k"), "needs spec.kubeconfig"},
		"a list, not a text": {clusterText("edge", "domains: A, kubeconfig: k"), "yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tableOf(t, map[string]string{"a.yaml": c.text})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q in it, of\n%s", err, c.want, c.text)
			}
		})
	}
}

// A kubeconfig in a Secret can neither run programs nor read files here, and its
// errors show nothing of it.
func TestKubeconfigOfSecret(t *testing.T) {
	t.Parallel()
	text := func(user, cluster string) string {
		return "apiVersion: v1\nkind: Config\nusers: [{name: u, user: {" + user + "}}]\nclusters: [{name: c, cluster: {" + cluster + "}}]\n" +
			"contexts: [{name: c, context: {cluster: c, user: u}}]\ncurrent-context: c\n"
	}
	if c, err := restConfigOf([]byte(text("token: s3cret", "server: 'https://there:6443'"))); err != nil || c.Host != "https://there:6443" || c.BearerToken != "s3cret" {
		t.Errorf("%v %v", c, err)
	}
	for name, bad := range map[string]string{
		"a program":        text("exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/s3cret, interactiveMode: Never}", "server: 'https://there'"),
		"a provider":       text("auth-provider: {name: s3cret}", "server: 'https://there'"),
		"a token file":     text("tokenFile: /etc/s3cret", "server: 'https://there'"),
		"a certificate":    text("client-certificate: /etc/s3cret, client-key: /etc/s3cret", "server: 'https://there'"),
		"an authority":     text("token: s3cret", "server: 'https://there', certificate-authority: /etc/s3cret"),
		"no server":        text("token: s3cret", "tls-server-name: s3cret"),
		"no context":       "apiVersion: v1\nkind: Config\nusers: [{name: u, user: {token: s3cret}}]\n",
		"nothing":          "",
		"not YAML":         "s3cret: {",
		"something else":   "s3cret",
		"a wrong document": "apiVersion: v1\nkind: Secret\ndata: {a: s3cret}\n",
	} {
		if c, err := restConfigOf([]byte(bad)); err == nil {
			t.Errorf("%s: taken as %s", name, c.Host)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v shows a secret", name, err)
		}
	}
}
