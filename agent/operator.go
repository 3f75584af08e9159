package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// The commands for people read broker and clusters themselves, with the settings of
// `run`, so that what they say is true while no agent runs.

// domainPatience is how long they ask the broker which domain it is of.
const domainPatience = 5 * time.Second

// operatorCommands are those for people.
func operatorCommands(getenv func(string) string) []*cobra.Command {
	var all []*cobra.Command
	for _, make := range []func(*operator) *cobra.Command{
		statusCommand, describeCommand, whyCommand, reconcileCommand, pauseCommand, resumeCommand,
	} {
		o := &operator{getenv: getenv}
		cmd := make(o)
		o.flags(cmd)
		all = append(all, cmd)
	}
	return all
}

// operator is how one command for people reaches what it looks at.
type operator struct {
	getenv                         func(string) string
	namespace, kubeconfig, context string // flags
}

func (o *operator) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.namespace, "namespace", "n", "", "namespace of the resources; NAMESPACE is the default")
	cmd.Flags().StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; KUBECONFIG is the default")
	cmd.Flags().StringVar(&o.context, "context", "", "context of the kubeconfig; its current one is the default")
	o.getenv = tenantFlag(cmd.Flags(), o.getenv)
}

// settings are those of the agent, with what flags say instead.
func (o *operator) settings(ctx context.Context) (commandConfig, error) {
	given := map[string]string{"NAMESPACE": o.namespace, "KUBECONFIG": o.kubeconfig}
	cfg, err := loadOne(ctx, notListening(func(name string) string {
		if value := given[name]; value != "" {
			return value
		}
		return o.getenv(name)
	}))
	if err != nil {
		return cfg, fmt.Errorf("wrong settings:\n%w", err)
	}
	switch t := cfg.tenant; {
	case t.namespace != "" && o.namespace != "" && o.namespace != t.namespace:
		return cfg, fmt.Errorf("--namespace %s: the resources of tenant %s are in %s, by TENANTS_FILE", o.namespace, t.name, t.namespace)
	case t.kubeconfig != "" && o.kubeconfig != "" && o.kubeconfig != t.kubeconfig:
		return cfg, fmt.Errorf("--kubeconfig: the cluster of tenant %s is that of its kubeconfig in TENANTS_FILE", t.name)
	}
	return cfg, nil
}

// reach gives settings and the broker's client. Which domain it is about is asked
// of the broker where no setting says it.
func (o *operator) reach(cmd *cobra.Command) (commandConfig, *ngsild.Client, error) {
	cfg, err := o.settings(cmd.Context())
	if err != nil {
		return cfg, nil, err
	}
	client, err := newClient(&cfg.Config, nil)
	if err != nil {
		return cfg, nil, err
	}
	asking, cancel := context.WithTimeout(cmd.Context(), domainPatience)
	defer cancel()
	h := newHealth()
	if err := askDomains(asking, &cfg.Config, client, newLogger(&Config{LogLevel: "error"}, cmd.ErrOrStderr()), h); err != nil {
		return cfg, nil, fmt.Errorf("DOMAIN_ID is not set, and %s: %s", brokerName(&cfg.Config), h.details["broker"])
	}
	cfg.AgentID, err = cfg.agentID()
	return cfg, client, err
}

// brokerName names the broker and the settings that lead to it.
func brokerName(cfg *Config) string {
	base, err := cfg.brokerBase()
	if err != nil {
		return "the broker (CB_URL)"
	}
	name := "the broker " + base + " (CB_URL"
	if cfg.Tenant != "" {
		name += ", tenant " + cfg.Tenant + " by NGSILD_TENANT"
	}
	return name + ")"
}

// ofBroker says of an error of the broker which setting to look at.
func ofBroker(cfg *Config, err error) error {
	var answer *ngsild.ProblemError
	hint := ""
	if errors.As(err, &answer) && (answer.Status == 401 || answer.Status == 403) {
		hint = "; look at CB_TOKEN or CB_OAUTH_TOKEN_URL"
	}
	return fmt.Errorf("%s: %w%s", brokerName(cfg), err, hint)
}

// dial is how a person's kubectl reaches clusters: by the kubeconfig that a flag or
// KUBECONFIG names, several with the list separator, or by that in the home folder;
// inside of a cluster without any it is that cluster.
func (o *operator) dial(ofAgent string) func(string) (*rest.Config, error) {
	return func(kubeconfig string) (*rest.Config, error) {
		if kubeconfig != ofAgent {
			return restConfig(kubeconfig) // of another cluster in CLUSTERS
		}
		rules := &clientcmd.ClientConfigLoadingRules{Precedence: filepath.SplitList(kubeconfig)}
		switch len(rules.Precedence) {
		case 0:
			rules.Precedence = []string{clientcmd.RecommendedHomeFile}
		case 1:
			rules.ExplicitPath = kubeconfig
		}
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.context}).ClientConfig()
		if clientcmd.IsEmptyConfig(err) {
			return nil, errors.New("not set, and there is no kubeconfig in the home folder; it names the cluster to look at")
		}
		if err != nil {
			return nil, err
		}
		return identified(config), nil
	}
}
