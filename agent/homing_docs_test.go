package agent

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// asked puts the components of some entities that are to be placed to the
// solver, as one service.
func asked(t *testing.T, text string) verdict {
	t.Helper()
	entities, errs := ngsild.DecodeEntities([]byte(text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	q := question{asks: map[ngsild.EntityID]ask{}, others: map[ngsild.EntityID]ngsild.EntityID{}, requirements: map[ngsild.EntityID]*ngsild.Entity{}}
	for i := range entities {
		e := &entities[i]
		switch e.Type {
		case typeService:
			q.template = templateText(e)
		case typeRequirements:
			q.requirements[e.ID] = e
		case typeComponent:
			a := newAsk(&pass{view: view{record: record{entity: *e}, id: e.ID}}, cause(orderOf(e.Enum(attrStatus))), time.Time{})
			if a.cause == settled || a.cause == causeStarting && a.from != "" {
				q.others[e.ID] = a.from
				continue
			}
			q.asks[e.ID] = a
		}
	}
	for id, a := range q.asks {
		a.template = q.template
		q.asks[id] = a
	}
	return q.answer(context.Background(), homing.FromEntities(entities, homing.EntityOptions{}), time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC))
}

// printed is a value as its JSON is read back.
func printed(t *testing.T, value map[string]any) (back map[string]any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// TestHomingDocumentation executes what docs/homing.md says of the loop.
func TestHomingDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/homing.md")
	if err != nil {
		t.Fatal(err)
	}
	entities, answers := "", 0
	for _, block := range regexp.MustCompile("(?s)```json (entities|decision|status)\n(.*?)\n```").FindAllStringSubmatch(string(page), -1) {
		if block[1] == "entities" {
			entities = block[2]
			continue
		}
		answers++
		var want map[string]map[string]any // by component
		if err := json.Unmarshal([]byte(block[2]), &want); err != nil {
			t.Fatalf("%v in %s", err, block[2])
		}
		v := asked(t, entities)
		for id, said := range want {
			got := map[string]any{}
			if d, ok := v.decisions[ngsild.EntityID(id)]; ok {
				got = d.value
			} else if a := v.refusals[ngsild.EntityID(id)]; a != nil {
				got = map[string]any{"phase": string(a.phase), "reason": a.reason, "message": a.message}
			}
			if diff := cmp.Diff(said, printed(t, got)); diff != "" {
				t.Errorf("%s (-page +got):\n%s", id, diff)
			}
		}
	}
	if answers < 2 {
		t.Errorf("only %d answers on the page", answers)
	}
}
