package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// clusterTable says which clusters there are beside the default one, and which
// components belong on them: those that are placed on elements of an
// orchestrator or, where that is bound to none, of a domain. It is immutable.
type clusterTable struct {
	connections            map[string]connection // by name of the cluster
	orchestrators, domains map[string]string     // the name of a cluster, by id without prefixes
	digest                 string
}

// connection is how a cluster is reached.
type connection struct {
	rest   *rest.Config
	err    error  // why there is no rest
	digest string // the same while nothing changed
}

// of is the name of the cluster for the elements of an orchestrator and domain.
func (t *clusterTable) of(orchestrator, domain ngsild.EntityID) string {
	if name, bound := t.orchestrators[orchestratorName(string(orchestrator))]; bound {
		return name
	}
	if name, bound := t.domains[domainName(string(domain))]; bound {
		return name
	}
	return defaultCluster
}

func orchestratorName(id string) string {
	return strings.TrimPrefix(strings.TrimPrefix(id, "urn:ngsi-ld:"), "LowLevelOrchestrator:")
}

// clusterSecrets is the word in CLUSTERS for labelled Secrets.
const clusterSecrets = "secrets"

// tableReader reads what CLUSTERS names.
type tableReader struct {
	kubeconfig string // of the default cluster; empty: it is the one that the agent runs in
	paths      []string
	secrets    func(ctx context.Context) ([]clusterSecret, error) // nil: none are asked for
	dial       func(kubeconfig string) (*rest.Config, error)

	listed []clusterSecret // as they were
	at     time.Time
}

// secretsInterval is how often the Secrets are listed.
const secretsInterval = 10 * time.Second

func (r *tableReader) list(ctx context.Context) error {
	if time.Since(r.at) < secretsInterval {
		return nil
	}
	listed, err := r.secrets(ctx)
	if err == nil {
		r.listed, r.at = listed, time.Now()
	}
	return err
}

// read gives the table, or everything that is wrong with it. A kubeconfig that
// cannot be used is an error of its cluster alone.
func (r *tableReader) read(ctx context.Context) (*clusterTable, error) {
	b := tableBuilder{table: clusterTable{connections: map[string]connection{}, orchestrators: map[string]string{}, domains: map[string]string{}}}
	sources, err := mapping.ReadPaths(r.paths...)
	if err != nil {
		b.wrong = append(b.wrong, err)
	}
	for _, s := range sources {
		b.file(s, r.dial)
	}
	if r.secrets != nil {
		if err := r.list(ctx); err != nil {
			return nil, fmt.Errorf("list Secrets with the label %s: %w", clusterLabel, err)
		}
		for _, s := range r.listed {
			b.add(s.entry(), s.connection())
		}
	}
	if len(b.wrong) > 0 {
		return nil, errors.Join(b.wrong...)
	}
	if r.kubeconfig != "" {
		c := fileConnection("", r.kubeconfig, r.dial)
		b.table.connections[defaultCluster] = c
		b.texts = append(b.texts, c.digest)
	}
	b.table.digest = b.digest()
	return &b.table, nil
}

// entry is one cluster as it was written.
type entry struct {
	where, name            string
	orchestrators, domains []string
}

type tableBuilder struct {
	table clusterTable
	texts []string // what the digest is made of
	wrong []error
}

func (b *tableBuilder) problem(where, format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

func (b *tableBuilder) add(e entry, c connection) {
	switch _, twice := b.table.connections[e.name]; {
	case !dnsLabel.MatchString(e.name):
		b.problem(e.where, "%q is no name of a cluster: lower case letters, digits and '-', 63 at most", e.name)
	case twice:
		b.problem(e.where, "the cluster %s is there twice", e.name)
	case len(e.orchestrators)+len(e.domains) == 0:
		b.problem(e.where, "the cluster %s is bound to no orchestrator and no domain", e.name)
	}
	if e.name != defaultCluster {
		b.table.connections[e.name] = c
	}
	b.bind(b.table.orchestrators, e, e.orchestrators, orchestratorName)
	b.bind(b.table.domains, e, e.domains, domainName)
	b.texts = append(b.texts, fmt.Sprintf("%q %q %q %s", e.name, e.orchestrators, e.domains, c.digest))
}

func (b *tableBuilder) bind(to map[string]string, e entry, ids []string, short func(string) string) {
	for _, id := range ids {
		if before, twice := to[short(id)]; twice {
			b.problem(e.where, "%s is bound to the cluster %s too", id, before)
		}
		to[short(id)] = e.name
	}
}

func (b *tableBuilder) digest() string {
	slices.Sort(b.texts)
	return digestText(strings.Join(b.texts, "\n"))
}

func digestText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// clusterDocument is a cluster in a file of CLUSTERS.
type clusterDocument struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Orchestrators []string `yaml:"orchestrators"`
		Domains       []string `yaml:"domains"`
		Kubeconfig    string   `yaml:"kubeconfig"`
	} `yaml:"spec"`
}

// file takes in the documents of a file. A kubeconfig among them is passed over:
// it may lie in the same folder.
func (b *tableBuilder) file(s mapping.Source, dial func(string) (*rest.Config, error)) {
	var kind struct {
		Kind string `yaml:"kind"`
	}
	if err := yaml.Unmarshal(s.Data, &kind); err == nil && kind.Kind == "Config" {
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(s.Data))
	decoder.KnownFields(true)
	for {
		var d clusterDocument
		err := decoder.Decode(&d)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.problem(s.Name, "%v", withoutValues(err))
			return
		}
		e := entry{s.Name, d.Metadata.Name, d.Spec.Orchestrators, d.Spec.Domains}
		switch {
		case d.APIVersion != "hlo-agent.github.io/v1alpha1" || d.Kind != "Cluster":
			b.problem(s.Name, "want apiVersion hlo-agent.github.io/v1alpha1 and kind Cluster")
			continue
		case (d.Spec.Kubeconfig == "") != (e.name == defaultCluster):
			b.problem(s.Name, "every cluster needs spec.kubeconfig but the one called %s, which must have none", defaultCluster)
			continue
		}
		path := d.Spec.Kubeconfig
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(s.Name), path)
		}
		b.add(e, fileConnection(e.name, path, dial))
	}
}

func fileConnection(name, path string, dial func(string) (*rest.Config, error)) connection {
	if name == defaultCluster {
		return connection{}
	}
	text, err := os.ReadFile(path)
	c := connection{digest: digestText(fmt.Sprintf("%s %v %s", path, err, text))}
	c.rest, c.err = dial(path)
	c.err = withoutUsers(c.err)
	if c.err == nil && addressUser.MatchString(c.rest.Host) {
		c.err = errors.New("the server's address has a user or a password in it, which do not belong there; it is not shown")
	}
	return c
}
