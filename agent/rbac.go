package agent

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
)

func rbacCommand(getenv func(string) string) *cobra.Command {
	var mappings, policies []string
	var namespace, name, account, cluster string
	fromSecrets := slices.Contains(words(getenv("CLUSTERS")), clusterSecrets)
	elects, _ := strconv.ParseBool(strings.TrimSpace(getenv("LEADER_ELECTION"))) // what is no boolean ends the agent, not this
	cmd := &cobra.Command{
		Use: "rbac [--mapping NAME|PATH]... [--policy PATH]...", Args: cobra.NoArgs,
		Short: "Print the rights in the cluster that the allow list asks for, as Roles and ClusterRoles",
		Long: "Prints what the agent must be allowed to do in the cluster, and no more: what the policy's allow list lets\n" +
			"the mappings produce, in the namespaces in which it lets them. A ClusterRole is printed only for what may be\n" +
			"in any namespace, or in none. With --service-account the bindings come with it. Nothing is sent anywhere.\n" +
			"If CLUSTERS asks for Secrets, the right to list them in the default cluster is among them, and with\n" +
			"LEADER_ELECTION that to keep the Lease of the election: the one of AGENT_ID or of DOMAIN_ID, any if neither is set.",
		Example: "  hlo-agent rbac | kubectl auth reconcile -f -\n  hlo-agent rbac --mapping kubernetes --mapping argocd --namespace edge --service-account edge/hlo-agent",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if getenv("TENANTS_FILE") != "" {
				return printTenantRights(getenv, name, account, cmd.OutOrStdout())
			}
			loaded, err := loadRules(&Config{Mappings: mappings, Policies: policies, Namespace: namespace})
			if err != nil {
				return err
			}
			rights := rightsOf(loaded.policy.In(cluster))
			rights.tell(namespace)
			if fromSecrets && cluster == defaultCluster {
				rights.add(namespace, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}})
			}
			if elects && cluster == defaultCluster {
				rights.elect(&Config{AgentID: strings.TrimSpace(getenv("AGENT_ID")), Domains: words(getenv("DOMAIN_ID")), Namespace: namespace})
			}
			return printRights(rights, name, account, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringSliceVar(&mappings, "mapping", words(getenv("MAPPINGS")), "as in MAPPINGS, which is the default")
	cmd.Flags().StringSliceVar(&policies, "policy", words(getenv("POLICY")), "as in POLICY, which is the default")
	cmd.Flags().StringVar(&namespace, "namespace", cmp.Or(strings.TrimSpace(getenv("NAMESPACE")), "default"), "namespace of the objects; NAMESPACE is the default")
	cmd.Flags().StringVar(&cluster, "cluster", defaultCluster, "the cluster that the rights are for; see CLUSTERS")
	cmd.Flags().StringVar(&name, "name", "hlo-agent", "name of the roles and bindings")
	cmd.Flags().StringVar(&account, "service-account", "", "NAMESPACE/NAME of the account to bind them to")
	return cmd
}

// words are the items of a setting that is a list with commas.
func words(setting string) []string {
	var words []string
	for word := range strings.SplitSeq(setting, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// rights are RBAC rules by namespace; those without one hold in the whole cluster.
type rights map[string][]rbacv1.PolicyRule

// add adds a rule, unless what is there grants it already.
func (r rights) add(namespace string, rule rbacv1.PolicyRule) {
	for _, at := range []string{namespace, ""} {
		for _, there := range r[at] {
			if there.APIGroups[0] == rule.APIGroups[0] && slices.Contains(there.Resources, rule.Resources[0]) {
				return
			}
		}
	}
	r[namespace] = append(r[namespace], rule)
}

// tell adds the right to tell Events wherever there are objects, and in the namespace
// where Events on components without any are.
func (r rights) tell(namespace string) {
	if _, there := r[namespace]; !there {
		r[namespace] = nil
	}
	for place := range r {
		r[place] = append(r[place], rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}})
	}
}

// elect adds the right to keep the Lease of the election, and no other if its name is known before the broker was asked
// for the domain. A create cannot be bound to a name.
func (r rights) elect(cfg *Config) {
	leases := func(verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: verbs}
	}
	id, err := cfg.agentID()
	if err != nil {
		r[cfg.Namespace] = append(r[cfg.Namespace], leases("get", "create", "update"))
		return
	}
	own := leases("get", "update")
	own.ResourceNames = []string{leaseName(id)}
	r[cfg.Namespace] = append(r[cfg.Namespace], leases("create"), own)
}

// objectVerbs are what package llo does with the objects that it is given: it lists and watches their kinds,
// reads one by its name, makes and changes them by server-side apply (a create is a patch that needs both
// rights), and deletes them.
func objectVerbs() []string {
	return []string{"get", "list", "watch", "create", "patch", "delete"}
}

// rightsOf are the rights that match the allow list: no kind and no namespace more, and none less. What is only
// allowed inside of other objects needs none. A namespace needs no rule for what the whole cluster has one for.
func rightsOf(policy *mapping.Policy) rights {
	resources := map[string]map[string][]string{} // by namespace and group
	for _, a := range policy.Allowed() {
		if len(a.Within) > 0 {
			continue
		}
		for _, namespace := range a.Namespaces {
			if namespace == "*" {
				namespace = ""
			}
			if resources[namespace] == nil {
				resources[namespace] = map[string][]string{}
			}
			resources[namespace][a.Group] = append(resources[namespace][a.Group], a.Resources...)
		}
	}
	r := rights{}
	for namespace, groups := range resources {
		for _, group := range slices.Sorted(maps.Keys(groups)) {
			names := slices.DeleteFunc(groups[group], func(name string) bool {
				return namespace != "" && slices.Contains(resources[""][group], name)
			})
			slices.Sort(names)
			if names = slices.Compact(names); len(names) > 0 {
				r[namespace] = append(r[namespace], rbacv1.PolicyRule{APIGroups: []string{group}, Resources: names, Verbs: objectVerbs()})
			}
		}
	}
	return r
}

// printRights prints a ClusterRole and Roles of one name, and their bindings if there is an account.
func printRights(r rights, name, account string, w io.Writer) error {
	accountNamespace, accountName, isPair := strings.Cut(account, "/")
	if account != "" && (!isPair || accountNamespace == "" || accountName == "") {
		return fmt.Errorf("--service-account %q is not NAMESPACE/NAME", account)
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: accountNamespace, Name: accountName}}
	for _, namespace := range slices.Sorted(maps.Keys(r)) {
		at := metav1.ObjectMeta{Name: name, Namespace: namespace}
		kind := "Role"
		if namespace == "" {
			kind = "ClusterRole"
		}
		documents := []any{rbacv1.Role{TypeMeta: rbacType(kind), ObjectMeta: at, Rules: r[namespace]}}
		if account != "" {
			documents = append(documents, rbacv1.RoleBinding{
				TypeMeta: rbacType(kind + "Binding"), ObjectMeta: at, Subjects: subjects,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name},
			})
		}
		for _, document := range documents {
			text, err := yaml.Marshal(document)
			if err != nil {
				return fmt.Errorf("print %s %s: %w", kind, name, err)
			}
			if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
				return err
			}
		}
	}
	return nil
}

func rbacType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}
