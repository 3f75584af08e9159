package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program runs hlo-agent and returns its exit code and what it printed.
func program(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(context.Background(), "hlo-agent", args, func(string) string { return "" }, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestHomingSolveGivesTheProvedAnswers(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("../homing/testdata/examples/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, "expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Status      string
			Optimum     float64
			Tolerance   float64
			Assignments []map[string]string `json:"optimal_assignments"`
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		code, out, errs := program(t, "", "homing", "solve", "-t", filepath.Join(folder, "template.yaml"), "-i", filepath.Join(folder, "inventory.json"), "-o", "json")
		var got struct {
			Status, Proof   string
			Objective       float64
			Recommendations []struct{ Assignment map[string]string }
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s: stdout is no JSON object: %v\n%s%s", folder, err, out, errs)
		}
		if code != 0 || got.Status != want.Status || got.Proof != "optimal" || math.Abs(got.Objective-want.Optimum) > max(want.Tolerance, 1e-6) {
			t.Errorf("%s: exit %d, %s, %s, %v; want %s, %v", folder, code, got.Status, got.Proof, got.Objective, want.Status, want.Optimum)
			continue
		}
		if !slices.ContainsFunc(want.Assignments, func(a map[string]string) bool { return sameMap(a, got.Recommendations[0].Assignment) }) {
			t.Errorf("%s: assignment %v is none of the optimal ones", folder, got.Recommendations[0].Assignment)
		}
	}
}

func sameMap(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func TestHomingExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bad := write("bad.yaml", "homing_template_version: 2017-10-10\nnonsense: 1\n")
	inventory := write("inventory.json", `{"candidates": []}`)
	code, out, _ := program(t, "", "homing", "solve", "-t", bad, "-i", inventory, "-o", "json")
	var result struct {
		Status string
		Errors []struct{ Path, Message string }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || code != exitError || result.Status != "error" || len(result.Errors) == 0 {
		t.Errorf("a bad template: exit %d, %v, %s", code, err, out)
	}
	if code, out, _ := program(t, "", "homing", "validate", "-t", bad); code != exitError || !strings.Contains(out, "demands") {
		t.Errorf("validate: exit %d, %s", code, out)
	}
	if code, out, _ := program(t, "", "homing", "solve"); code != exitError || !strings.Contains(out, "template: required") || !strings.Contains(out, "inventory: required") {
		t.Errorf("without flags: exit %d, %s", code, out)
	}
	good := write("good.yaml", "{homing_template_version: 2018-02-01, demands: {a: [{candidates: [{candidate_id: c}]}]}}")
	for _, line := range []string{
		"-o json", "-o json -t " + bad, "-t " + bad + " -i - -o json", "-o json --nonsense -t x", "--nonsense -o=json", "-n three -ojson", "--output=json extra", "extra --output json",
		"-o json -t " + good + " -i " + dir, "-o json -t " + good + " -i " + inventory + " --systems nowhere", "-o json -p x -t " + good + " -i " + inventory, "-t " + dir + " -i " + inventory + " -o json",
	} {
		code, out, errs := program(t, "[", append([]string{"homing", "solve"}, strings.Fields(line)...)...)
		result.Status, result.Errors = "", nil
		if err := json.Unmarshal([]byte(out), &result); err != nil || code != exitError || result.Status != "error" || len(result.Errors) == 0 {
			t.Errorf("%s: exit %d, want an object with errors, got %s%s (%v)", line, code, out, errs, err)
		}
	}
	if code, out, _ := program(t, "", "homing", "solve", "-t", good, "-i", inventory, "-o", "xml"); code != exitError || !strings.Contains(out, `output: "xml": accepted is one of table, json, yaml`) {
		t.Errorf("-o xml: exit %d, %s", code, out)
	}
	if code, out, _ := program(t, "", "homing", "solve", "-t", good, "-i", inventory, "-o", "yaml"); code != 0 || !strings.Contains(out, "status: done") {
		t.Errorf("-o yaml: exit %d, %s", code, out)
	}
	full := write("full.json", `{"candidates": [{"candidate_id": "c", "inventory_type": "cloud", "x": 1}]}`)
	none := write("none.yaml", "{homing_template_version: 2018-02-01, demands: {a: [{inventory_provider: aai, inventory_type: cloud}]}, constraints: {t: {type: threshold, demands: a, properties: {evaluate: [{attribute: x, operator: gt, threshold: 1}]}}}}")
	for output, want := range map[string]string{"json": `"conflict":["t"]`, "yaml": "status: not found", "table": "cannot hold together: t"} {
		if code, out, _ := program(t, "", "homing", "solve", "-t", none, "-i", full, "-o", output); code != exitNotFound || !strings.Contains(out, want) {
			t.Errorf("not found with -o %s: exit %d, %s", output, code, out)
		}
	}
}

// TestHomingAsksSystems solves with --systems: one that answers, one that is away,
// and a file that is wrong.
func TestHomingAsksSystems(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"VIMs": ["v2"]}`)) // the caller went away
	}))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	template := write("template.yaml", `{homing_template_version: 2018-02-01, demands: {a: [{inventory_provider: aai, inventory_type: cloud}]}, constraints: {fit: {type: vim_fit, demands: a, properties: {controller: multicloud, request: {vCPU: 1}}}}}`)
	inventory := write("inventory.json", `{"candidates": [{"candidate_id": "c1", "inventory_type": "cloud", "vim-id": "v1"}, {"candidate_id": "c2", "inventory_type": "cloud", "vim-id": "v2"}]}`)
	for name, test := range map[string]struct {
		systems string
		code    int
		want    string
	}{
		"answers":  {"systems: [{name: multicloud, kind: vim, url: " + server.URL + "}]", 0, `"assignment":{"a":"c2"}`},
		"entities": {"systems: [{name: multicloud, kind: vim, entities: {type: Vim, amounts: {vCPU: free}}}]", exitNotFound, `gave no answer: no broker to ask for entities`},
		"absent":   {"systems: [{name: other, kind: vim, url: " + server.URL + "}]", exitNotFound, `vim_fit \"multicloud\" gave no answer: not configured`},
		"wrong":    {"systems: [{name: multicloud}]", exitError, `{"path":"systems","message":"systems[0].url: accepted is either url or entities"}`},
	} {
		code, out, _ := program(t, "", "homing", "solve", "-t", template, "-i", inventory, "--systems", write(name+".yaml", test.systems), "-o", "json")
		if code != test.code || !strings.Contains(out, test.want) {
			t.Errorf("%s: exit %d, want %d and %s in %s", name, code, test.code, test.want, out)
		}
	}
}
