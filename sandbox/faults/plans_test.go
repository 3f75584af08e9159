package faults_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// plan is a plan as the plan API shows it.
type plan struct {
	ID, Status, Message string
	Recommendations     []map[string]struct{ Candidate object }
	Notes               []string
}

// asks sends a request to the plan API and gives status and body.
func (r *rig) asks(method, path, token, body string) (int, []byte) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.listen+path, strings.NewReader(body))
	must(r.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	must(r.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(r.t, err)
	return resp.StatusCode, text
}

// planned waits until a plan has one of the statuses.
func (r *rig) planned(id string, statuses ...string) plan {
	r.t.Helper()
	var p plan
	eventually(r.t, "the plan is "+strings.Join(statuses, " or "), func() error {
		code, text := r.asks("GET", "/v1/plans/"+id, "geheim", "")
		var got struct{ Plans []plan }
		if err := json.Unmarshal(text, &got); err != nil || code != 200 || len(got.Plans) != 1 {
			return fmt.Errorf("got %d %s", code, text)
		}
		p = got.Plans[0]
		for _, status := range statuses {
			if p.Status == status {
				return nil
			}
		}
		return fmt.Errorf("got %s", text)
	})
	return p
}

// A plan is solved on the elements that the broker holds, with what is promised to
// others taken off. One whose agent is killed while it is solved is taken up by
// the next.
func TestPlanOutlivesItsAgent(t *testing.T) {
	t.Parallel()
	var hangs atomic.Bool
	licences := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body) // only then it is noticed that the caller went
		if hangs.Load() {
			<-req.Context().Done()
			return
		}
		_, _ = io.WriteString(w, fmt.Sprintf(`{"answers": [{"candidates": [%q]}]}`, k1)) // the caller may have gone
	}))
	t.Cleanup(licences.Close)
	file := filepath.Join(t.TempDir(), "systems.yaml")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "systems: [{name: fw, kind: license, url: %s, timeout: 60s}]", licences.URL), 0o600))
	r := newRig(t, map[string]string{"PLAN_TOKEN": "geheim", "HOMING_SYSTEMS": file})
	r.create(alpha(3000, 6000)...)
	r.create(wanting("web", ram(2500))...)
	r.patch(componentID("web"), object{"infrastructureElement": rel(k2)}) // promised there, and never Running
	r.start()
	order := func(constraints string, mb int) string {
		return fmt.Sprintf(`{"timeout": 60, "template": {"homing_template_version": "2018-02-01",
		 "demands": {"db": [{"inventory_provider": "aerios", "inventory_type": "infrastructure_element"}]},
		 "constraints": {%s "fit": {"type": "capacity", "demands": "db", "properties": {"request": {"ram": %d}, "limits": {"ram": "freeRam"}}}}}}`, constraints, mb)
	}
	accepted := func(body string) string {
		code, text := r.asks("POST", "/v1/plans", "geheim", body)
		var p plan
		if err := json.Unmarshal(text, &p); err != nil || code != 201 || p.Status != "template" {
			t.Fatalf("got %d %s", code, text)
		}
		return p.ID
	}
	on := func(p plan) any {
		if len(p.Recommendations) == 0 {
			return p.Status + " " + p.Message
		}
		return p.Recommendations[0]["db"].Candidate["candidate_id"]
	}
	if got := on(r.planned(accepted(order("", 3200)), "done", "error", "not found")); got != k2 {
		t.Errorf("placed on %v, want %v", got, k2)
	}
	if got := r.planned(accepted(order("", 4000)), "done", "error", "not found"); got.Status != "not found" {
		t.Errorf("got %s, want not found: 2500 MB of 6000 are promised", got.Status)
	}
	if code, _ := r.asks("GET", "/v1/plans", "other", ""); code != 401 {
		t.Errorf("with another token: %d", code)
	}
	code, text := r.asks("POST", "/v1/plans", "geheim", strings.ReplaceAll(order("", 1), "aerios", "nobody"))
	if code != 400 || !strings.Contains(string(text), "template.demands.db[0].inventory_provider") {
		t.Errorf("a wrong template: %d %s", code, text)
	}

	hangs.Store(true)
	const licence = `"fw": {"type": "license", "demands": "db", "properties": {"id": "fw", "key": "gold"}},`
	id := accepted(order(licence, 1000))
	r.planned(id, "solving")
	r.agent.kill()
	hangs.Store(false)
	r.start()
	if got := on(r.planned(id, "done", "error", "not found")); got != k1 {
		t.Errorf("after the restart on %v, want %v", got, k1)
	}
	if n := r.count("plans_total", `status="done"`); n != 1 {
		t.Errorf("%v plans are done since the restart, want 1", n)
	}
	if code, _ := r.asks("DELETE", "/v1/plans/"+id, "geheim", ""); code != 204 {
		t.Errorf("delete: %d", code)
	}
}
