package agent

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPlanGate: the token of the plan API, from a setting and from a file that
// changes, beside what API_AUTH lets in.
func TestPlanGate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	for name, test := range map[string]struct {
		auth, token, file string
		given             map[string]int // token to status; "oidc" stands for one of the issuer
	}{
		"token":      {"", "s3cret-token", "", map[string]int{"s3cret-token": 200, "s3cret-toke": 401, "s3cret-token2": 401, "": 401, "oidc": 401}},
		"file":       {"", "", file, map[string]int{"first": 200, "second": 401, "": 401}},
		"no file":    {"", "", file + ".none", map[string]int{"first": 401, "": 401}},
		"OIDC":       {authOIDC, "", "", map[string]int{"oidc": 200, "x": 401, "": 401}},
		"both":       {authOIDC, "s3cret-token", "", map[string]int{"oidc": 200, "s3cret-token": 200, "x": 401, "": 401}},
		"everybody":  {authOff, "", "", map[string]int{"": 200, "x": 200}},
		"file, OIDC": {authOIDC, "", file + ".none", map[string]int{"oidc": 200, "": 401}},
	} {
		d := newDoorstep(t, func(c *Config) { c.APIAuth = test.auth })
		s := &service{gate: d.gate, reconciler: &reconciler{log: slog.New(slog.DiscardHandler), cfg: Config{APIAuth: test.auth, PlanToken: Secret(test.token), PlanTokenFile: test.file}}}
		knock := func(token string) int {
			r := httptest.NewRequest(http.MethodGet, "/v1/plans", nil)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+strings.ReplaceAll(token, "oidc", d.token("HLO", nil)))
			}
			w := httptest.NewRecorder()
			s.planGate(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			if w.Code != 200 {
				checkProblem(t, name, w.Result(), token)
			}
			return w.Code
		}
		for token, want := range test.given {
			if got := knock(token); got != want {
				t.Errorf("%s, token %q: %d, want %d", name, token, got, want)
			}
		}
		if test.file == file {
			write("second")
			if first, second := knock("first"), knock("second"); first != 401 || second != 200 {
				t.Errorf("after the file changed: %d for the old token, %d for the new", first, second)
			}
			write("first\n")
		}
	}
}

// TestPlanRate: the token's holder has a rate too.
func TestPlanRate(t *testing.T) {
	t.Parallel()
	d := newDoorstep(t, func(c *Config) { c.APIRate = 1 })
	s := &service{gate: d.gate, reconciler: &reconciler{log: slog.New(slog.DiscardHandler), cfg: Config{PlanToken: "s3cret-token"}}}
	var got []int
	for range 4 {
		r := httptest.NewRequest(http.MethodGet, "/v1/plans", nil)
		r.Header.Set("Authorization", "Bearer s3cret-token")
		w := httptest.NewRecorder()
		s.planGate(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		got = append(got, w.Code)
	}
	if !slices.Equal(got, []int{200, 200, 429, 429}) {
		t.Errorf("got %v", got)
	}
}

// TestPlansAreOff: without a way to authenticate, and in a dry run, there is no
// plan API; a token file that cannot be read ends the start.
func TestPlansAreOff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cfg  Config
		on   bool
		want string
	}{
		"nothing set": {Config{}, false, ""},
		"dry run":     {Config{PlanToken: "x", DryRun: true}, false, ""},
		"token":       {Config{PlanToken: "x"}, true, ""},
		"API_AUTH":    {Config{APIAuth: authTLS}, true, ""},
		"no file":     {Config{PlanTokenFile: "/nowhere/token"}, false, "PLAN_TOKEN_FILE: the file that it names: no such file"},
		"empty file":  {Config{PlanTokenFile: os.DevNull}, false, "PLAN_TOKEN_FILE: the file that it names is empty"},
	} {
		s := &service{reconciler: &reconciler{cfg: test.cfg}}
		book, err := s.newPlans()
		if (book != nil) != test.on || (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v", name, book != nil, err)
		}
	}
}
