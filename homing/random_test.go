package homing_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hlo-agent/hlo-agent/homing"
)

// How many random problems TestOracle solves; the longer target asks for more.
var (
	problems  = flag.Int("homing.problems", 2000, "random problems to compare with the oracle")
	firstSeed = flag.Uint64("homing.seed", 0, "seed of the first of them")
)

// TestOracle compares the engine with complete enumeration on random problems.
func TestOracle(t *testing.T) {
	t.Parallel()
	const shards = 4
	var seen [shards]map[string]int
	t.Run("problems", func(t *testing.T) {
		for shard := range seen {
			seen[shard] = map[string]int{}
			t.Run(strconv.Itoa(shard), func(t *testing.T) {
				t.Parallel()
				for i := shard; i < *problems && !t.Failed(); i += shards {
					seen[shard][compare(t, *firstSeed+uint64(i))]++
				}
			})
		}
	})
	line := fmt.Sprintf("oracle: %d problems agree", *problems)
	for _, status := range []string{homing.StatusDone, homing.StatusNotFound, homing.StatusError} {
		total := 0
		for _, counts := range seen {
			total += counts[status]
		}
		if line += fmt.Sprintf(", %d %s", total, status); total == 0 && *problems >= 1000 {
			t.Errorf("no problem ended as %q: the generator proves nothing of it", status)
		}
	}
	if !t.Failed() {
		t.Log(line)
	}
}

// TestEqualsBesideOneValue has equals to choose among while one demand is left a
// single candidate by what the others cost.
func TestEqualsBesideOneValue(t *testing.T) {
	t.Parallel()
	compare(t, 6566)
}

func compare(t *testing.T, seed uint64) string {
	t.Helper()
	p := makeProblem(seed)
	template, inventory := marshal(t, p.template), marshal(t, p.inventory)
	fail := func(format string, args ...any) {
		t.Errorf("seed %d: "+format+"\ntemplate %s", append(append([]any{seed}, args...), template)...)
	}
	tpl, errs := homing.Parse(template, nil, nil)
	if errs != nil {
		fail("parse: %v", errs)
		return ""
	}
	inv, errs := homing.ParseInventory(inventory)
	if errs != nil {
		fail("inventory: %v", errs)
		return ""
	}
	got := homing.Solve(context.Background(), tpl, inv, homing.Options{Solutions: 3})
	o := newOracle(problem{unmarshal(t, template), unmarshal(t, inventory)})
	want := o.solve(nil)
	switch {
	case want.noCandidates:
		if got.Status != homing.StatusError {
			fail("a demand without candidates: got %s", got.Status)
		}
	case len(want.all) == 0:
		if got.Status != homing.StatusNotFound || got.Proof != homing.ProofOptimal {
			fail("infeasible: got %s, proof %q", got.Status, got.Proof)
		} else if why := o.wrongConflict(got.Conflict); why != "" {
			fail("conflict %v %s", got.Conflict, why)
		}
	default:
		if why := o.wrongAnswer(got, want); why != "" {
			fail("%s\ngot %v\nwant %v", why, shown(got.Recommendations), want.all[:min(5, len(want.all))])
		}
	}
	return got.Status
}

func shown(recommendations []homing.Recommendation) []any {
	var list []any
	for _, r := range recommendations {
		list = append(list, r.Objective, r.Assignment)
	}
	return list
}

// wrongAnswer compares the three best answers.
func (o *oracle) wrongAnswer(got homing.Result, want verdict) string {
	if got.Status != homing.StatusDone || got.Proof != homing.ProofOptimal {
		return "got " + got.Status + " " + got.Proof
	}
	if len(got.Recommendations) != min(3, len(want.all)) {
		return "not as many recommendations as there are"
	}
	for i, r := range got.Recommendations {
		if !near(r.Objective, want.all[i].value, 1e-6) {
			return "another objective"
		}
		var ids []string
		for _, d := range o.demands {
			ids = append(ids, r.Assignment[d])
		}
		at := slices.IndexFunc(want.all, func(a answer) bool { return slices.Equal(a.ids, ids) })
		if at < 0 || !near(want.all[at].value, r.Objective, 1e-6) {
			return "not the value of that assignment"
		}
		if i == 0 && !o.first(want.all, want.all[at]) {
			return "not the first among equals"
		}
		if sum := contributions(r.Terms); o.sums() && !near(sum, r.Objective, 1e-6) {
			return "terms do not add up"
		}
	}
	return ""
}

func (o *oracle) sums() bool {
	opt, ok := o.template["optimization"].(object)
	if !ok {
		return true
	}
	of, ok := opt["operation_function"].(object)
	return !ok || of["operator"] == "sum"
}

func contributions(terms []homing.Term) float64 {
	sum := 0.0
	for _, t := range terms {
		sum += t.Contribution
	}
	return sum
}

// first reports whether a comes first among the assignments that are as good; where
// rounding may tell equals apart, any of them does.
func (o *oracle) first(all []answer, a answer) bool {
	equals := slices.DeleteFunc(slices.Clone(all), func(b answer) bool { return !near(a.value, b.value, 1e-7) })
	for _, b := range equals {
		if math.Abs(a.value-b.value) > 1e-11 {
			return true
		}
	}
	slices.SortFunc(equals, func(x, y answer) int {
		if math.Abs(x.rank-y.rank) > 1e-9 {
			return int(math.Copysign(1, x.rank-y.rank))
		}
		return slices.Compare(x.ids, y.ids)
	})
	return slices.Equal(equals[0].ids, a.ids)
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*max(1, math.Abs(b)) }

// wrongConflict checks that a conflict is one, and that each member is needed.
func (o *oracle) wrongConflict(conflict []string) string {
	if len(conflict) == 0 {
		return "is empty"
	}
	if len(o.solve(conflict).all) > 0 {
		return "can hold together"
	}
	for i := range conflict {
		if len(o.solve(slices.Delete(slices.Clone(conflict), i, i+1)).all) == 0 {
			return "is not minimal: " + conflict[i] + " is not needed"
		}
	}
	return ""
}

// TestOrderDoesNotMatter turns lists around that are sets, and wants the same.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		p := makeProblem(seed)
		solve := func() homing.Result {
			tpl, errs := homing.Parse(marshal(t, p.template), nil, nil)
			inv, more := homing.ParseInventory(marshal(t, p.inventory))
			if errs != nil || more != nil {
				t.Fatal(errs, more)
			}
			return homing.Solve(context.Background(), tpl, inv, homing.Options{Solutions: 4})
		}
		before := solve()
		slices.Reverse(p.inventory["candidates"].([]any))
		if network, ok := p.inventory["network"].([]any); ok {
			slices.Reverse(network)
		}
		if diff := cmp.Diff(before, solve()); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshal(t *testing.T, data []byte) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	return o
}
