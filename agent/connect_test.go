package agent

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// secureBroker answers one entity over TLS to who shows the token, and hands
// tokens out for client credentials.
func secureBroker(t *testing.T) (url, caFile string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/token" {
			id, secret, _ := req.BasicAuth()
			if id != "agent" || secret != "hush-hush" {
				http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "t1", "token_type": "Bearer", "expires_in": 3600})
			return
		}
		if req.Header.Get("Authorization") != "Bearer t1" || req.Header.Get("aerOS") != "true" || req.Header.Get("NGSILD-Tenant") != "mill" ||
			!strings.HasPrefix(req.URL.Path, "/orionld/ngsi-ld/v1/entities/") {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(`{"id":"urn:x:1","type":"ServiceComponent"}`))
	}))
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, caFile
}

func TestBrokerTransport(t *testing.T) {
	t.Parallel()
	url, ca := secureBroker(t)
	for name, c := range map[string]struct {
		settings map[string]string
		wrong    string
	}{
		"token":              {settings: map[string]string{"CB_CA_FILE": ca, "CB_TOKEN": "t1"}},
		"client credentials": {settings: map[string]string{"CB_CA_FILE": ca, "CB_OAUTH_TOKEN_URL": url + "/token", "CB_OAUTH_CLIENT_ID": "agent", "CB_OAUTH_CLIENT_SECRET": "hush-hush"}},
		"wrong secret":       {settings: map[string]string{"CB_CA_FILE": ca, "CB_OAUTH_TOKEN_URL": url + "/token", "CB_OAUTH_CLIENT_ID": "agent", "CB_OAUTH_CLIENT_SECRET": "guess-it"}, wrong: "invalid_client"},
		"wrong token":        {settings: map[string]string{"CB_CA_FILE": ca, "CB_TOKEN": "t2-secret"}, wrong: "403"},
		"unknown authority":  {settings: map[string]string{"CB_TOKEN": "t1"}, wrong: "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"CB_URL": url + "/orionld", "NOTIFICATION_URL": "http://a/notify", "NGSILD_TENANT": "mill", "CB_HEADERS": "aerOS=true"}
			for k, v := range c.settings {
				env[k] = v
			}
			cfg, err := load(t, env)
			if err != nil {
				t.Fatal(err)
			}
			client, err := newClient(&cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			e, err := client.Entity(t.Context(), "urn:x:1")
			switch {
			case c.wrong == "" && (err != nil || e.ID != ngsild.EntityID("urn:x:1")):
				t.Errorf("got %v, %v", e, err)
			case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
				t.Errorf("got %v; want an error with %q", err, c.wrong)
			}
			if err != nil && (strings.Contains(err.Error(), "guess-it") || strings.Contains(err.Error(), "t2-secret")) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	cfg := Config{BrokerURL: url, BrokerCAFile: filepath.Join(t.TempDir(), "none.pem")}
	if _, err := newClient(&cfg, nil); err == nil || !strings.Contains(err.Error(), "CB_CA_FILE") {
		t.Errorf("a missing CA file: %v", err)
	}
}
