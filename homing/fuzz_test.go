package homing

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// seed adds the files of the examples that match.
func seed(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			f.Fatalf("no seed %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
}

// checkFindings wants a reason for everything that was refused, and no half results.
func checkFindings[T any](t *testing.T, result *T, found, again []*PathError) {
	t.Helper()
	if (result == nil) != (len(found) > 0) {
		t.Fatalf("result %v with %d findings", result != nil, len(found))
	}
	for _, one := range found {
		if one.Error() == "" {
			t.Fatal("a finding that says nothing")
		}
	}
	if !reflect.DeepEqual(found, again) {
		t.Fatalf("read twice: %v and %v", found, again)
	}
}

// FuzzTemplate reads any template; a sound one is solved over a small inventory, by the same answer each time.
func FuzzTemplate(f *testing.F) {
	f.Add([]byte(sound))
	seed(f, "examples/*/template.yaml")
	inventory, wrong := ParseInventory([]byte(`{"candidates":[
	  {"candidate_id":"c1","inventory_type":"cloud","inventory_provider":"aai","region":"r1","latitude":45,"longitude":10,"cost":1},
	  {"candidate_id":"c2","inventory_type":"cloud","inventory_provider":"aai","region":"r2","latitude":46,"longitude":11,"cost":2}]}`))
	if len(wrong) > 0 {
		f.Fatal(wrong)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		template, found := Parse(text, nil, nil)
		_, again := Parse(text, nil, nil)
		checkFindings(t, template, found, again)
		if template == nil || len(text) > 4<<10 {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		first, second := Solve(ctx, template, inventory, Options{}), Solve(ctx, template, inventory, Options{})
		if one, other := asJSON(t, first), asJSON(t, second); one != other && ctx.Err() == nil {
			t.Fatalf("solved twice:\n%s\n%s", one, other)
		}
	})
}

// FuzzInventory reads any inventory, of either format.
func FuzzInventory(f *testing.F) {
	f.Add([]byte(`{"candidates":[{"candidate_id":"c","inventory_type":"cloud","latitude":"45","cost":1e3}],"hosts":{"h":{"latitude":1,"longitude":2}}}`))
	f.Add([]byte(`{"inventory_groups":[["a","b"]],"vim_capacity":{"a":{"vCPU":1}},"network":[{"from":"a","to":"b","latency":"1 ms"}],"licenses":{}}`))
	seed(f, "continuum/*.json", "examples/*/inventory.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		inventory, found := ParseInventory(text)
		_, again := ParseInventory(text)
		checkFindings(t, inventory, found, again)
	})
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
