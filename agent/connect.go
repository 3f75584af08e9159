package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// brokerTransport carries requests to the broker: TLS with the configured roots
// and certificate, unless base is given, and a token that is renewed in time. The
// fence comes after the token, since fetching that may take long. Redirects keep no
// token since the client follows none.
func (o Outside) brokerTransport(cfg *Config) (http.RoundTripper, []*reload, error) {
	base, renewed := o.Broker, []*reload(nil)
	if base == nil {
		made, again, err := newOutgoing("broker_certificates", cfg.brokerFiles())
		if err != nil {
			return nil, nil, err
		}
		base, renewed = made, again
	}
	way := o.lead.fence(base)
	bearer := &bearerTransport{base: way, now: o.Now}
	switch {
	case cfg.BrokerToken != "":
		bearer.fetch = fixedToken(cfg.BrokerToken)
	case cfg.BrokerTokenFile != "":
		bearer.fetch = fileToken("CB_TOKEN_FILE", cfg.BrokerTokenFile, o.Now)
	case cfg.OAuthTokenURL != "":
		bearer.fetch = clientCredentials("CB_OAUTH_TOKEN_URL", base, cfg.OAuthTokenURL, cfg.OAuthClientID, cfg.OAuthSecret)
	default:
		return way, renewed, nil
	}
	return bearer, renewed, nil
}

// newClient makes the real broker's client from the settings.
func newClient(cfg *Config, observe func(string, int, time.Duration)) (*ngsild.Client, error) {
	client, _, err := Outside{}.orReal().client(cfg, observe)
	return client, err
}

// client makes the broker's client, and what it must look at again.
func (o Outside) client(cfg *Config, observe func(string, int, time.Duration)) (*ngsild.Client, []*reload, error) {
	base, err := cfg.brokerBase()
	if err != nil {
		return nil, nil, fmt.Errorf("CB_URL: %w", err)
	}
	transport, renewed, err := o.brokerTransport(cfg)
	if err != nil {
		return nil, nil, err
	}
	return ngsild.NewClient(ngsild.ClientConfig{
		BaseURL: base, Tenant: cfg.Tenant, Headers: cfg.BrokerHeaders, Transport: transport, Observe: observe,
	}), renewed, nil
}

// restConfig reads a kubeconfig; an empty name is the cluster that the agent runs in.
func restConfig(kubeconfig string) (*rest.Config, error) {
	c, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return identified(c), nil
}

// mindSilence has connections to API servers closed 5 s after the other end went silent,
// unless the environment says otherwise. client-go waits for 45 s, during which all that
// goes over one connection waits too: the election among it, which promises 15. It is to be
// called before anything connects.
func mindSilence(getenv func(string) string) {
	for name, seconds := range map[string]string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS": "3", "HTTP2_PING_TIMEOUT_SECONDS": "2"} {
		if getenv(name) == "" {
			_ = os.Setenv(name, seconds) // fails for no such name
		}
	}
}

// identified says who we are, and leaves limits to the API server's own fairness.
func identified(c *rest.Config) *rest.Config {
	c.QPS = -1
	c.UserAgent = "hlo-agent/" + Version()
	return c
}

// askDomains completes DOMAIN_ID: without it, it is the one Domain that the
// broker holds itself. It asks until there is an answer, and says once why
// there is none.
func askDomains(ctx context.Context, cfg *Config, client *ngsild.Client, log *slog.Logger, h *health) error {
	if len(cfg.Domains) > 0 {
		return nil
	}
	said := ""
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		var ids []string
		_, err := client.List(ctx, ngsild.Query{Types: []string{typeDomain}, Local: true}, func(page []ngsild.Entity) error {
			for _, e := range page {
				ids = append(ids, string(e.ID))
			}
			return nil
		})
		if err == nil && len(ids) == 1 {
			cfg.Domains = ids
			log.Info("acting for the broker's own domain", "domain", ids[0])
			return nil
		}
		if err == nil {
			err = fmt.Errorf("the broker holds %d domains, so set DOMAIN_ID", len(ids))
		}
		h.set("broker", err.Error())
		if err.Error() != said {
			log.Warn("cannot tell the domain yet, will ask again", "err", err)
			said = err.Error()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var notLabel = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// agentID is AGENT_ID or, without it, a label value made of the domains and
// the namespace. It must stay the same over restarts: it is in every object.
func (c *Config) agentID() (string, error) {
	if c.AgentID != "" {
		return c.AgentID, nil
	}
	if len(c.Domains) == 0 {
		return "", errors.New("AGENT_ID: must be set while DOMAIN_ID is not")
	}
	names := make([]string, 0, len(c.Domains))
	for _, d := range c.Domains {
		if d == "*" {
			d = "all"
		}
		names = append(names, domainName(d))
	}
	slices.Sort(names)
	full := strings.Join(names, ".") + "." + c.Namespace
	id := strings.Trim(notLabel.ReplaceAllString(full, "-"), "-.")
	if id != full || len(id) > 63 {
		sum := sha256.Sum256([]byte(full))
		id = strings.TrimRight(id[:min(len(id), 54)], "-.") + "-" + hex.EncodeToString(sum[:4])
	}
	return id, nil
}
