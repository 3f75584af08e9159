package install_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var pictures = flag.String("pictures", "", "folder to draw the dashboard into, as a page")

// prometheus is a real one that scrapes the agent each second.
type prometheus struct{ url string }

func startPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	folder, address := t.TempDir(), freeAddress(t)
	config := filepath.Join(folder, "prometheus.yml")
	rules, err := filepath.Abs(chart + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n- job_name: hlo-agent\n  static_configs: [{targets: [%q]}]\n", rules, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "prometheus", "--config.file", config, "--storage.tsdb.path", filepath.Join(folder, "data"), "--web.listen-address", address, "--log.level", "error")
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (Debian's package prometheus has it)", err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was told to end
	})
	return &prometheus{"http://" + address}
}

// series is one line of a graph.
type series struct {
	Metric map[string]string
	Values [][2]any // time in seconds, value as text
}

// query asks for a time, in steps of a second.
func (p *prometheus) query(expr string, from, to time.Time) ([]series, error) {
	parameters := url.Values{
		"query": {expr}, "step": {"1"},
		"start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(to.Unix(), 10)},
	}
	resp, err := http.Get(p.url + "/api/v1/query_range?" + parameters.Encode())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []series }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	return answer.Data.Result, nil
}

// asGrafana fills in what Grafana does.
func asGrafana(expr string) string {
	return strings.NewReplacer("$instance", ".*", "$__rate_interval", "5s").Replace(expr)
}

// showsTheDashboard runs every query of every panel. Each must have an answer; one of a counter that only moves when
// something goes wrong may be empty, and is listed.
func (p *prometheus) showsTheDashboard(t *testing.T) {
	empty := map[string]bool{
		"hlo_agent_foreign_reports_total": true, "hlo_agent_api_requests_total": true,
		"hlo_agent_api_request_duration_seconds": true, "hlo_agent_api_refused_total": true,
		"hlo_agent_system_requests_total": true, "hlo_agent_handovers_total": true, "hlo_agent_plans_total": true, "hlo_agent_reloads_total": true,
	}
	began := time.Now().Add(-2 * time.Minute)
	graphs := map[string][][]series{}
	for _, panel := range panels(t) {
		for _, target := range panel.Targets {
			expr := asGrafana(target.Expr)
			mayBeEmpty := false
			for name := range empty {
				mayBeEmpty = mayBeEmpty || strings.Contains(expr, name)
			}
			eventually(t, panel.Title, func() error {
				found, err := p.query(expr, began, time.Now())
				if err == nil && !mayBeEmpty && len(found) == 0 {
					err = fmt.Errorf("no answer to %s", expr)
				}
				if err == nil {
					graphs[panel.Title] = append(graphs[panel.Title], found)
				}
				return err
			})
		}
	}
	if *pictures != "" {
		draw(t, *pictures, panels(t), graphs)
	}
}
