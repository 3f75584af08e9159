package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

const hush = "MARKED-s3cret"

// credentialForms are ways to have a credential in a value in which none belongs.
var credentialForms = []string{
	"https://user:" + hush + "@host:no-port/notify", "https://user:" + hush + "@host/notify", "http://user:pass/" + hush + "@host", "ftp://user:%zz" + hush + "@host",
	"https://" + hush + "@host/x", "postgres://user:" + hush + "@host/db?sslmode=off", "user:" + hush + "@tcp(host:3306)/db", "user:" + hush + "@host:9092",
	"host=db user=u password=" + hush, "https://host/notify?token=" + hush, "Bearer " + hush, "-----BEGIN PRIVATE KEY-----\n" + hush, "token: " + hush,
	"a,https://user:x," + hush + "@host",
}

// TestWrongSettingsShowNoCredentials puts marked credentials into every setting, into
// those that are secrets or name files of secrets without anything around, and looks
// for the mark in all that comes out of reading the settings and of a start.
func TestWrongSettingsShowNoCredentials(t *testing.T) {
	t.Parallel()
	good := map[string]string{"CB_URL": "http://127.0.0.1:1", "NOTIFICATION_URL": "http://agent/notify", "DOMAIN_ID": "Mill01", "SHIM_URL": "http://shim",
		"CB_OAUTH_CLIENT_ID": "id", "HLO_OAUTH_CLIENT_ID": "id", "API_AUTH": "oidc", "OIDC_ISSUER": "http://keys", "OIDC_AUDIENCE": "me"}
	fields, tried := reflect.TypeFor[Config](), 0
	i := -1
	for name := range settingNames() {
		i++
		secret := fields.Field(i).Type == reflect.TypeFor[Secret]()
		forms := slices.Clone(credentialForms)
		if secret || name == "CB_HEADERS" || strings.HasSuffix(name, "_KEY_FILE") || strings.HasSuffix(name, "_TOKEN_FILE") || strings.HasSuffix(name, "_SECRET_FILE") || strings.HasSuffix(name, "_PASSWORD_FILE") {
			forms = append(forms, hush)
		}
		for _, form := range forms {
			env := maps.Clone(good)
			env[name] = form
			switch name { // what must be there with it
			case "TLS_KEY_FILE", "OPS_TLS_KEY_FILE", "CB_KEY_FILE", "HLO_KEY_FILE":
				env[strings.TrimSuffix(name, "KEY_FILE")+"CERT_FILE"] = os.DevNull
			case "KAFKA_PASSWORD_FILE":
				env["BOOTSTRAP_SERVERS"], env["KAFKA_SASL_MECHANISM"], env["KAFKA_USERNAME"] = "127.0.0.1:1", "PLAIN", "u"
			}
			tried++
			cfg, err := LoadConfig(t.Context(), func(name string) string { return env[name] })
			text := ""
			switch {
			case err != nil:
				text = err.Error()
				if !strings.Contains(text, name) && name != "CB_OAUTH_CLIENT_SECRET" && name != "HLO_OAUTH_CLIENT_SECRET" {
					t.Errorf("%s=%q: the error does not name it: %v", name, form, err)
				}
			case secret || name == "CB_HEADERS":
				text = started(t, cfg) // they may hold anything
			case form != hush:
				t.Errorf("%s=%q is taken", name, form)
			default:
				if text = started(t, cfg); name != "CB_TOKEN_FILE" && !strings.Contains(text, name) {
					t.Errorf("%s=%q: the start does not say what is wrong: %s", name, form, text)
				}
			}
			if strings.Contains(text, hush) {
				t.Errorf("%s=%q is shown: %s", name, form, text)
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d settings were tried", tried)
	}
}

// started is all that a start says which is told to end at once.
func started(t *testing.T, cfg Config) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var log strings.Builder
	quiet := func(string) (Face, error) { return face{func(http.Handler) {}}, nil }
	err := Outside{Face: quiet, Kubernetes: func(string) (*rest.Config, error) { return nil, errors.New("no cluster") }}.Run(ctx, cfg, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	text := log.String()
	for _, err := range append([]error{err}, each(t, &cfg)...) {
		if err != nil {
			text += "\n" + err.Error()
		}
	}
	return text
}

// each reads what a start reads late, or only when it is needed.
func each(t *testing.T, cfg *Config) []error {
	t.Helper()
	_, secret := cfg.secret()
	_, plan := cfg.planToken()
	_, messages := cfg.kafka()
	_, token := fileToken("CB_TOKEN_FILE", cfg.BrokerTokenFile, time.Now)(t.Context())
	_, overlays := (&reconciler{cfg: *cfg, log: slog.New(slog.DiscardHandler)}).newOverlays(nil)
	_, _, broker := newOutgoing("", cfg.brokerFiles())
	_, _, peers := newOutgoing("", cfg.peerFiles())
	_, public := publicCertificates(cfg).load()
	_, ops := opsCertificates(cfg).load()
	return []error{secret, plan, messages, token, overlays, broker, peers, public, ops}
}

// TestKubeconfigsShowNoCredentials: nor do kubeconfigs and tenants.
func TestKubeconfigsShowNoCredentials(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"https://user:" + hush + "@host:no-port", "https://user:" + hush + "@host", "https://user:pass/" + hush + "@host"} {
		text := strings.ReplaceAll(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}],
clusters: [{name: c, cluster: {server: "SERVER"}}]}`, "SERVER", server)
		for _, text := range []string{text, strings.ReplaceAll(text, `server: "`, `server: "https://there", proxy-url: "`)} {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, inSecret := restConfigOf([]byte(text))
			for where, err := range map[string]error{"in a file": fileConnection("c", file, restConfig).err, "in a Secret": inSecret} {
				if err != nil && strings.Contains(err.Error(), hush) || err == nil && !strings.Contains(text, "proxy-url") {
					t.Errorf("%s, %s: %v", text, where, err)
				}
			}
		}
	}
	for _, text := range []string{
		"apiVersion: hlo-agent.github.io/v1alpha1\nkind: Tenant\nmetadata: {name: a}\nspec: {namespace: x, settings: VALUE}",
		"apiVersion: hlo-agent.github.io/v1alpha1\nkind: Tenant\nmetadata: {name: VALUE}\nspec: {namespace: x}",
		"apiVersion: hlo-agent.github.io/v1alpha1\nkind: Tenant\nmetadata: {name: a}\nspec: {namespace: VALUE}",
		"apiVersion: hlo-agent.github.io/v1alpha1\nkind: Tenant\nmetadata: {name: a}\nspec: {namespace: x, serviceAccount: VALUE}",
	} {
		for _, value := range []string{"https://user:" + hush + "@host", "u:MARKED@host"} {
			_, err := readTenants(tenantsFile(t, strings.ReplaceAll(text, "VALUE", `"`+value+`"`)))
			if err == nil || strings.Contains(err.Error(), "MARKED") {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}
