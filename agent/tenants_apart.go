package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
)

// territory is where a tenant may be: its namespace, and the clusters that it reaches.
type territory struct {
	tenant
	cfg  *Config
	ways map[string]*rest.Config // by name of the cluster
}

// keepApart gives the territories of all tenants, or says where two of them would
// meet, as far as the settings show it. own leads to the agent's own cluster.
func keepApart(all []tenant, configs []Config, own string, dial func(string) (*rest.Config, error)) ([]territory, error) {
	places := make([]territory, len(all))
	var wrong []error
	for i := range all {
		var err error
		if places[i], err = all[i].territory(&configs[i], dial); err != nil {
			wrong = append(wrong, fmt.Errorf("tenant %s: %w", all[i].name, err))
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	for i := range places {
		if mine, err := dial(own); err == nil && places[i].account == "" && places[i].actsAs(mine) {
			wrong = append(wrong, fmt.Errorf("tenant %s: its kubeconfig is of the agent's own account, which may act as other tenants", places[i].name))
		}
		for j := range places[:i] {
			wrong = append(wrong, places[j].meets(&places[i]))
		}
		loaded, err := loadRules(places[i].cfg)
		if err == nil {
			err = places[i].within(loaded, places)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("tenant %s: %w", places[i].name, err))
		}
	}
	return places, errors.Join(wrong...)
}

// territory finds out which clusters a tenant reaches. Those of Secrets are known
// only when it runs; who makes these has the credentials in them.
func (t *tenant) territory(cfg *Config, dial func(string) (*rest.Config, error)) (territory, error) {
	place := territory{*t, cfg, map[string]*rest.Config{}}
	dial = t.kubernetes(dial)
	own := fileConnection("", cfg.Kubeconfig, dial)
	if own.err != nil {
		return place, fmt.Errorf("KUBECONFIG: %w", own.err)
	}
	reader, err := newTableReader(cfg, dial, own.rest)
	if err != nil {
		return place, err
	}
	reader.secrets = nil
	table, err := reader.read(context.Background())
	if err != nil {
		return place, fmt.Errorf("CLUSTERS: %w", err)
	}
	for name, c := range table.connections {
		if c.err == nil && c.rest != nil { // what cannot be used is said by the loop
			place.ways[name] = c.rest
		}
	}
	place.ways[defaultCluster] = own.rest
	return place, nil
}

// meets says what two tenants share that they must not.
func (p *territory) meets(other *territory) error {
	topics := func(c *Config) bool {
		return slices.ContainsFunc(p.cfg.KafkaServers, func(server string) bool { return slices.Contains(c.KafkaServers, server) })
	}
	if p.cfg.KafkaTopic == other.cfg.KafkaTopic && topics(other.cfg) {
		return fmt.Errorf("tenants %s and %s read one topic, %s, in which nothing says for whom a message is", p.name, other.name, p.cfg.KafkaTopic)
	}
	for _, name := range slices.Sorted(maps.Keys(p.ways)) {
		server := serverOf(p.ways[name])
		switch {
		case !other.reaches(server):
		case p.namespace == other.namespace:
			return fmt.Errorf("tenants %s and %s have one namespace, %s, in one cluster, %s", p.name, other.name, p.namespace, server)
		case other.actsAs(p.ways[name]):
			return fmt.Errorf("tenants %s and %s are one account in one cluster, %s", p.name, other.name, server)
		}
	}
	return nil
}

// within says whether mappings and policies of the tenant let it write where another is.
func (p *territory) within(r *rules, all []territory) error {
	for _, name := range slices.Sorted(maps.Keys(p.ways)) {
		server := serverOf(p.ways[name])
		for _, a := range r.policy.In(name).Allowed() {
			for i := range all {
				if other := &all[i]; len(a.Within) == 0 && other.name != p.name && other.reaches(server) &&
					(slices.Contains(a.Namespaces, "*") || slices.Contains(a.Namespaces, other.namespace)) {
					return fmt.Errorf("its mappings and policies let it write %s into %s, the namespace of tenant %s", strings.Join(a.Kinds, ", "), other.namespace, other.name)
				}
			}
		}
	}
	return nil
}

func (p *territory) reaches(server string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(p.ways)), func(way *rest.Config) bool { return serverOf(way) == server })
}

// actsAs says whether the tenant comes to a cluster with the very credentials of another way there.
func (p *territory) actsAs(way *rest.Config) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(p.ways)), func(own *rest.Config) bool {
		return serverOf(own) == serverOf(way) && wayInto(own) == wayInto(way)
	})
}

// serverOf is the address of an API server, the same however it is written.
func serverOf(way *rest.Config) string {
	u, _, err := rest.DefaultServerUrlFor(way)
	if err != nil {
		return way.Host // which nothing is reached by
	}
	if u.Port() == "" {
		u.Host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	return strings.ToLower(u.Scheme+"://"+u.Host) + strings.TrimRight(u.Path, "/")
}

// wayInto is the same for the same credentials.
func wayInto(way *rest.Config) string {
	return digestText(fmt.Sprintf("%q %q %q %q %q %q %q %v %+v", way.Username, way.Password, way.BearerToken, way.BearerTokenFile, way.CertFile, way.CertData,
		way.Impersonate.UserName, way.AuthProvider, way.ExecProvider))
}
