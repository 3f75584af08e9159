package allocation_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/hlo-agent/hlo-agent/allocation"
)

// FuzzDecode reads any body, in each of the forms. What was read is written in a form that reads the same.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"service_component":{"id":"urn:c"},"overlay":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, decode := range map[string]func() (allocation.Request, error){
			"create": func() (allocation.Request, error) { return allocation.Decode(body, "urn:s") },
			"update": func() (allocation.Request, error) { return allocation.DecodeUpdate(body, "urn:s", "urn:c") },
		} {
			first, err := decode()
			again, err2 := decode()
			if !reflect.DeepEqual(first, again) || (err == nil) != (err2 == nil) {
				t.Fatalf("%s: read twice: %v, %v", name, err, err2)
			}
			var faults allocation.Faults
			if err != nil && (!errors.As(err, &faults) || len(faults) == 0) {
				t.Fatalf("%s: no fault is named: %v", name, err)
			}
		}
	})
}
