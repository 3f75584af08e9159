package homing

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// documented is what an answer on the page says, as far as it says it.
type documented struct {
	Status     string
	Objective  *float64
	Assignment map[string]string
	Conflict   []string
	Removed    map[string]map[string]int
	Errors     []string // paths
}

// TestDocumentation executes the examples of docs/homing.md in their order.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/homing.md")
	if err != nil {
		t.Fatal(err)
	}
	template, inventory, constraint := "", "", ""
	answers := 0
	for _, block := range regexp.MustCompile("(?s)```(?:yaml|json|text) (\\w+)\n(.*?)\n```").FindAllStringSubmatch(string(page), -1) {
		kind, text := block[1], block[2]
		switch kind {
		case "template":
			template = text
		case "inventory":
			inventory = text
		case "constraint":
			constraint = text
		case "answer":
			answers++
			checkAnswer(t, template, inventory, text)
		case "left":
			answers++
			checkLeft(t, template, inventory, constraint, text)
		case "systems": // read by the tests of agent/systems
		case "entities", "decision", "status": // of the loop: package agent executes them
		default:
			t.Errorf("unknown kind of example %q", kind)
		}
	}
	if answers < 15 {
		t.Errorf("only %d answers on the page", answers)
	}
}

func checkAnswer(t *testing.T, template, inventory, text string) {
	t.Helper()
	var want, got documented
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	tpl, errs := Parse([]byte(template), nil, nil)
	for _, err := range errs {
		got.Errors = append(got.Errors, err.Path)
	}
	if tpl != nil {
		inv, errs := ParseInventory([]byte(inventory))
		if errs != nil {
			t.Fatal(errs)
		}
		r := Solve(context.Background(), tpl, inv, Options{})
		got.Status, got.Removed = r.Status, r.Removed
		if len(r.Conflict) > 0 {
			got.Conflict = r.Conflict
		}
		if r.Objective != nil {
			rounded := math.Round(*r.Objective*1e4) / 1e4
			got.Objective, got.Assignment = &rounded, r.Recommendations[0].Assignment
		}
	}
	if want.Removed == nil {
		got.Removed = nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("for\n%s\n%s", template, diff)
	}
}

// checkLeft compares all assignments that a constraint leaves.
func checkLeft(t *testing.T, template, inventory, constraint, text string) {
	t.Helper()
	var whole map[string]any
	var one any
	if err := yaml.Unmarshal([]byte(template), &whole); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(constraint), &one); err != nil {
		t.Fatal(err)
	}
	whole["constraints"] = map[string]any{"it": one}
	whole["homing_template_version"] = "2018-02-01"
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, r := range answer(t, string(data), inventory, Options{Solutions: AllSolutions}).Recommendations {
		got[r.Assignment["a"]+" "+r.Assignment["b"]] = true
	}
	want := map[string]bool{}
	for line := range strings.Lines(text) {
		want[strings.TrimSpace(line)] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("for\n%s\n%s", constraint, diff)
	}
}
