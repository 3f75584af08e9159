package install_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// alert is one of the chart's rules.
type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	readInto(t, chart+"/files/alerts.yaml", &file)
	var all []alert
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d alerts", len(all))
	}
	return all
}

func readInto(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// panel is one of the dashboard's.
type panel struct {
	Title, Type string
	Targets     []struct{ Expr, LegendFormat string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	data, err := os.ReadFile(chart + "/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []panel
	for _, p := range dashboard.Panels {
		if p.Type != "row" {
			all = append(all, p)
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d panels", len(all))
	}
	return all
}

// TestAlertsFire runs the cases of testdata/alerts.test.yaml, which must have each alert firing and silent.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "rules", chart + "/files/alerts.yaml"},
		{"test", "rules", "testdata/alerts.test.yaml"},
	} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s (Debian's package prometheus has it): %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	var file struct {
		Tests []struct {
			Rules []struct {
				Alert string `json:"alertname"`
				Want  []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	readInto(t, "testdata/alerts.test.yaml", &file)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, rule := range test.Rules {
			fires[rule.Alert] = fires[rule.Alert] || len(rule.Want) > 0
			silent[rule.Alert] = silent[rule.Alert] || len(rule.Want) == 0
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: a case in which it fires: %v; one in which it is silent: %v", a.Alert, fires[a.Alert], silent[a.Alert])
		}
	}
}

// TestEveryAlertHasARunbook: its link leads to its own section of docs/operations.md, and no section is without alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^### (HloAgent\w+)$`).FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, m[1])
	}
	for _, a := range alerts(t) {
		i := slices.Index(sections, a.Alert)
		if i < 0 {
			t.Errorf("docs/operations.md has no section %s", a.Alert)
			continue
		}
		sections = slices.Delete(sections, i, i+1)
		if want := "docs/operations.md#" + strings.ToLower(a.Alert); !strings.HasSuffix(a.Annotations["runbook_url"], want) {
			t.Errorf("%s: its runbook_url is %q, want …%s", a.Alert, a.Annotations["runbook_url"], want)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || a.Labels["severity"] == "" {
			t.Errorf("%s lacks a summary, a description or a severity", a.Alert)
		}
	}
	if len(sections) > 0 {
		t.Errorf("docs/operations.md has sections for alerts that are not there: %v", sections)
	}
}

var (
	metricName  = regexp.MustCompile(`\b(?:hlo_agent|go|process)_[a-z_]+\b`)
	matchers    = regexp.MustCompile(`(\b(?:hlo_agent|go|process)_[a-z_]+)\{([^}]*)\}`)
	matcherName = regexp.MustCompile(`(\w+)\s*[=!]~?\s*"`)
	grouping    = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	readmeRow   = regexp.MustCompile("(?m)^\\| `(hlo_agent_[a-z_]+)` \\| ([a-z, ]*) \\|")
)

// documented are the metrics of the README with their labels; the README is compared with the code elsewhere.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string][]string{}
	for _, m := range readmeRow.FindAllStringSubmatch(string(text), -1) {
		metrics[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })
	}
	if len(metrics) < 15 {
		t.Fatalf("only %d metrics in the README", len(metrics))
	}
	return metrics
}

// checkQuery says which metrics and labels of a query there are not.
func checkQuery(expr string, metrics map[string][]string) []string {
	var wrong, labels []string
	base := func(name string) string {
		if metrics[name] == nil {
			name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		}
		return name
	}
	ofScrape := []string{"instance", "namespace", "job", "le", "tenant"} // the last is of an agent with several tenants
	for _, name := range metricName.FindAllString(expr, -1) {
		of, known := metrics[base(name)]
		if strings.HasPrefix(name, "hlo_agent_") && !known {
			wrong = append(wrong, "no metric "+name)
		}
		labels = append(labels, of...)
	}
	for _, m := range matchers.FindAllStringSubmatch(expr, -1) {
		for _, l := range matcherName.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append(metrics[base(m[1])], ofScrape...), l[1]) {
				wrong = append(wrong, m[1]+" has no label "+l[1])
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for _, label := range strings.Split(m[1], ",") {
			if label = strings.TrimSpace(label); !slices.Contains(append(labels, ofScrape...), label) {
				wrong = append(wrong, "grouped by "+label+", which none of its metrics has")
			}
		}
	}
	return wrong
}

// TestQueriesNameWhatThereIs compares the queries of alerts and dashboard with the metrics.
func TestQueriesNameWhatThereIs(t *testing.T) {
	t.Parallel()
	metrics := documented(t)
	queries := map[string]string{}
	for _, a := range alerts(t) {
		queries["alert "+a.Alert] = a.Expr
	}
	for _, p := range panels(t) {
		for i, target := range p.Targets {
			queries[fmt.Sprintf("panel %s, query %d", p.Title, i+1)] = target.Expr
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !strings.Contains(target.Expr, m[1]) {
					t.Errorf("panel %s: its legend names %s, which its query does not keep", p.Title, m[1])
				}
			}
		}
	}
	for where, expr := range queries {
		for _, wrong := range checkQuery(expr, metrics) {
			t.Errorf("%s: %s in %s", where, wrong, expr)
		}
	}
	// What the check must see.
	for expr, want := range map[string]string{
		`rate(hlo_agent_no_such_total[5m])`:                          "no metric",
		`hlo_agent_components{fase="Failed"}`:                        "no label fase",
		`sum by (kind) (rate(hlo_agent_reconciles_total[5m]))`:       "grouped by kind",
		`hlo_agent_lag_seconds_bucket{result="ok"}`:                  "no label result",
		`sum by (le, stage) (rate(hlo_agent_lag_seconds_count[5m]))`: "",
	} {
		if got := strings.Join(checkQuery(expr, metrics), "; "); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}
