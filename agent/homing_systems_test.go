package agent

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// TestSystemsDecideInTheLoop: a service's own template asks a licence provider, and
// a component is told which one gave no answer.
func TestSystemsDecideInTheLoop(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"answers": [{"candidates": ["e1"]}]}`)) // the caller went away
	}))
	defer server.Close()
	set, err := systems.New([]byte("systems: [{name: fw, kind: license, url: "+server.URL+"}]"), systems.Config{})
	if err != nil {
		t.Fatal(err)
	}
	a := wish("s", "a")
	solve := func(set *systems.Set) verdict {
		q := question{
			template: "homing_template_version: 2018-02-01\ndemands: {a: " + anywhere + "}\nconstraints: {fw: {type: license, demands: a, properties: {id: fw, key: gold}}}",
			asks:     map[ngsild.EntityID]ask{a.id: a}, systems: set,
			requirements: map[ngsild.EntityID]*ngsild.Entity{a.requirements: {ID: a.requirements, Type: typeRequirements}},
		}
		return q.answer(t.Context(), twoElements(t), epoch)
	}
	if v := solve(set); v.decisions[a.id].element != "e1" {
		t.Errorf("got %+v, want e1, which has the licence", v)
	}
	v := solve(nil)
	if said := v.refusals[a.id]; said == nil || !strings.Contains(said.message, `license "fw" gave no answer: not configured`) {
		t.Errorf("without a provider: got %+v %+v", v, said)
	}
}
