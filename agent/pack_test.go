package agent

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

func TestPackKeepsEveryEntity(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../sandbox/world/world.json")
	if err != nil {
		t.Fatal(err)
	}
	entities, errs := ngsild.DecodeEntities(text)
	if len(errs) > 0 || len(entities) == 0 {
		t.Fatalf("%d entities, %v", len(entities), errs)
	}
	for _, e := range entities {
		if diff := cmp.Diff(e, unpack(pack(e))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.ID, diff)
		}
	}
}

func TestPackedValuesCompareAsTheyDidBefore(t *testing.T) {
	t.Parallel()
	tr := newTracker(time.Now)
	list := func(v string) ngsild.Entity {
		return component("Running", "envVars", []any{map[string]any{"value": v, "key": "<a>&"}})
	}
	same, again, other := pack(list("1")), pack(list("1")), pack(list("2"))
	if tr.decisivelyDiffers(&same, &again, nil) {
		t.Error("the same list differs")
	}
	if !tr.decisivelyDiffers(&same, &other, nil) {
		t.Error("another list does not differ")
	}
	text := pack(component("Running", "envVars", `[{"key":"<a>&","value":"1"}]`))
	if !tr.decisivelyDiffers(&same, &text, nil) {
		t.Error("a text that looks like the list does not differ from it")
	}
}
