package agent

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// FuzzHandOverRecord: whatever the broker holds as a record of copies in other domains, it is taken in
// whole or not at all, and what is recorded of it is read the same again.
func FuzzHandOverRecord(f *testing.F) {
	for _, text := range []string{
		`[{"domain":"urn:b","service":"urn:s","url":"https://b","element":"urn:e","from":"urn:f","since":"2026-03-04T05:06:07Z","aside":"uid"},{"domain":"urn:g"}]`,
		`[{"domain":"urn:b","since":"2999-01-01T00:00:00Z"},{"domain":"urn:b","url":"https://other"},{}]`,
		`[{"domain":"urn:b","since":"0000-01-01T00:00:00+01:00"},{"domain":"\ud800<"}]`,
		`[]`, `null`, `{}`, `[null]`, `[{"domain":7}]`, `[{"domain":"urn:b"}] x`,
	} {
		f.Add(text)
	}
	const component = ngsild.EntityID("urn:c")
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	read := func(text string) *neighbours {
		n := lonely(func() time.Time { return now })
		n.records = map[ngsild.EntityID]string{}
		n.takeIn(component, text)
		return n
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := read(text)
		var copies []copyRecord
		domains := map[ngsild.EntityID]bool{}
		if json.Unmarshal([]byte(text), &copies) == nil {
			for _, c := range copies {
				if c.Domain != "" {
					domains[c.Domain] = true
				}
			}
			if n.records[component] != text {
				t.Errorf("noted as %q", n.records[component])
			}
		} else if len(n.records) > 0 || len(n.copies) > 0 {
			t.Fatalf("cannot be read, and known are %v, %v", n.records, n.copies)
		}
		known := n.of(component, "")
		if len(known) != len(domains) {
			t.Errorf("%d domains, known are %d", len(domains), len(known))
		}
		for _, c := range known {
			if !domains[c.domain] || !c.kept || c.since.After(now) {
				t.Errorf("known is %+v", c)
			}
		}
		recorded := n.recordOf(component)
		if (recorded == "") != (len(domains) == 0) {
			t.Errorf("%d domains are recorded as %q", len(domains), recorded)
		}
		if recorded == "" {
			return
		}
		again := read(recorded)
		if got := again.recordOf(component); got != recorded || len(again.of(component, "")) != len(domains) {
			t.Errorf("recorded and read:\n%s\n%s", recorded, got)
		}
	})
}
