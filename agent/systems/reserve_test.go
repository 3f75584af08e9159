package systems

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/homing"
)

// TestReserve reserves at a controller that refuses one candidate: what was
// reserved is released, and the next recommendation is taken.
func TestReserve(t *testing.T) {
	t.Parallel()
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a request that breaks off shows in the comparison
		seen = append(seen, r.Header.Get("Authorization")+" "+string(body))
		if strings.Contains(string(body), `"action":"reserve","candidate":"c1"`) && strings.Contains(string(body), `"demand":"b"`) {
			http.Error(w, "full", http.StatusConflict)
		}
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(fmt.Appendf(nil, "systems: [{name: SDN-C, kind: service, reserveUrl: %s, tokenFile: %s}]", server.URL, token), Config{})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(template, "{type: zone, demands: [a, b], properties: {qualifier: same, category: element}}") +
		"\nreservations: {hold: {type: instance_reservation, demands: [a, b], properties: {controller: sdn-c, request: {bw: 1}}}}"
	tpl, errs := homing.Parse([]byte(text), nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	recs := []homing.Recommendation{{Assignment: map[string]string{"a": "c1", "b": "c1"}}, {Assignment: map[string]string{"a": "c2", "b": "c2"}}}
	got, err := homing.Reserve(t.Context(), tpl, recs, s.Reserver("plan1"))
	if got != 1 || err != nil {
		t.Errorf("got %d, %v; want the second recommendation", got, err)
	}
	line := func(action, demand, candidate string) string {
		return fmt.Sprintf(`Bearer s3cret {"action":%q,"candidate":%q,"controller":"sdn-c","demand":%q,"id":"plan1/hold_%s","model":"","request":{"bw":1},"type":"instance_reservation"}`, action, candidate, demand, demand)
	}
	want := []string{line("reserve", "a", "c1"), line("reserve", "b", "c1"), line("release", "a", "c1"), line("reserve", "a", "c2"), line("reserve", "b", "c2")}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	var none *Set
	if _, err := homing.Reserve(t.Context(), tpl, recs, none.Reserver("plan1")); !errors.Is(err, homing.ErrNotConfigured) {
		t.Errorf("without systems: got %v, want not configured", err)
	}
}
