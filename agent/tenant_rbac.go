package agent

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// printTenantRights prints the rights of each tenant's account in its namespace, and
// that the agent's account may act as it there, if there is one. Rights beyond a
// namespace would be a way to other tenants, and are refused.
func printTenantRights(getenv func(string) string, name, account string, w io.Writer) error {
	all, err := readTenants(strings.TrimSpace(getenv("TENANTS_FILE")))
	if err != nil {
		return err
	}
	var wrong []error
	for _, t := range all {
		if t.account == "" {
			continue // who made its kubeconfig gives the rights
		}
		rights, err := t.rights(getenv)
		if err == nil {
			err = printRights(rights, name, t.namespace+"/"+t.account, w)
		}
		if err == nil && account != "" {
			err = printRights(t.impersonation(), name+"-acts-as-tenant", account, w)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("tenant %s: %w", t.name, err))
		}
	}
	return errors.Join(wrong...)
}

// rights are what the tenant's account needs.
func (t *tenant) rights(getenv func(string) string) (rights, error) {
	its := t.env(getenv)
	loaded, err := loadRules(&Config{Mappings: words(its("MAPPINGS")), Policies: words(its("POLICY")), Namespace: t.namespace})
	if err != nil {
		return nil, err
	}
	r := rightsOf(loaded.policy.In(defaultCluster))
	r.tell(t.namespace)
	if slices.Contains(words(its("CLUSTERS")), clusterSecrets) {
		r.add(t.namespace, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}})
	}
	if elects, err := strconv.ParseBool(strings.TrimSpace(its("LEADER_ELECTION"))); err == nil && elects {
		r.elect(&Config{AgentID: strings.TrimSpace(its("AGENT_ID")), Domains: words(its("DOMAIN_ID")), Namespace: t.namespace})
	}
	for namespace := range r {
		switch namespace {
		case t.namespace:
		case "":
			return nil, errors.New("its mappings and policies ask for rights in the whole cluster")
		default:
			return nil, fmt.Errorf("its mappings and policies ask for rights in %s, which is not its namespace", namespace)
		}
	}
	return r, nil
}

// impersonation is the right to act as the tenant's account, and as nobody else.
func (t *tenant) impersonation() rights {
	return rights{t.namespace: {{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{t.account}, Verbs: []string{"impersonate"}}}}
}
