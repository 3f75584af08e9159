package agent

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/rest"
)

// tenant is one tenant of the broker, with a namespace and rights of its own. What
// happens for it is done by a loop of its own, which shares nothing with the others
// but the process, the listeners and the settings that say nothing of rights.
type tenant struct {
	name, namespace string
	account         string // impersonated in namespace; "" with a kubeconfig
	kubeconfig      string
	settings        map[string]string
}

// tenantDocument is a tenant in TENANTS_FILE.
type tenantDocument struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Namespace      string            `yaml:"namespace"`
		ServiceAccount string            `yaml:"serviceAccount"`
		Kubeconfig     string            `yaml:"kubeconfig"`
		Settings       map[string]string `yaml:"settings"`
	} `yaml:"spec"`
}

const tenantAccount = "hlo-agent-tenant" // where a tenant names none

// readTenants reads TENANTS_FILE, or says everything that is wrong with it.
func readTenants(file string) ([]tenant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("TENANTS_FILE: %w", err)
	}
	var all []tenant
	var wrong []error
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	for {
		var d tenantDocument
		err := decoder.Decode(&d)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			wrong = append(wrong, withoutValues(err))
			break
		}
		one, err := d.tenant(filepath.Dir(file))
		if err == nil {
			err = one.besides(all)
		}
		wrong = append(wrong, err)
		all = append(all, one)
	}
	if len(all) == 0 {
		wrong = append(wrong, errors.New("it holds no tenant"))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("TENANTS_FILE %s:\n%w", file, err)
	}
	return all, nil
}

// tenant checks a document by itself. A kubeconfig is beside the file, or absolute.
func (d *tenantDocument) tenant(folder string) (tenant, error) {
	t := tenant{name: d.Metadata.Name, namespace: d.Spec.Namespace, account: d.Spec.ServiceAccount, kubeconfig: d.Spec.Kubeconfig, settings: d.Spec.Settings}
	switch {
	case d.APIVersion != "hlo-agent.github.io/v1alpha1" || d.Kind != "Tenant":
		return t, errors.New("want apiVersion hlo-agent.github.io/v1alpha1 and kind Tenant")
	case !tenantName.MatchString(t.name):
		return t, fmt.Errorf("metadata.name %s is no tenant: letters, digits, '_' and '-', 50 at most", shown(t.name))
	case !dnsLabel.MatchString(t.namespace):
		return t, fmt.Errorf("tenant %s: spec.namespace %s is no namespace", t.name, shown(t.namespace))
	case t.account != "" && t.kubeconfig != "":
		return t, fmt.Errorf("tenant %s: spec.serviceAccount and spec.kubeconfig exclude each other", t.name)
	case t.account != "" && !dnsLabel.MatchString(t.account):
		return t, fmt.Errorf("tenant %s: spec.serviceAccount %s is no name in %s", t.name, shown(t.account), t.namespace)
	case t.kubeconfig != "" && !filepath.IsAbs(t.kubeconfig):
		t.kubeconfig = filepath.Join(folder, t.kubeconfig)
	case t.kubeconfig == "" && t.account == "":
		t.account = tenantAccount
	}
	var wrong []error
	known := slices.Collect(settingNames())
	for name := range t.settings {
		if !slices.Contains(known, name) || slices.Contains(ofAllTenants, name) {
			wrong = append(wrong, fmt.Errorf("tenant %s: spec.settings: %s is no setting of a tenant", t.name, name))
		}
	}
	return t, errors.Join(wrong...)
}

// besides checks that two tenants share nothing.
func (t *tenant) besides(others []tenant) error {
	for _, other := range others {
		switch {
		case t.name == other.name:
			return fmt.Errorf("tenant %s is there twice", t.name)
		case t.is(other.name):
			return fmt.Errorf("tenants %s and %s are one to the broker, which makes small letters of capitals", other.name, t.name)
		case t.namespace == other.namespace && t.kubeconfig == other.kubeconfig:
			return fmt.Errorf("tenants %s and %s have one namespace, %s", other.name, t.name, t.namespace)
		case t.kubeconfig != "" && t.kubeconfig == other.kubeconfig:
			return fmt.Errorf("tenants %s and %s have one kubeconfig", other.name, t.name)
		}
	}
	return nil
}

// is says whether the broker means this tenant by a name. It takes names in capitals
// and in small letters for one.
func (t *tenant) is(name string) bool { return strings.EqualFold(t.name, name) }

// ofAllTenants are settings that are the process's, or said by the table itself.
var ofAllTenants = []string{
	"CB_URL", "CB_PORT", "NGSILD_TENANT", "NAMESPACE", "KUBECONFIG", "TENANTS_FILE", "NOTIFICATION_URL", "NOTIFICATION_SECRET", "NOTIFICATION_SECRET_FILE",
	"LISTEN_ADDR", "LISTEN_FROM", "LISTEN_MAX_CONNECTIONS", "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE", "TLS_CLIENT_REQUIRED",
	"OPS_ADDR", "OPS_FROM", "OPS_DEBUG", "OPS_TLS_CERT_FILE", "OPS_TLS_KEY_FILE", "OPS_TLS_CLIENT_CA_FILE",
	"LEADER_ELECTION", "POD_IP", "DRY_RUN", "LOG_LEVEL", "LOG_FORMAT",
}

// ofEachTenant say who may ask for what, with which credentials, and what else is
// reached: a tenant has them only if the table gives them to it, since what is
// right for one would be a way across for the others. All that begins so counts.
var ofEachTenant = []string{
	"AGENT_ID", "DOMAIN_ID", "CLUSTERS", "API_AUTH", "API_CLIENTS", "OIDC_", "PLAN_TOKEN", "HLO_", "SHIM_URL", "OVERLAY_SECRET_FILE",
	"BOOTSTRAP_SERVERS", "GROUP_ID", "CONSUMER_TOPIC", "AUTO_OFFSET_RESET", "DEAD_LETTER_TOPIC", "KAFKA_", "HOMING_SYSTEMS",
}

// env is what the tenant's loop is told: the table's settings, and what of the
// process's is for everybody.
func (t *tenant) env(getenv func(string) string) func(string) string {
	return func(name string) string {
		if value, own := t.settings[name]; own {
			return value
		}
		switch name {
		case "NGSILD_TENANT":
			return t.name
		case "NAMESPACE":
			return t.namespace
		case "KUBECONFIG":
			if t.kubeconfig != "" {
				return t.kubeconfig
			}
		case "TENANTS_FILE":
			return ""
		case "NOTIFICATION_URL":
			return t.notificationURL(getenv(name))
		case "AGENT_ID":
			if id := getenv(name); id != "" {
				return id + "." + t.name
			}
			return ""
		}
		if slices.ContainsFunc(ofEachTenant, func(begins string) bool { return strings.HasPrefix(name, begins) }) {
			return ""
		}
		return getenv(name)
	}
}

// prefix is what the paths of a tenant begin with on the public face.
func (t *tenant) prefix() string { return "/tenants/" + t.name }

// notificationURL puts the prefix before the last part of the path.
func (t *tenant) notificationURL(all string) string {
	u, err := url.Parse(all)
	if err != nil || u.Path == "" {
		return all // which Validate refuses
	}
	before, last := path.Split(u.Path)
	u.Path = strings.TrimSuffix(before, "/") + t.prefix() + "/" + last
	return u.String()
}

// kubernetes says how the tenant's cluster is reached: as the account of its own in
// its namespace, so that the API server keeps it there whatever we ask for.
func (t *tenant) kubernetes(all func(string) (*rest.Config, error)) func(string) (*rest.Config, error) {
	if t.account == "" {
		return all
	}
	return func(kubeconfig string) (*rest.Config, error) {
		c, err := all(kubeconfig)
		if err == nil {
			c.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + t.namespace + ":" + t.account}
		}
		return c, err
	}
}

// secretFor derives the webhook secret of a tenant from the one of all: whoever may
// read the subscriptions of a tenant must not learn what counts for another.
func secretFor(tenant, secret string) string {
	if tenant == "" || secret == "" {
		return secret
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("webhook secret of tenant " + tenant)) // never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// commandConfig is a Config for a command, and for which tenant it is.
type commandConfig struct {
	Config
	tenant tenant // as whose account clusters are reached; the zero one: there are none
}

// tenantFlag adds the flag --tenant, and getenv with what it says.
func tenantFlag(flags interface {
	String(name, value, usage string) *string
}, getenv func(string) string) func(string) string {
	name := flags.String("tenant", "", "tenant of TENANTS_FILE or, without it, of the broker; NGSILD_TENANT is the default")
	return func(setting string) string {
		if setting == "NGSILD_TENANT" && *name != "" {
			return *name
		}
		return getenv(setting)
	}
}

// oneTenant is the tenant of TENANTS_FILE that a command is for, which NGSILD_TENANT
// names, and getenv for it. Without that file it is none.
func oneTenant(getenv func(string) string) (tenant, func(string) string, error) {
	file, name := strings.TrimSpace(getenv("TENANTS_FILE")), strings.TrimSpace(getenv("NGSILD_TENANT"))
	if file == "" {
		return tenant{}, getenv, nil
	}
	all, err := readTenants(file)
	if err != nil {
		return tenant{}, nil, err
	}
	var names []string
	for _, t := range all {
		if t.is(name) {
			return t, t.env(getenv), nil
		}
		names = append(names, t.name)
	}
	return tenant{}, nil, fmt.Errorf("NGSILD_TENANT: it, or --tenant, must name one of the tenants in TENANTS_FILE (%s), to say which is meant", strings.Join(names, ", "))
}

// loadOne is LoadConfig for a command that is for one tenant.
func loadOne(ctx context.Context, getenv func(string) string) (commandConfig, error) {
	one, getenv, err := oneTenant(getenv)
	if err != nil {
		return commandConfig{}, err
	}
	cfg, err := LoadConfig(ctx, getenv)
	return commandConfig{cfg, one}, err
}

// tenantConfigs fills a Config for each tenant.
func tenantConfigs(ctx context.Context, all []tenant, getenv func(string) string) ([]Config, error) {
	configs := make([]Config, len(all))
	var wrong []error
	for i, t := range all {
		var err error
		if configs[i], err = LoadConfig(ctx, t.env(getenv)); err != nil {
			wrong = append(wrong, fmt.Errorf("tenant %s: %w", t.name, err))
		}
	}
	return configs, errors.Join(wrong...)
}
