package search

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// random makes up a problem with many ties and every kind of constraint.
func random(r *rand.Rand) *Problem {
	n, size := 3+r.IntN(3), 4+r.IntN(4)
	p := &Problem{}
	for range n {
		live, cost, label := FullBits(size), make([]int64, size), make([]int32, size)
		for a := range size {
			cost[a], label[a] = 10*int64(r.IntN(4)), int32(r.IntN(4))-int32(r.IntN(2))
			if r.IntN(8) == 0 {
				live.Unset(a)
			}
		}
		p.Size, p.Live, p.Cost = append(p.Size, size), append(p.Live, live), append(p.Cost, cost)
		p.Twin = append(p.Twin, nil)
	}
	labels := func(vars []int) (all [][]int32) {
		for range vars {
			l := make([]int32, size)
			for a := range l {
				l[a] = int32(r.IntN(5)) - 1
			}
			all = append(all, l)
		}
		return all
	}
	for range r.IntN(3) {
		vars := r.Perm(n)[:2+r.IntN(n-1)]
		pack := Pack{Vars: vars, Label: labels(vars), Limit: []int64{1, 1, 2, 1}}
		if r.IntN(2) == 0 {
			pack.Limit = []int64{9, 12, 7, 20}
			for range vars {
				load := make([]int64, size)
				for a := range load {
					load[a] = int64(r.IntN(9))
				}
				pack.Load = append(pack.Load, load)
			}
		}
		p.Packs = append(p.Packs, pack)
	}
	if r.IntN(4) == 0 {
		vars := r.Perm(n)[:2]
		p.Sames = append(p.Sames, Same{vars, labels(vars)})
	}
	for range r.IntN(3) {
		e := r.Perm(n)
		table := make([]bool, size*size)
		for i := range table {
			table[i] = r.IntN(3) > 0
		}
		p.Rels = append(p.Rels, Relation{I: e[0], J: e[1], Rows: NewRows(size, size, false, func(a, b int) bool { return table[a*size+b] })})
	}
	for range r.IntN(4) {
		e := r.Perm(n)
		table := make([]int64, size*size)
		for i := range table {
			table[i] = int64(r.IntN(5)*10 - 20)
		}
		p.Pairs = append(p.Pairs, PairCost{e[0], e[1], func(a, b int) int64 { return table[a*size+b] }})
	}
	return p
}

// allowed is the definition of a feasible assignment, and cost of what it costs.
func allowed(p *Problem, x []int) bool {
	for v, a := range x {
		if !p.Live[v].Has(a) {
			return false
		}
	}
	for _, r := range p.Rels {
		if !r.Rows.ok(x[r.I], x[r.J]) {
			return false
		}
	}
	for _, pack := range p.Packs {
		load := map[int32]int64{}
		for i, v := range pack.Vars {
			if l := pack.Label[i][x[v]]; l >= 0 {
				if load[l] += pack.load(i, x[v]); load[l] > pack.Limit[l] {
					return false
				}
			}
		}
	}
	for _, same := range p.Sames {
		a, b := same.Label[0][x[same.Vars[0]]], same.Label[1][x[same.Vars[1]]]
		if a < 0 || a != b {
			return false
		}
	}
	return true
}

func enumerate(p *Problem) []Solution {
	var all []Solution
	x := make([]int, len(p.Size))
	var choose func(v int)
	choose = func(v int) {
		if v == len(x) {
			if allowed(p, x) {
				s := Solution{Values: slices.Clone(x)}
				for v, a := range x {
					s.Cost += p.Cost[v][a]
				}
				for _, pair := range p.Pairs {
					s.Cost += pair.Cost(x[pair.I], x[pair.J])
				}
				all = append(all, s)
			}
			return
		}
		for a := range p.Size[v] {
			x[v] = a
			choose(v + 1)
		}
	}
	choose(0)
	slices.SortFunc(all, compare)
	return all
}

// TestSearch compares whole answers, ties included, with enumeration; short tastes
// send the search through all of its phases.
func TestSearch(t *testing.T) {
	t.Parallel()
	feasible := 0
	for seed := range uint64(1500) {
		p := random(rand.New(rand.NewPCG(seed, 1)))
		want := enumerate(p)
		for _, k := range []int{1, 4} {
			for _, taste := range []int{1, 4, 300} {
				got := Solve(context.Background(), p, Options{Solutions: k, taste: taste})
				expected := slices.Clone(want[:min(k, len(want))])
				if diff := cmp.Diff(expected, slices.Clone(got.Solutions), cmp.Transformer("nil", func(s []Solution) []Solution { return append([]Solution{}, s...) })); diff != "" || !got.Complete {
					t.Fatalf("seed %d, %d best, taste %d, complete %v: %s", seed, k, taste, got.Complete, diff)
				}
				if len(want) > 0 && got.Bound != want[0].Cost {
					t.Fatalf("seed %d: bound %d, optimum %d", seed, got.Bound, want[0].Cost)
				}
			}
		}
		if found := Solve(context.Background(), p, Options{Feasible: true}); (len(found.Solutions) > 0) != (len(want) > 0) || !found.Complete {
			t.Fatalf("seed %d: feasible %v, found %v", seed, len(want) > 0, found)
		}
		if len(want) > 0 {
			feasible++
		}
	}
	if feasible < 200 || feasible > 1490 {
		t.Errorf("%d feasible: the generator proves little", feasible)
	}
}

// hard is a problem that does not end soon: many items into places of which each
// holds three, at costs without a pattern.
func hard(items, places int) *Problem {
	r := rand.New(rand.NewPCG(3, 3))
	p := &Problem{}
	pack := Pack{}
	for v := range items {
		cost, label, load := make([]int64, places), make([]int32, places), make([]int64, places)
		for a := range places {
			cost[a], label[a], load[a] = int64(r.IntN(1_000_000)), int32(a), int64(300+r.IntN(101))
		}
		p.Size, p.Live, p.Cost, p.Twin = append(p.Size, places), append(p.Live, FullBits(places)), append(p.Cost, cost), append(p.Twin, nil)
		pack.Vars, pack.Label, pack.Load = append(pack.Vars, v), append(pack.Label, label), append(pack.Load, load)
	}
	for range places {
		pack.Limit = append(pack.Limit, 1000)
	}
	p.Packs = []Pack{pack}
	return p
}

// TestStopped wants a true bound from a search that is stopped: one that later
// answers do not contradict.
func TestStopped(t *testing.T) {
	t.Parallel()
	p := hard(40, 15)
	var best int64 = Unbounded
	for _, limit := range []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		got := Solve(ctx, p, Options{})
		cancel()
		if len(got.Solutions) > 0 {
			if !allowed(p, got.Solutions[0].Values) {
				t.Fatal("not allowed")
			}
			best = min(best, got.Solutions[0].Cost)
		}
		if got.Bound > best {
			t.Errorf("after %v: bound %d, but %d exists", limit, got.Bound, best)
		}
	}
}

// TestImpossible proves by counting places what a search would take for ever for.
func TestImpossible(t *testing.T) {
	t.Parallel()
	const vars, size = 12, 2000
	p := &Problem{}
	pack := Pack{Limit: slices.Repeat([]int64{1}, vars-1)}
	label := make([]int32, size)
	for a := range label {
		label[a] = int32(a % (vars - 1))
	}
	for v := range vars {
		p.Size, p.Live, p.Twin = append(p.Size, size), append(p.Live, FullBits(size)), append(p.Twin, nil)
		pack.Vars, pack.Label = append(pack.Vars, v), append(pack.Label, label)
	}
	p.Packs = []Pack{pack}
	got := Solve(context.Background(), p, Options{})
	if !got.Complete || len(got.Solutions) > 0 || got.Nodes > 10 {
		t.Errorf("got %d solutions, complete %v, after %d nodes", len(got.Solutions), got.Complete, got.Nodes)
	}
}

func TestBits(t *testing.T) {
	t.Parallel()
	b := NewBits(130)
	for _, i := range []int{0, 63, 64, 129} {
		b.Set(i)
	}
	b.Unset(63)
	if got := slices.Collect(b.All()); !slices.Equal(got, []int{0, 64, 129}) || b.Len() != 3 || b.First() != 0 || !b.Has(64) || b.Has(63) {
		t.Errorf("got %v", got)
	}
	if full := FullBits(130); full.Len() != 130 || !full.Covers(b) || b.Covers(full) || !b.Meets(full) || NewBits(130).First() != -1 {
		t.Error("full set")
	}
	if full := FullBits(64); full.Len() != 64 {
		t.Errorf("64: %d", full.Len())
	}
}

// TestTimeIsUp has tables that take long to look through, and no time: what comes
// is an assignment or nothing, and never a bound that was not computed.
func TestTimeIsUp(t *testing.T) {
	t.Parallel()
	const n, size = 3, 2000
	asked := 0
	p := &Problem{}
	for range n {
		p.Size, p.Live, p.Cost, p.Twin = append(p.Size, size), append(p.Live, FullBits(size)), append(p.Cost, nil), append(p.Twin, nil)
	}
	for i := range n {
		for j := i + 1; j < n; j++ {
			p.Pairs = append(p.Pairs, PairCost{i, j, func(a, b int) int64 { asked++; return int64(a*b%7) - 100 }})
			p.Rels = append(p.Rels, Relation{I: i, J: j, Rows: NewRows(size, size, false, func(a, b int) bool { asked++; return a == b+1 || a > size/2 && b == 0 })})
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := Solve(ctx, p, Options{})
	if got.Complete || got.Bound > 3*-100 {
		t.Errorf("complete %v, bound %d; the best can cost -300", got.Complete, got.Bound)
	}
	if most := 6 * size * size / 4; asked > most {
		t.Errorf("looked at %d pairs without any time, want at most %d", asked, most)
	}
}
