package plans

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzOrder reads any body of an order. What was read is read the same again.
func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"name":"n","template":{"homing_template_version":"2018-02-01","demands":{}},"files":{"a":"b"},"parameters":{"p":1},"limit":3,"timeout":5,"disjoint":true}`))
	f.Add([]byte(`{"template":"homing_template_version: 2018-02-01","num_solution":"all","name":null}`))
	f.Add([]byte(`{"a":1,"a":2} {}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		first, wrong := decodeOrder(body)
		again, wrongAgain := decodeOrder(body)
		if !reflect.DeepEqual(first, again) || !reflect.DeepEqual(wrong, wrongAgain) {
			t.Fatalf("read twice: %+v %v and %+v %v", first, wrong, again, wrongAgain)
		}
		if !json.Valid(body) && len(wrong) == 0 {
			t.Fatalf("no JSON, and taken: %q", body)
		}
	})
}
