package systems

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hlo-agent/hlo-agent/homing"
)

// checkOf is one question in the format of service controllers and licence
// providers.
type checkOf struct {
	Type        string         `json:"type"`
	Name        string         `json:"name"` // of the controller or licence
	Constraint  string         `json:"constraint"`
	RequestType string         `json:"request_type,omitempty"`
	Request     map[string]any `json:"request"`
	Candidates  []string       `json:"candidates"`
}

// checks asks a service controller or a licence provider everything at once:
// {"checks": [...]} is answered by {"answers": [{"candidates": [ids that fit]}]}.
func (e *endpoint) checks(ctx context.Context, questions []homing.Question) ([]homing.Answer, error) {
	all := make([]checkOf, len(questions))
	for i, q := range questions {
		all[i] = checkOf{q.Type, q.Controller, q.Constraint, q.RequestType, q.Request, q.Candidates}
		if q.Request == nil {
			all[i].Request = map[string]any{}
		}
	}
	var got struct {
		Answers []struct {
			Candidates []string `json:"candidates"`
		} `json:"answers"`
	}
	if err := e.post(ctx, e.way, e.URL, map[string]any{"checks": all}, &got); err != nil {
		return nil, err
	}
	if len(got.Answers) != len(questions) {
		return nil, fmt.Errorf("not what was asked for: %d answers to %d questions", len(got.Answers), len(questions))
	}
	answers := make([]homing.Answer, len(questions))
	for i, a := range got.Answers {
		for _, id := range a.Candidates {
			if slices.Contains(questions[i].Candidates, id) {
				answers[i].Fits = append(answers[i].Fits, id)
			}
		}
	}
	return answers, nil
}

// linkOf is a link in the offline format.
type linkOf struct {
	From      string   `json:"from"`
	To        string   `json:"to"`
	Bandwidth *float64 `json:"bandwidth"`
	Latency   *float64 `json:"latency"`
	Distance  *float64 `json:"distance"`
	OneWay    bool     `json:"one_way"`
}

// links asks a network provider: {"sites": [location ids and names]} is answered by
// {"links": [...]}.
func (e *endpoint) links(ctx context.Context, sites []string) ([]homing.Link, error) {
	if e.Entities != nil {
		return e.linkEntities(ctx)
	}
	var got struct {
		Links *[]linkOf `json:"links"`
	}
	if err := e.post(ctx, e.way, e.URL, map[string]any{"sites": sites}, &got); err != nil {
		return nil, err
	}
	if got.Links == nil {
		return nil, errors.New("not what was asked for: no links")
	}
	links := make([]homing.Link, 0, len(*got.Links))
	for i, l := range *got.Links {
		if l.From == "" || l.To == "" {
			return nil, fmt.Errorf("not what was asked for: link %d has no from or to", i)
		}
		links = append(links, homing.Link(l))
	}
	return links, nil
}
