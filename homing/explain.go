package homing

import (
	"fmt"
	"strings"
)

// Explain says in words what a result is and why: the chosen candidates, every
// term of the objective, why the runner-up lost, how many candidates each
// constraint removed, and what cannot hold together.
func Explain(r Result) string {
	var b strings.Builder
	for _, err := range r.Errors {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	switch {
	case r.Status == StatusNotFound:
		fmt.Fprintln(&b, "not found: proved that no assignment satisfies the constraints")
	case r.Proof == ProofOptimal && r.Objective != nil:
		fmt.Fprintf(&b, "done: objective %s, proved to be the best\n", short(*r.Objective))
	case r.Objective != nil && r.Bound != nil && r.Gap != nil:
		fmt.Fprintf(&b, "done: objective %s, stopped at the time limit; nothing is better than %s (gap %.2f %%)\n", short(*r.Objective), short(*r.Bound), 100**r.Gap)
	}
	if r.Objective != nil && r.Bound == nil {
		fmt.Fprintf(&b, "done: objective %s, stopped at the time limit before anything could be proved\n", short(*r.Objective))
	}
	for i, rec := range r.Recommendations {
		fmt.Fprintf(&b, "recommendation %d: objective %s\n", i+1, short(rec.Objective))
		for _, demand := range sortedKeys(rec.Assignment) {
			fmt.Fprintf(&b, "  %s on %s\n", demand, rec.Assignment[demand])
		}
		explainTerms(&b, rec.Terms, "  ")
	}
	if r.RunnerUp != nil {
		fmt.Fprintf(&b, "the runner-up lost:\n")
		for _, line := range r.RunnerUp.Why {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	if len(r.Conflict) > 0 {
		fmt.Fprintf(&b, "cannot hold together: %s\n", strings.Join(r.Conflict, ", "))
	}
	for _, demand := range sortedKeys(r.Removed) {
		for _, c := range sortedKeys(r.Removed[demand]) {
			if n := r.Removed[demand][c]; n > 0 {
				fmt.Fprintf(&b, "%s: %d candidates removed by %s\n", demand, n, c)
			}
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	return b.String()
}

func explainTerms(b *strings.Builder, terms []Term, indent string) {
	for i := range terms {
		t := &terms[i]
		fmt.Fprintf(b, "%s%s = %s", indent, t.label(), short(t.Value))
		if t.Weight != 1 || t.Offset != 0 {
			fmt.Fprintf(b, ", times %s", short(t.Weight))
			if t.Offset != 0 {
				fmt.Fprintf(b, " plus %s", short(t.Offset))
			}
			fmt.Fprintf(b, " counts %s", short(t.Contribution))
		}
		fmt.Fprintln(b)
		explainTerms(b, t.Operands, indent+"  ")
	}
}
