package homing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// systems answers from a function, and keeps what it was asked.
type systems struct {
	reply func(Question) Answer
	asked [][]Question
}

func (s *systems) Answer(_ context.Context, questions []Question) []Answer {
	s.asked = append(s.asked, questions)
	var answers []Answer
	for _, q := range questions {
		answers = append(answers, s.reply(q))
	}
	return answers
}

const outsideTemplate = `homing_template_version: 2018-02-01
locations: {plant: {latitude: 1, longitude: 1}}
demands:
  a: [{inventory_provider: aai, inventory_type: cloud}]
  b: [{inventory_provider: aai, inventory_type: cloud}]
constraints: {%s}`

var outsideClouds = clouds3(`"vim-id":"v1"`, `"vim-id":"v2"`, `"vim-id":"v2"`) + `}`

func fits(ids ...string) func(Question) Answer {
	return func(Question) Answer { return Answer{Fits: ids} }
}

// TestOutsideSystems asks each type of system: one that answers, one that fails,
// one that answers nothing, and none at all.
func TestOutsideSystems(t *testing.T) {
	t.Parallel()
	link := Link{From: "r2", To: "plant", Latency: new(3.0)}
	for name, test := range map[string]struct {
		constraint string
		reply      func(Question) Answer
		question   Question
		want, note string
	}{
		"a VIM controller": {
			"fit: {type: vim_fit, demands: [a, b], properties: {controller: edge, request: {vCPU: 2, Memory: {quantity: 512, unit: MB}}}}", fits("v2"),
			Question{Type: AskVIM, Controller: "edge", Constraint: "fit", Amounts: map[string]float64{"vCPU": 2, "Memory": 0.5}, Candidates: []string{"v1", "v2"}, Demands: 2,
				Request: map[string]any{"vCPU": int64(2), "Memory": map[string]any{"quantity": int64(512), "unit": "MB"}}},
			"c2 c2", `constraint fit: nothing fits, as vim_fit "edge" gave no answer`},
		"a service controller": {
			"fit: {type: region_fit, demands: a, properties: {controller: SDN-C, request: {bw: 5}}}", fits("c3"),
			Question{Type: AskRegion, Controller: "SDN-C", Constraint: "fit", Amounts: map[string]float64{"bw": 5}, Request: map[string]any{"bw": int64(5)}, Candidates: []string{"c1", "c2", "c3"}, Demands: 1},
			"c3 c1", `constraint fit: nothing fits, as region_fit "SDN-C" gave no answer`},
		"a licence provider": {
			"fw: {type: license, demands: b, properties: {id: fw, key: gold}}", fits("c3", "c2"),
			Question{Type: AskLicense, Controller: "fw", Constraint: "fw", Request: map[string]any{"key": "gold"}, Candidates: []string{"c1", "c2", "c3"}, Demands: 1},
			"c1 c2", `constraint fw: nothing fits, as license "fw" gave no answer`},
		"a network provider": {
			"near: {type: network_to_location, demands: a, properties: {latency: < 5 ms, location: plant}}", func(Question) Answer { return Answer{Links: []Link{link}} },
			Question{Type: AskNetwork, Candidates: []string{"r1", "r2", "r3", "plant"}, Demands: 1},
			"c2 c1", `network: links are not known, as a network provider gave no answer`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template := fmt.Sprintf(outsideTemplate, test.constraint)
			s := &systems{reply: test.reply}
			got := answer(t, template, outsideClouds, Options{Systems: s})
			if diff := cmp.Diff([][]Question{{test.question}}, s.asked); diff != "" {
				t.Errorf("asked: %s", diff)
			}
			if got.Status != StatusDone || got.Recommendations[0].Assignment["a"]+" "+got.Recommendations[0].Assignment["b"] != test.want {
				t.Errorf("got %s %+v, want %s", got.Status, got.Recommendations, test.want)
			}
			refuses := &systems{reply: func(Question) Answer { return Answer{Err: errors.New("connection 100% refused")} }}
			for why, o := range map[string]Options{"not configured": {}, "connection 100% refused": {Systems: refuses}} {
				got := answer(t, template, outsideClouds, o)
				if want := test.note + ": " + why; got.Status != StatusNotFound || !slices.Contains(got.Notes, want) {
					t.Errorf("got %s, notes %q, want not found and %q", got.Status, got.Notes, want)
				}
			}
			if got := answer(t, template, outsideClouds, Options{Systems: &systems{reply: fits()}}); got.Status != StatusNotFound {
				t.Errorf("an empty answer: got %s, want not found", got.Status)
			}
			if got := answer(t, template, outsideClouds, Options{Systems: silent{}}); got.Status != StatusNotFound {
				t.Errorf("no answers at all: got %s, want not found", got.Status)
			}
		})
	}
}

type silent struct{}

func (silent) Answer(context.Context, []Question) []Answer { return nil }

// TestNotesOfATemplate: what a template says in vain shows in its result, and its
// request_type goes along with every question.
func TestNotesOfATemplate(t *testing.T) {
	t.Parallel()
	s := &systems{reply: fits("c1")}
	got := answer(t, "parameters: {REQUEST_TYPE: speed changed}\nreservation_s: 1\n"+fmt.Sprintf(outsideTemplate, "fw: {type: license, demands: b, properties: {id: fw, key: gold}}"), outsideClouds, Options{Systems: s})
	if len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0], "template: reservation_s: unknown section, ignored") {
		t.Errorf("notes %q", got.Notes)
	}
	if s.asked[0][0].RequestType != "speed changed" {
		t.Errorf("asked %+v", s.asked)
	}
}

// TestOutsideCapacityAddsUp has two demands that each fit on a VIM that cannot
// hold both: known when the controller says how much is free.
func TestOutsideCapacityAddsUp(t *testing.T) {
	t.Parallel()
	template := fmt.Sprintf(outsideTemplate, "one: {type: vim_fit, demands: a, properties: {controller: edge, request: {vCPU: 2}}}, two: {type: vim_fit, demands: b, properties: {controller: edge, request: {vCPU: 3}}}")
	for free, want := range map[float64]string{4.9: "c1 c2", 5: "c1 c1"} {
		s := &systems{reply: func(Question) Answer {
			return Answer{Free: map[string]map[string]float64{"v1": {"vCPU": free}, "v2": {"vCPU": 3}}}
		}}
		got := answer(t, template, outsideClouds, Options{Systems: s})
		if len(got.Recommendations) == 0 || got.Recommendations[0].Assignment["a"]+" "+got.Recommendations[0].Assignment["b"] != want {
			t.Errorf("%v free on v1: got %+v, want %s", free, got.Recommendations, want)
		}
		if len(s.asked) != 1 || len(s.asked[0]) != 2 {
			t.Errorf("asked %v, want both questions at once", s.asked)
		}
	}
	got := answer(t, strings.ReplaceAll(template, "controller: edge, request: {vCPU: 3}", "controller: core, request: {vCPU: 3}"), outsideClouds, Options{Systems: &systems{reply: func(Question) Answer {
		return Answer{Free: map[string]map[string]float64{"v1": {"vCPU": 3}}}
	}}})
	if got.Status != StatusDone {
		t.Errorf("two controllers: got %s, want done, as each has a capacity of its own", got.Status)
	}
}
