package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// answer solves the question. It reads nothing and writes nothing.
func (q *question) answer(ctx context.Context, inv *homing.Inventory, at time.Time) verdict {
	for _, id := range slices.Sorted(maps.Keys(q.asks)) {
		if wants := q.asks[id].requirements; wants != "" && q.requirements[wants] == nil {
			return q.refuse(resultMissing, answer{phase: mapping.Unplaced, reason: reasonRequirementsMissing,
				message: fmt.Sprintf("the requirements of %s are not in the broker: %s", id, wants)})
		}
	}
	t, names, wrong := q.parse()
	if len(wrong) > 0 {
		a := answer{phase: mapping.Refused, reason: reasonTemplateInvalid, message: "homingTemplate: " + texts(wrong)}
		if q.template == "" {
			a.reason, a.message = reasonRequirementsInvalid, "the requirements cannot be read: "+texts(wrong)
		}
		return q.refuse(resultInvalid, a)
	}
	r := homing.Solve(ctx, t, inv, homing.Options{RunnerUp: true, Systems: q.systems})
	switch {
	case r.Status == homing.StatusDone:
		return q.decide(r, names, at)
	case r.Status == homing.StatusError && r.Proof == homing.ProofBound:
		return q.refuse(resultTimeout, answer{phase: mapping.Unplaced, reason: reasonUndecided,
			message: fmt.Sprintf("no element was found within %v, and none was ruled out", solveTime)})
	case r.Status == homing.StatusError && !onlyDemands(r.Errors):
		return q.refuse(resultInvalid, answer{phase: mapping.Refused, reason: reasonTemplateInvalid, message: "homingTemplate: " + texts(r.Errors)})
	}
	return q.nothing(r, names, inv.ElementCount())
}

func texts(wrong []*homing.PathError) string {
	var lines []string
	for _, w := range wrong {
		lines = append(lines, w.Error())
	}
	return shorten(strings.Join(lines, "; "))
}

// onlyDemands says whether all that is wrong is that demands have no candidates.
func onlyDemands(wrong []*homing.PathError) bool {
	return !slices.ContainsFunc(wrong, func(w *homing.PathError) bool { return !strings.HasPrefix(w.Path, "demands.") })
}

// refuse gives every component that asked the same answer.
func (q *question) refuse(result string, a answer) verdict {
	v := verdict{result: result, refusals: map[ngsild.EntityID]*answer{}}
	for id := range q.asks {
		v.refusals[id] = &a
	}
	return v
}

// decide turns the best assignment into decisions. Who stays where it is has
// nothing to write.
func (q *question) decide(r homing.Result, names map[ngsild.EntityID]string, at time.Time) verdict {
	v := verdict{result: resultChosen, decisions: map[ngsild.EntityID]decision{}, refusals: map[ngsild.EntityID]*answer{}}
	for id, a := range q.asks {
		d := newDecision(a, names[id], r, q.template != "", at)
		d.amounts = homing.Amounts(q.requirements[a.requirements])
		if d.element == a.from {
			v.refusals[id] = &answer{phase: mapping.Unplaced, message: "it stays where it is, which is the best for now"}
			continue
		}
		v.decisions[id] = d
	}
	return v
}

// nothing says why no element fits.
func (q *question) nothing(r homing.Result, names map[ngsild.EntityID]string, elements int) verdict {
	v := verdict{result: resultNone, refusals: map[ngsild.EntityID]*answer{}}
	for id := range q.asks {
		parts := []string{fmt.Sprintf("no element fits, of %d", elements)}
		if removed := removedText(r.Removed[names[id]], names[id]); removed != "" {
			parts = append(parts, "removed by "+removed)
		}
		if len(r.Conflict) > 0 {
			parts = append(parts, "cannot hold together: "+strings.Join(r.Conflict, ", "))
		}
		if len(r.Errors) > 0 {
			parts = append(parts, texts(r.Errors))
		}
		if len(r.Notes) > 0 {
			parts = append(parts, strings.Join(r.Notes, "; "))
		}
		v.refusals[id] = &answer{phase: mapping.Unplaced, reason: reasonNoElementFits, message: shorten(strings.Join(parts, "; "))}
	}
	return v
}
