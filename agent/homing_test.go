package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
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
	code = Main(context.Background(), args, func(string) string { return "" }, strings.NewReader(stdin), &out, &errs)
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
	if code, _, errs := program(t, "", "homing", "solve"); code != 1 || !strings.Contains(errs, "template") {
		t.Errorf("without flags: exit %d, %s", code, errs)
	}
}
