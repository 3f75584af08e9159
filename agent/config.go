package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Config is everything the agent can be told, from the environment alone.
// The README's table of settings is compared with these tags by a test.
type Config struct {
	BrokerURL       string            `env:"CB_URL" help:"context broker, with or without scheme, may carry a path prefix"`
	BrokerPort      string            `env:"CB_PORT" help:"port of the broker, when CB_URL has none (1026)"`
	Tenant          string            `env:"NGSILD_TENANT" help:"tenant of the broker, if it has several"`
	BrokerHeaders   map[string]string `env:"CB_HEADERS,separator==" help:"extra request headers, name=value,name=value, e.g. aerOS=true"`
	BrokerToken     Secret            `env:"CB_TOKEN" help:"bearer token for the broker"`
	BrokerTokenFile string            `env:"CB_TOKEN_FILE" help:"the same from a file that somebody renews; read again every few seconds"`
	OAuthTokenURL   string            `env:"CB_OAUTH_TOKEN_URL" help:"token endpoint for client credentials, instead of CB_TOKEN"`
	OAuthClientID   string            `env:"CB_OAUTH_CLIENT_ID" help:"client id for it"`
	OAuthSecret     Secret            `env:"CB_OAUTH_CLIENT_SECRET" help:"client secret for it"`
	BrokerCAFile    string            `env:"CB_CA_FILE" help:"PEM file with the roots that sign the broker's certificate; read again when it changes"`
	BrokerCertFile  string            `env:"CB_CERT_FILE" help:"PEM file with the certificate that the broker is shown"`
	BrokerKeyFile   string            `env:"CB_KEY_FILE" help:"PEM file with its private key"`

	NotificationURL        string   `env:"NOTIFICATION_URL" help:"how the broker reaches us: http(s)://host:port/notify"`
	NotificationSecret     Secret   `env:"NOTIFICATION_SECRET" help:"what the broker must send with each notification; made and kept in the subscription when unset"`
	NotificationSecretFile string   `env:"NOTIFICATION_SECRET_FILE" help:"the same from a file; a new one is used when it changes, and the one before is taken until no subscription holds it any more"`
	NotificationMaxBytes   int64    `env:"NOTIFICATION_MAX_BYTES,default=16777216" help:"largest notification body, in bytes"`
	ListenAddr             string   `env:"LISTEN_ADDR,default=:8082" help:"public face: /notify, /hlo_al, /v1/plans"`
	TLSCertFile            string   `env:"TLS_CERT_FILE" help:"PEM file with the certificate of the public face, which speaks TLS then; read again when it is renewed"`
	TLSKeyFile             string   `env:"TLS_KEY_FILE" help:"PEM file with its private key"`
	TLSClientCAFile        string   `env:"TLS_CLIENT_CA_FILE" help:"PEM file with the roots that sign the certificates of callers, for API_AUTH"`
	TLSClientRequired      bool     `env:"TLS_CLIENT_REQUIRED,default=false" help:"every caller of the public face must show such a certificate, the broker too"`
	ListenFrom             []string `env:"LISTEN_FROM" help:"addresses and networks, as 10.0.0.0/8, with commas, that may connect to the public face; default: all"`
	ListenConnections      int      `env:"LISTEN_MAX_CONNECTIONS,default=4096" help:"connections to the public face at once; one address gets at most half of them"`
	OpsAddr                string   `env:"OPS_ADDR,default=:9102" help:"/metrics, /healthz, /readyz"`
	OpsCertFile            string   `env:"OPS_TLS_CERT_FILE" help:"PEM file with the certificate of that listener, which speaks TLS then; read again when it is renewed"`
	OpsKeyFile             string   `env:"OPS_TLS_KEY_FILE" help:"PEM file with its private key"`
	OpsClientCAFile        string   `env:"OPS_TLS_CLIENT_CA_FILE" help:"PEM file with the roots that sign the certificates that all but probes must show there"`
	OpsFrom                []string `env:"OPS_FROM" help:"addresses and networks that may connect there, those that probes come from among them; default: all"`
	OpsDebug               bool     `env:"OPS_DEBUG,default=false" help:"answer POST /debug/free-memory there, for measurements"`

	APIAuth      string   `env:"API_AUTH" help:"who may call what other domains call (/hlo_al): oidc, mtls, any (of the two), both, or off (everybody); unset: nobody"`
	APIClients   []string `env:"API_CLIENTS" help:"common names or DNS names of the client certificates that may call; default: all that the listener has verified"`
	APIRate      float64  `env:"API_RATE,default=500" help:"requests a second of one caller, in bursts of twice as many"`
	APIMaxBytes  int64    `env:"API_MAX_BYTES,default=1048576" help:"largest body of a caller, in bytes"`
	OIDCIssuer   string   `env:"OIDC_ISSUER" help:"issuer of the callers' tokens, such as https://keycloak/auth/realms/continuum"`
	OIDCAudience string   `env:"OIDC_AUDIENCE" help:"audience that their tokens must have"`
	OIDCRoles    []string `env:"OIDC_ROLES,default=HLO,Continuum administrator,IoT service deployer" help:"roles in realm_access.roles of which a token must have one; * for any"`
	OIDCCAFile   string   `env:"OIDC_CA_FILE" help:"PEM file with the roots that sign the issuer's certificate"`

	AgentID    string   `env:"AGENT_ID" help:"owner of objects and subscriptions; default from DOMAIN_ID and NAMESPACE"`
	Domains    []string `env:"DOMAIN_ID" help:"the domain, several with commas, or * for whatever the broker holds; default: the one Domain that the broker holds itself"`
	Kubeconfig string   `env:"KUBECONFIG" help:"cluster to act on; default: the one that the agent runs in"`
	Namespace  string   `env:"NAMESPACE,default=default" help:"namespace of the objects"`

	LeaderElection bool   `env:"LEADER_ELECTION,default=false" help:"several copies may run: one is elected, by a Lease in NAMESPACE, and acts; the others hand on to it what comes"`
	PodIP          string `env:"POD_IP" help:"where other copies reach the public face of this one; default: the host in LISTEN_ADDR, or the machine's name"`

	TenantsFile string `env:"TENANTS_FILE" help:"file that names tenants of the broker, each with a namespace and rights of its own, all of which this agent serves; see docs/tenants.md"`

	Clusters []string `env:"CLUSTERS" help:"files or folders that bind orchestrators and domains to clusters of their own, and the word secrets for labelled Secrets in NAMESPACE, with commas"`

	Mappings []string `env:"MAPPINGS" help:"names of shipped mappings, and files or folders with others, with commas; default: those for the aerOS kinds"`
	Policies []string `env:"POLICY" help:"files or folders with policies that add to the shipped one, or replace it"`

	ResyncInterval            time.Duration `env:"RESYNC_INTERVAL,default=5m" help:"everything is listed and compared this often"`
	DegradedResyncInterval    time.Duration `env:"DEGRADED_RESYNC_INTERVAL,default=30s" help:"the same while a subscription cannot be repaired"`
	SubscriptionCheckInterval time.Duration `env:"SUBSCRIPTION_CHECK_INTERVAL,default=30s" help:"how often the subscriptions are looked at"`
	SubscriptionOnExit        string        `env:"SUBSCRIPTION_ON_EXIT,default=keep" help:"keep or delete"`
	ProgressDeadline          time.Duration `env:"PROGRESS_DEADLINE,default=10m" help:"no progress for so long: Failed, still followed"`
	MoveTimeout               time.Duration `env:"MOVE_TIMEOUT,default=5m" help:"a move that is not Running by then is taken back"`
	StatusGrace               time.Duration `env:"STATUS_GRACE,default=2m" help:"an object without any status is Unknown after it"`

	Homing      string        `env:"HOMING,default=off" help:"auto: this agent chooses the elements of components that have none, or whose element does not do any more; off: somebody else does"`
	HomingGrace time.Duration `env:"HOMING_GRACE,default=1m" help:"an element that is gone, not ready or silent for so long is left"`
	HomingStale time.Duration `env:"HOMING_STALE,default=2m" help:"an element is silent when its newest observedAt is older; 0: never"`

	HomingSystems string `env:"HOMING_SYSTEMS" help:"file that names the systems outside that homing asks: VIM and service controllers, providers of licences and network links; see docs/homing.md"`
	PeerCAFile    string `env:"HLO_CA_FILE" help:"PEM file with the roots that sign the certificates of other domains and of the shim"`
	PeerCertFile  string `env:"HLO_CERT_FILE" help:"PEM file with the certificate that they are shown"`
	PeerKeyFile   string `env:"HLO_KEY_FILE" help:"PEM file with its private key"`
	PeerTokenURL  string `env:"HLO_OAUTH_TOKEN_URL" help:"token endpoint for the client credentials that other domains ask for; default: the shim is asked, if there is one"`
	PeerClientID  string `env:"HLO_OAUTH_CLIENT_ID" help:"client id for it"`
	PeerSecret    Secret `env:"HLO_OAUTH_CLIENT_SECRET" help:"client secret for it"`
	ShimURL       string `env:"SHIM_URL" help:"the helper that gives tokens for other domains, and subnets and a server for overlay networks"`

	OverlaySecretFile string `env:"OVERLAY_SECRET_FILE" help:"file with the secret from which the keys of overlay networks are derived, at least 32 random characters that never change; default: no overlay networks are set up"`

	KafkaServers      []string `env:"BOOTSTRAP_SERVERS" help:"servers of Kafka or Redpanda, host:port with commas, that allocation messages come from; default: none do"`
	KafkaGroup        string   `env:"GROUP_ID,default=hlo-agent" help:"consumer group"`
	KafkaTopic        string   `env:"CONSUMER_TOPIC,default=allocator2deployment" help:"topic of the messages"`
	KafkaReset        string   `env:"AUTO_OFFSET_RESET,default=earliest" help:"where a new group begins to read: earliest or latest"`
	KafkaDeadLetter   string   `env:"DEAD_LETTER_TOPIC" help:"topic of what cannot be carried out; default: CONSUMER_TOPIC with .dead-letter after it"`
	KafkaTLS          bool     `env:"KAFKA_TLS,default=false" help:"connect by TLS"`
	KafkaCAFile       string   `env:"KAFKA_CA_FILE" help:"PEM file with the roots that sign the servers' certificates; turns KAFKA_TLS on"`
	KafkaMechanism    string   `env:"KAFKA_SASL_MECHANISM" help:"PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; default: no SASL"`
	KafkaUsername     string   `env:"KAFKA_USERNAME" help:"name for it"`
	KafkaPasswordFile string   `env:"KAFKA_PASSWORD_FILE" help:"file with the password for it"`

	PlanToken     Secret        `env:"PLAN_TOKEN" help:"bearer token with which the plan API (/v1/plans) may be called, beside what API_AUTH allows; without either there is no plan API"`
	PlanTokenFile string        `env:"PLAN_TOKEN_FILE" help:"the same from a file, read again at each request"`
	PlanSolvers   int           `env:"PLAN_SOLVERS,default=1" help:"plans worked on at once, each on one core"`
	PlanMax       int           `env:"PLAN_MAX,default=1000" help:"plans kept; the oldest that came to its end makes room"`
	PlanKeep      time.Duration `env:"PLAN_KEEP,default=24h" help:"how long a plan is kept that came to its end"`

	PruneMaxPercent int      `env:"PRUNE_MAX_PERCENT,default=20" help:"at most so many percent of the objects are deleted for missing entities in 5 minutes"`
	PruneMin        int      `env:"PRUNE_MIN,default=5" help:"or this many, if that is more"`
	Adopt           []string `env:"ADOPT,default=off" help:"off, or the field managers whose unowned objects may be adopted, with commas; * for any"`
	SyncPolicy      string   `env:"SYNC_POLICY,default=sync" help:"sync; upsert-only: never delete an object; create-only: never change one either"`
	Workers         int      `env:"WORKERS,default=16" help:"entities worked on at once"`
	DryRun          bool     `env:"DRY_RUN,default=false" help:"read, compare and log; write nothing anywhere"`
	LogLevel        string   `env:"LOG_LEVEL,default=info" help:"debug, info, warn or error"`
	LogFormat       string   `env:"LOG_FORMAT,default=text" help:"text or json"`
}

// What SYNC_POLICY allows.
const (
	syncAll    = "sync"
	syncUpsert = "upsert-only"
	syncCreate = "create-only"
)

// Secret is a text that never prints.
type Secret = ngsild.Secret

// LoadConfig fills a Config through getenv and checks it. The error lists
// every wrong setting by name, and never a secret's value, nor any that has a
// credential in it.
func LoadConfig(ctx context.Context, getenv func(string) string) (Config, error) {
	// One at a time first, since the library stops at the first that cannot be read.
	unreadable := map[string]bool{}
	var errs []error
	for name := range settingNames() {
		one := lookuper(func(key string) (string, bool) { return getenv(key), key == name })
		if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &Config{}, Lookuper: one}); err != nil {
			unreadable[name] = true
			cause := errors.Unwrap(err)
			if name == "CB_HEADERS" || holdsCredential(getenv(name)) {
				cause = errors.New("cannot be read; the value is not shown, since there may be a credential in it")
			}
			errs = append(errs, fmt.Errorf("%s: %w", name, cause))
		}
	}
	var cfg Config
	rest := lookuper(func(key string) (string, bool) { return getenv(key), !unreadable[key] })
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &cfg, Lookuper: rest}); err != nil {
		return cfg, fmt.Errorf("read settings: %w", err)
	}
	return cfg, errors.Join(append(errs, cfg.Validate())...)
}

// settingNames are the variables that Config is filled from, in their order.
func settingNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for field := range reflect.TypeFor[Config]().Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
			if !yield(name) {
				return
			}
		}
	}
}

// lookuper takes blank settings for absent ones.
type lookuper func(string) (string, bool)

// Lookup implements envconfig.Lookuper.
func (l lookuper) Lookup(key string) (string, bool) {
	v, ok := l(key)
	if v = strings.TrimSpace(v); !ok || v == "" {
		return "", false // the library takes the value even so, where there is no default
	}
	return v, true
}

var (
	tenantName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,50}$`)
	labelValue = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Validate reports everything that is wrong, one line for each setting.
func (c *Config) Validate() error {
	var errs []error
	withheld := c.withheld()
	bad := func(name, format string, args ...any) {
		if !slices.Contains(withheld, name) {
			errs = append(errs, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
		}
	}
	for _, name := range withheld {
		errs = append(errs, fmt.Errorf("%s: %w", name, errWithheld))
	}
	if _, err := c.brokerBase(); err != nil && !slices.Contains(withheld, "CB_PORT") {
		bad("CB_URL", "%v", err)
	}
	c.validateOutgoing(bad)
	if c.TenantsFile != "" && c.Tenant != "" {
		bad("NGSILD_TENANT", "is not set beside TENANTS_FILE, which names the tenants")
	}
	if c.NotificationURL == "" && !c.DryRun {
		bad("NOTIFICATION_URL", "must be set: the address at which the broker reaches this agent, such as http://hlo-agent:8082/notify")
	} else if u, err := url.Parse(c.NotificationURL); c.NotificationURL != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Path == "" || u.RawQuery != "") {
		bad("NOTIFICATION_URL", "%q must be http:// or https:// with a host and a path, without a query", c.NotificationURL)
	}
	if c.NotificationSecret != "" && c.NotificationSecretFile != "" {
		bad("NOTIFICATION_SECRET", "set either this or NOTIFICATION_SECRET_FILE")
	}
	c.validateAuth(bad)
	if c.AgentID != "" && !labelValue.MatchString(c.AgentID) {
		bad("AGENT_ID", "%q must be a Kubernetes label value: at most 63 letters, digits, '.', '_' or '-'", c.AgentID)
	}
	if slices.Contains(c.Domains, "*") && len(c.Domains) > 1 {
		bad("DOMAIN_ID", "* cannot stand beside other domains")
	}
	for _, name := range c.Clusters {
		if name != clusterSecrets && !strings.ContainsAny(name, "/.") {
			bad("CLUSTERS", "%q must be a path (with a slash or a dot in it) or %s", name, clusterSecrets)
		}
	}
	if !dnsLabel.MatchString(c.Namespace) {
		bad("NAMESPACE", "%q is not a namespace name", c.Namespace)
	}
	for name, d := range map[string]time.Duration{
		"RESYNC_INTERVAL": c.ResyncInterval, "DEGRADED_RESYNC_INTERVAL": c.DegradedResyncInterval,
		"SUBSCRIPTION_CHECK_INTERVAL": c.SubscriptionCheckInterval, "PROGRESS_DEADLINE": c.ProgressDeadline,
		"MOVE_TIMEOUT": c.MoveTimeout, "STATUS_GRACE": c.StatusGrace, "HOMING_GRACE": c.HomingGrace,
	} {
		if d < 100*time.Millisecond {
			bad(name, "%v is too short (at least 100ms)", d)
		}
	}
	if c.SubscriptionOnExit != "keep" && c.SubscriptionOnExit != "delete" {
		bad("SUBSCRIPTION_ON_EXIT", "%q must be keep or delete", c.SubscriptionOnExit)
	}
	if c.SubscriptionOnExit == "delete" && c.LeaderElection {
		bad("SUBSCRIPTION_ON_EXIT", "delete cannot be with LEADER_ELECTION: other copies go on with the subscriptions")
	}
	if c.SyncPolicy != syncAll && c.SyncPolicy != syncUpsert && c.SyncPolicy != syncCreate {
		bad("SYNC_POLICY", "%q must be sync, upsert-only or create-only", c.SyncPolicy)
	}
	if c.Homing != homingOff && c.Homing != homingAuto {
		bad("HOMING", "%q must be off or auto", c.Homing)
	}
	if c.HomingStale < 0 {
		bad("HOMING_STALE", "%v must not be negative", c.HomingStale)
	}
	c.validateTLS(bad)
	c.validateDoors(bad)
	c.validateKafka(bad)
	c.validateNeighbours(bad)
	if c.PruneMaxPercent < 0 || c.PruneMaxPercent > 100 {
		bad("PRUNE_MAX_PERCENT", "%d must be from 0 to 100", c.PruneMaxPercent)
	}
	if c.PlanToken != "" && c.PlanTokenFile != "" {
		bad("PLAN_TOKEN", "set either this or PLAN_TOKEN_FILE")
	}
	if c.PlanSolvers < 1 || c.PlanSolvers > 16 {
		bad("PLAN_SOLVERS", "%d must be from 1 to 16", c.PlanSolvers)
	}
	if c.PlanMax < 1 || c.PlanMax > 10000 {
		bad("PLAN_MAX", "%d must be from 1 to 10000", c.PlanMax)
	}
	if c.PlanKeep < time.Minute {
		bad("PLAN_KEEP", "%v is too short (at least 1m)", c.PlanKeep)
	}
	if c.PruneMin < 0 {
		bad("PRUNE_MIN", "%d must not be negative", c.PruneMin)
	}
	if c.Workers < 1 || c.Workers > 256 {
		bad("WORKERS", "%d must be from 1 to 256", c.Workers)
	}
	if c.NotificationMaxBytes < 1024 {
		bad("NOTIFICATION_MAX_BYTES", "%d must be at least 1024", c.NotificationMaxBytes)
	}
	if _, err := c.logLevel(); err != nil {
		bad("LOG_LEVEL", "%q must be debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		bad("LOG_FORMAT", "%q must be text or json", c.LogFormat)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// validateAuth checks what says who may call.
func (c *Config) validateAuth(bad func(name, format string, args ...any)) {
	if c.APIAuth != "" && !slices.Contains(authModes, c.APIAuth) {
		bad("API_AUTH", "%q must be one of %s", c.APIAuth, strings.Join(authModes, ", "))
	}
	if c.APIAuth == authOIDC || c.APIAuth == authAny || c.APIAuth == authBoth {
		if u, err := url.Parse(c.OIDCIssuer); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			bad("OIDC_ISSUER", "must be set to an http:// or https:// address when API_AUTH is %s", c.APIAuth)
		}
		if c.OIDCAudience == "" {
			bad("OIDC_AUDIENCE", "must be set when API_AUTH is %s: without it a token for any other service would do", c.APIAuth)
		}
	}
	if c.APIRate <= 0 {
		bad("API_RATE", "%v must be positive", c.APIRate)
	}
	if c.APIMaxBytes < 1024 {
		bad("API_MAX_BYTES", "%d must be at least 1024", c.APIMaxBytes)
	}
}

// brokerBase is the broker's address without /ngsi-ld/v1.
func (c *Config) brokerBase() (string, error) {
	if c.BrokerURL == "" {
		return "", errors.New("must be set: the address of the context broker")
	}
	raw := c.BrokerURL
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", errors.New("is not an http:// or https:// address")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("must have neither user, query nor fragment; use CB_TOKEN for credentials")
	}
	switch {
	case u.Port() == "" && c.BrokerPort == "":
		u.Host += ":1026"
	case u.Port() == "":
		u.Host += ":" + c.BrokerPort
	case c.BrokerPort != "" && c.BrokerPort != u.Port():
		return "", fmt.Errorf("has port %s, but CB_PORT says %s", u.Port(), c.BrokerPort)
	}
	return strings.TrimRight(strings.TrimSuffix(strings.TrimRight(u.String(), "/"), "/ngsi-ld/v1"), "/"), nil
}

// secret is the configured webhook secret, or "" when none is.
func (c *Config) secret() (string, error) {
	if c.NotificationSecretFile == "" {
		return string(c.NotificationSecret), nil
	}
	return readSecret("NOTIFICATION_SECRET_FILE", c.NotificationSecretFile)
}

func (c *Config) adopt() []string {
	if len(c.Adopt) == 1 && c.Adopt[0] == "off" {
		return nil
	}
	if len(c.Adopt) == 1 && c.Adopt[0] == "on" {
		return []string{"*"}
	}
	return c.Adopt
}

func (c *Config) logLevel() (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(c.LogLevel))
	return l, err
}
