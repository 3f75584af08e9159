package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// twoElements are e1 with 1000 MB and e2 with 2000 MB free.
func twoElements(t *testing.T) *homing.Inventory {
	t.Helper()
	inv, errs := homing.ParseInventory([]byte(`[
 {"id": "e1", "type": "InfrastructureElement", "availableRam": 1000, "ramCapacity": 4000, "avgPowerConsumption": 10},
 {"id": "e2", "type": "InfrastructureElement", "availableRam": 2000, "ramCapacity": 4000, "avgPowerConsumption": 10}]`))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return inv
}

const anywhere = "[{inventory_provider: aerios, inventory_type: infrastructure_element}]"

// template has the given demands, apart from each other.
func template(demands ...string) string {
	text := "homing_template_version: 2018-02-01\ndemands:\n"
	for _, d := range demands {
		text += "  " + d + ": " + anywhere + "\n"
	}
	return text + "constraints:\n  apart: {type: zone, demands: [" + strings.Join(demands, ", ") + "], properties: {qualifier: different, category: element}}\n"
}

func TestQuestionAnswers(t *testing.T) {
	t.Parallel()
	starting := func(name string) ask { return wish("s", name) }
	with := func(a ask, change func(*ask)) ask { change(&a); return a }
	for name, c := range map[string]struct {
		template string
		asks     []ask
		others   map[string]string
		missing  bool // the requirements are
		want     map[string]string
	}{
		"the roomier one": {asks: []ask{starting("a")}, want: map[string]string{"a": "e2"}},
		"both fit on it":  {asks: []ask{starting("a"), starting("b")}, want: map[string]string{"a": "e2", "b": "e2"}},
		"overload leaves its element": {asks: []ask{with(starting("a"), func(a *ask) { a.cause, a.from = causeOverload, "e2" })},
			want: map[string]string{"a": "e1"}},
		"a sick element that recovered is kept": {asks: []ask{with(starting("a"), func(a *ask) { a.cause, a.from = causeNotReady, "e2" })},
			want: map[string]string{"a": "it stays where it is"}},
		"not where it did not come up": {asks: []ask{with(starting("a"), func(a *ask) { a.cause, a.from, a.notOn = causeOverload, "e2", "e1 e3" })},
			want: map[string]string{"a": "no element fits"}},
		"its own template": {template: template("a", "b"), asks: []ask{starting("a"), starting("b")}, want: map[string]string{"a": "e1", "b": "e2"}},
		"beside what is placed already": {template: template("a", "b"), asks: []ask{starting("b")}, others: map[string]string{"a": "e2"},
			want: map[string]string{"b": "e1"}},
		"beside what is gone": {template: template("a", "b"), asks: []ask{starting("b")}, others: map[string]string{"a": ""},
			want: map[string]string{"b": "e2"}},
		"overload with a template": {template: template("a", "b"), others: map[string]string{"b": "e1"},
			asks: []ask{with(starting("a"), func(a *ask) { a.cause, a.from = causeOverload, "e2" })},
			want: map[string]string{"a": "no element fits"}},
		"a name that nobody has": {template: template("a", "z"), asks: []ask{starting("a")},
			want: map[string]string{"a": "homingTemplate: demands.z: no component of the service has this name"}},
		"a component without a demand": {template: template("a", "b"), asks: []ask{starting("a"), starting("b"), starting("c")},
			want: map[string]string{"a": "no demand for component s:Component:c", "c": "no demand for component s:Component:c"}},
		"all errors": {template: "homing_template_version: 1\ndemands: {a: [{inventory_provider: x}]}", asks: []ask{starting("a")},
			want: map[string]string{"a": "homingTemplate: demands.a[0].inventory_provider: "}},
		"lists of one lost their brackets": {template: `{"homing_template_version": "2018-02-01", "demands": {"a": {"inventory_provider": "aerios", "inventory_type": "infrastructure_element"}}}`,
			asks: []ask{starting("a")}, want: map[string]string{"a": "e2"}},
		"requirements that are not there": {asks: []ask{starting("a"), starting("b")}, missing: true,
			want: map[string]string{"a": "the requirements of s:Component:a are not in the broker: R:a", "b": "the requirements of"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := question{template: c.template, asks: map[ngsild.EntityID]ask{}, others: map[ngsild.EntityID]ngsild.EntityID{}, requirements: map[ngsild.EntityID]*ngsild.Entity{}}
			for _, a := range c.asks {
				q.asks[a.id] = a
				if !c.missing {
					q.requirements[a.requirements] = &ngsild.Entity{ID: a.requirements, Type: typeRequirements,
						Attrs: map[string]ngsild.Attribute{"requiredRam": {Value: int64(800)}}}
				}
			}
			for id, on := range c.others {
				q.others[ngsild.EntityID("s:Component:"+id)] = ngsild.EntityID(on)
			}
			v := q.answer(t.Context(), twoElements(t), epoch)
			for name, want := range c.want {
				id := ngsild.EntityID("s:Component:" + name)
				got := string(v.decisions[id].element)
				if said := v.refusals[id]; said != nil {
					got = said.message
				}
				if got != want && (len(want) < 3 || !strings.Contains(got, want)) {
					t.Errorf("%s: got %q, want %q", id, got, want)
				}
			}
			if n := len(v.decisions) + len(v.refusals); n != len(c.asks) {
				t.Errorf("%d answers for %d asks", n, len(c.asks))
			}
		})
	}
}

// TestDecisionIsFlat: a merge would keep what is left out of a nested value, or
// out of a flat one.
func TestDecisionIsFlat(t *testing.T) {
	t.Parallel()
	q := question{asks: map[ngsild.EntityID]ask{"s:Component:a": {id: "s:Component:a", cause: causeStarting}}}
	v := q.answer(t.Context(), twoElements(t), epoch)
	bare := newDecision(ask{}, "", homing.Result{Recommendations: []homing.Recommendation{{}}}, true, time.Time{})
	for name, value := range v.decisions["s:Component:a"].value {
		switch value.(type) {
		case string, int64:
		default:
			t.Errorf("%s is a %T", name, value)
		}
		if _, ok := bare.value[name]; !ok {
			t.Errorf("%s is not always there", name)
		}
	}
	if len(bare.value) != len(v.decisions["s:Component:a"].value) {
		t.Errorf("keys differ: %v and %v", bare.value, v.decisions["s:Component:a"].value)
	}
	long := removedText(map[string]int{strings.Repeat("ü", longest): 1}, "")
	if len(long) > longest+10 || !strings.HasSuffix(long, "…") || strings.Contains(long, "\ufffd") {
		t.Errorf("not cut well: %d bytes", len(long))
	}
}

// TestPromised says whose room counts as taken though nothing shows it.
func TestPromised(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{"": true, "Starting": true, "Migrating": true, "Failed": true,
		"Running": false, "Overload": false, "Removing": false, "Finished": false} {
		e := component(status)
		if got := promised(&e); got != want {
			t.Errorf("%q: %v", status, got)
		}
	}
	if job := component("Failed", "isJob", true); promised(&job) {
		t.Error("a failed job is promised room")
	}
}

// TestRefusedUnplaced: Failed is no end for a component whose template was bad.
func TestRefusedUnplaced(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]bool{reasonTemplateInvalid: true, reasonRequirementsInvalid: true, "NoImage": false} {
		s := &status{Phase: mapping.Refused, Reason: reason, componentStatus: statusFailed}
		e := component("Starting")
		e = applied(e, changes(&e, s, epoch))
		if got := refusedUnplaced(&e); got != want {
			t.Errorf("%s: %v", reason, got)
		}
	}
}

// TestRemember says which changes of an element are worth another try.
func TestRemember(t *testing.T) {
	t.Parallel()
	base := map[string]any{"availableRam": int64(1000), "cpuCores": int64(4), "currentCpuUsage": int64(50), "hostname": "h", "netTrafficUp": 0.5}
	entity := func(change map[string]any) *ngsild.Entity {
		e := ngsild.Entity{ID: "e", Type: typeElement, Attrs: map[string]ngsild.Attribute{}}
		for _, m := range []map[string]any{base, change} {
			for name, v := range m {
				e.Attrs[name] = ngsild.Attribute{Value: v}
			}
		}
		return &e
	}
	for name, c := range map[string]struct {
		change          map[string]any
		promised        float64
		changed, better bool
	}{
		"nothing":                     {},
		"a little more memory":        {change: map[string]any{"availableRam": int64(1090)}},
		"a tenth more memory":         {change: map[string]any{"availableRam": int64(1101)}, better: true},
		"less memory":                 {change: map[string]any{"availableRam": int64(100)}},
		"more, but promised":          {change: map[string]any{"availableRam": int64(1500)}, promised: 500},
		"less load":                   {change: map[string]any{"currentCpuUsage": int64(40)}, better: true},
		"more load":                   {change: map[string]any{"currentCpuUsage": int64(90)}},
		"a figure nobody asks about":  {change: map[string]any{"netTrafficUp": 9.5}},
		"another size":                {change: map[string]any{"cpuCores": int64(8)}, changed: true, better: true},
		"a status":                    {change: map[string]any{attrElementStatus: "Ready"}, changed: true},
		"a place":                     {change: map[string]any{"location": map[string]any{"type": "Point", "coordinates": []any{1.5, 2.5}}}, changed: true},
		"another host":                {change: map[string]any{"hostname": "i"}, changed: true},
		"a list of a site of its own": {change: map[string]any{"flavors": []any{"x"}}, changed: true},
	} {
		v := newInventory(0, time.Now)
		v.remember(entity(nil), nil)
		changed, better := v.remember(entity(c.change), map[string]float64{"ram": c.promised})
		if changed != c.changed || better != c.better {
			t.Errorf("%s: changed %v, better %v; want %v, %v", name, changed, better, c.changed, c.better)
		}
	}
	// A figure that goes down and up again is better once it is up.
	v := newInventory(0, time.Now)
	got := ""
	for _, ram := range []int64{1000, 1050, 950, 1000, 500, 540, 1000, 1099, 1000} {
		_, better := v.remember(entity(map[string]any{"availableRam": ram}), nil)
		got += fmt.Sprint(map[bool]string{true: "+", false: "."}[better])
	}
	if want := "......+.."; got != want {
		t.Errorf("steps %s, want %s", got, want)
	}
}

// TestOnOurs: an element of another domain that cannot be read may only be out
// of sight, so what is placed on it is left alone.
func TestOnOurs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		domains string
		element string
		live    []*llo.Live
		want    bool
	}{
		"ours":                         {"Mill01", "urn:ngsi-ld:InfrastructureElement:Mill01:e45f", nil, true},
		"ours, as a URN":               {"urn:ngsi-ld:Domain:Mill01", "urn:ngsi-ld:InfrastructureElement:Mill01:e45f", nil, true},
		"another domain's":             {"Mill01", "urn:ngsi-ld:InfrastructureElement:Porto:e45f", nil, false},
		"another name, but it is here": {"Mill01", "urn:x:7", []*llo.Live{{}}, true},
		"another name":                 {"Mill01", "urn:x:7", nil, false},
		"all are ours":                 {"*", "urn:ngsi-ld:InfrastructureElement:Porto:e45f", nil, true},
	} {
		e := component("Running")
		e.Attrs[attrElement] = ngsild.Attribute{Kind: ngsild.Relationship, Value: c.element}
		r := &reconciler{domains: newDomains([]string{c.domains})}
		if got := r.onOurs(&pass{view: view{record: record{entity: e}}, live: c.live}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
