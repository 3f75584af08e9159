package homing

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// expected is what an example's answer was proved to be, by enumeration.
type expected struct {
	Status    string              `json:"status"`
	Optimum   float64             `json:"optimum"`
	Best      []map[string]string `json:"optimal_assignments"`
	Feasible  int                 `json:"n_feasible"`
	Top       []float64           `json:"top_values"`
	Tolerance float64             `json:"tolerance"`
}

// TestExamples solves the worked examples and compares with their proved answers.
func TestExamples(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("testdata/examples/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			var want expected
			if err := json.Unmarshal(read(t, folder, "expected.json"), &want); err != nil {
				t.Fatal(err)
			}
			template, errs := Parse(read(t, folder, "template.yaml"), nil, nil)
			if errs != nil {
				t.Fatalf("parse: %v", errs)
			}
			inventory, errs := ParseInventory(read(t, folder, "inventory.json"))
			if errs != nil {
				t.Fatalf("inventory: %v", errs)
			}
			got := Solve(context.Background(), template, inventory, Options{Solutions: AllSolutions})
			if got.Status != want.Status || len(got.Recommendations) != want.Feasible || got.Proof != ProofOptimal {
				t.Fatalf("got %s with %d recommendations, proof %q, want %s with %d", got.Status, len(got.Recommendations), got.Proof, want.Status, want.Feasible)
			}
			if math.Abs(*got.Objective-want.Optimum) > want.Tolerance {
				t.Errorf("objective %v, want %v", *got.Objective, want.Optimum)
			}
			if best := got.Recommendations[0].Assignment; !slices.ContainsFunc(want.Best, func(b map[string]string) bool { return cmp.Equal(b, best) }) {
				t.Errorf("assignment %v, want one of %v", best, want.Best)
			}
			for i, v := range want.Top {
				if math.Abs(got.Recommendations[i].Objective-v) > want.Tolerance {
					t.Errorf("recommendation %d has %v, want %v", i+1, got.Recommendations[i].Objective, v)
				}
			}
		})
	}
}

func read(t *testing.T, folder, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
