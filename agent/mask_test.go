package agent

import "testing"

func TestNamesOfSecrets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"PASS", "DB_PASS", "DBPASS", "dbPass", "DBPass", "SMTP_PASS2", "PWD", "MYSQL_PWD", "REDIS_PW", "PASSPHRASE", "key-passphrase", "PASSWD", "PGPASSWORD",
		"DB_PASSWORD_FILE", "API_KEY", "APIKEY", "apiKey", "SIGNING_KEYS", "ENCRYPTION_KEY_1", "AWS_SECRET_ACCESS_KEY", "CREDENTIAL", "DB_CREDENTIALS",
		"DB_CREDS", "TOKEN", "ACCESS_TOKENS", "accesstoken", "AUTH", "REDISCLI_AUTH", "BASIC_AUTH", "AUTHORIZATION", "DSN", "SENTRY_DSN", "SECRET", "ClientSecret",
		"SESSION_COOKIE", "AZURE_STORAGE_CONNECTION_STRING", "--password", "-p.token",
	} {
		if !mentionsSecret(name) {
			t.Errorf("%s is taken for harmless", name)
		}
	}
	for _, name := range []string{
		"KEYBOARD", "KEYBOARD_LAYOUT", "PASSENGER", "PASSENGERS_MAX", "COMPASS", "SHOW_COMPASS", "BYPASS", "PASSIVE", "PASS_THROUGH", "MONKEY", "KEY", "PUBLIC_KEY", "publicKey",
		"KEYSPACE", "AUTHOR", "AUTHORITY", "TOKENIZER", "SECRETARY", "CREDIT", "ACCREDITED", "LOG_LEVEL", "PORT", "",
	} {
		if mentionsSecret(name) {
			t.Errorf("%s is taken for a secret", name)
		}
	}
	for field, want := range map[string]bool{
		"password": true, "repoPassword": true, "dbPass": true, "pass": true, "privateKey": true, "presharedKey": true, "apiKey": true, "auth": true, "dsn": true, "credentials": true,
		"accessToken": true, "clientSecret": true, ".dockerconfigjson": true,
		"key": false, "topologyKey": false, "publicKey": false, "secretName": false, "secretKeyRef": false, "imagePullSecrets": false, "compass": false, "keyboard": false, "passenger": false,
	} {
		if namesSecret(field) != want {
			t.Errorf("field %s: a secret is %v, want %v", field, !want, want)
		}
	}
}

func TestTextsAreMasked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"--password=a b":                  "--password=[redacted]",
		"DB_PASS=a;b":                     "DB_PASS=[redacted]",
		"https://u:p@host/path":           masked,
		"amqp://u:p@a,b":                  masked,
		"root:hunter2@tcp(db:3306)/shop":  masked,
		"host=db user=u password=p":       "host=db user=u password=[redacted]",
		"Server=db;Pwd=p;Port=1":          "Server=db;Pwd=[redacted];Port=1",
		"https://host/path?token=p&x=1":   "https://host/path?token=[redacted]",
		`{"pass": "p"}`:                   masked,
		"registry/a:1@sha256:0123":        "registry/a:1@sha256:0123",
		"nginx:1.29@sha256:0123":          "nginx:1.29@sha256:0123",
		"urn:ngsi-ld:Service:shop":        "urn:ngsi-ld:Service:shop",
		"https://host/path":               "https://host/path",
		"mail robot@example.org at 10:30": "mail robot@example.org at 10:30",
		"keyboard=de compass=on":          "keyboard=de compass=on",
	} {
		if got := hideText(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
