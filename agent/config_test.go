package agent

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T, env map[string]string) (Config, error) {
	t.Helper()
	return LoadConfig(t.Context(), func(name string) string { return env[name] })
}

func TestAllWrongSettingsAreReportedAtOnceByName(t *testing.T) {
	t.Parallel()
	_, err := load(t, map[string]string{
		"CB_URL": "ftp://x", "NOTIFICATION_URL": "no-url", "AGENT_ID": "-bad-", "NAMESPACE": "Bad_Name", "WORKERS": "0",
		"RESYNC_INTERVAL": "1ms", "SUBSCRIPTION_ON_EXIT": "perhaps", "PRUNE_MAX_PERCENT": "101", "LOG_LEVEL": "loud", "DOMAIN_ID": "*,Mill01",
		"CB_TOKEN": "hush-hush", "CB_OAUTH_TOKEN_URL": "https://id/token", "MOVE_TIMEOUT": "soon", "PRUNE_MIN": "few",
	})
	if err == nil {
		t.Fatal("no error")
	}
	var got []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		name, _, _ := strings.Cut(line, ":")
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{"AGENT_ID", "CB_OAUTH_TOKEN_URL", "CB_TOKEN", "CB_URL", "DOMAIN_ID", "LOG_LEVEL", "MOVE_TIMEOUT", "NAMESPACE",
		"NOTIFICATION_URL", "PRUNE_MAX_PERCENT", "PRUNE_MIN", "RESYNC_INTERVAL", "SUBSCRIPTION_ON_EXIT", "WORKERS"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings reported (-want +got):\n%s\n%v", diff, err)
	}
	if strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("the error shows a secret: %v", err)
	}
}

func TestBrokerBase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, port, want, wrong string }{
		{url: "orion", want: "http://orion:1026"},
		{url: "orion", port: "80", want: "http://orion:80"},
		{url: "http://orion:8080/", want: "http://orion:8080"},
		{url: "https://gw.example.org/orionld", port: "443", want: "https://gw.example.org:443/orionld"},
		{url: "https://gw.example.org/orionld/ngsi-ld/v1/", port: "443", want: "https://gw.example.org:443/orionld"},
		{url: "http://[::1]", want: "http://[::1]:1026"},
		{url: "orion:1027", port: "1026", wrong: "has port 1027, but CB_PORT says 1026"},
		{url: "http://user:pw@orion", wrong: "must have neither user"},
		{url: "", wrong: "must be set"},
		{url: "http://", wrong: "is not an http"},
	} {
		cfg := Config{BrokerURL: c.url, BrokerPort: c.port}
		got, err := cfg.brokerBase()
		if got != c.want || (c.wrong == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("CB_URL %q, CB_PORT %q: got %q, %v; want %q, error %q", c.url, c.port, got, err, c.want, c.wrong)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	cfg, err := load(t, map[string]string{"CB_URL": "orion", "NOTIFICATION_URL": "http://a/notify", "CB_HEADERS": "aerOS=true, X-Next=a:b"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"aerOS": "true", "X-Next": "a:b"}, cfg.BrokerHeaders); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	cfg, err := load(t, map[string]string{"CB_URL": "orion", "NOTIFICATION_URL": "http://a/notify", "CB_TOKEN": "hush-hush"})
	if err != nil {
		t.Fatal(err)
	}
	if string(cfg.BrokerToken) != "hush-hush" {
		t.Fatalf("token was read as %q", string(cfg.BrokerToken))
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "cfg", cfg, "token", cfg.BrokerToken)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg, "token", cfg.BrokerToken)
	for _, text := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), fmt.Sprintf("%q", cfg.BrokerToken), log.String()} {
		if strings.Contains(text, "hush-hush") {
			t.Errorf("a secret prints: %s", text)
		}
	}
}

func TestAgentID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		domains []string
		want    string
	}{
		{[]string{"*"}, "all.default"},
		{[]string{"Mill01"}, "Mill01.default"},
		{[]string{"urn:ngsi-ld:Domain:Mill01"}, "Mill01.default"},
		{[]string{"B", "A"}, "A.B.default"},
		{[]string{"Mill_01"}, "Mill-01.default-"},
		{[]string{strings.Repeat("x", 80)}, strings.Repeat("x", 54) + "-"},
	} {
		cfg := Config{Domains: c.domains, Namespace: "default"}
		got, err := cfg.agentID()
		if err != nil || !strings.HasPrefix(got, c.want) || !labelValue.MatchString(got) {
			t.Errorf("domains %v: got %q, %v; want a label value beginning with %q", c.domains, got, err, c.want)
		}
	}
	one, _ := (&Config{Domains: []string{"a_b"}, Namespace: "n"}).agentID()
	two, _ := (&Config{Domains: []string{"a-b"}, Namespace: "n"}).agentID()
	if one == two {
		t.Errorf("two domains have one agent id: %s", one)
	}
}
