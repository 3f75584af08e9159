package ngsild

import (
	"fmt"
	"testing"
	"time"
)

func TestObserved(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 10, 0, 5, 0, time.UTC)
	cases := map[string]struct {
		attributes string
		want       time.Time
	}{
		"none":               {`"a": {"type": "Property", "value": 1}`, time.Time{}},
		"one":                {`"a": {"type": "Property", "value": 1, "observedAt": "2026-11-24T10:00:05Z"}`, at},
		"concise":            {`"a": {"value": 1, "observedAt": "2026-11-24T10:00:05.000Z"}`, at},
		"the newest counts":  {`"a": {"value": 1, "observedAt": "2026-11-24T10:00:05Z"}, "b": {"value": 2, "observedAt": "2026-11-24T10:00:01Z"}`, at},
		"a merged number":    {`"a": {"type": "Property", "value": 1, "observedAt": 1795514405}`, at},
		"merged under md":    {`"a": {"type": "Property", "value": 1, "md": {"observedAt": {"value": 1795514405}}}`, at},
		"number beats text":  {`"a": {"value": 1, "observedAt": 1795514405}, "b": {"value": 2, "observedAt": "2026-11-24T10:00:01Z"}`, at},
		"no time":            {`"a": {"value": 1, "observedAt": "soon"}`, time.Time{}},
		"a value's own name": {`"a": {"type": "Property", "value": {"observedAt": "2026-11-24T10:00:05Z"}}`, time.Time{}},
		"odd shapes":         {`"a": {"value": 1, "observedAt": {"value": {}}}, "b": {"value": 1, "md": []}, "c": {"value": 1, "observedAt": [1]}`, time.Time{}},
	}
	for name, c := range cases {
		text := fmt.Sprintf(`[{"id": "urn:x:0", "type": "T", "z": {"value": 0, "observedAt": "2030-01-01T00:00:00Z"}}, {"id": "urn:x:1", "type": "T", %s}]`, c.attributes)
		entities, errs := DecodeEntities([]byte(text))
		if len(errs) > 0 || len(entities) != 2 {
			t.Fatalf("%s: %v", name, errs)
		}
		if got := entities[1].Observed; !got.Equal(c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
