package systems

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// list reads the entities that hold the answer.
func (e *endpoint) list(ctx context.Context) (all []ngsild.Entity, err error) {
	defer func() { e.observe(e.Name, err) }()
	if e.broker == nil {
		return nil, errors.New("no broker to ask for entities")
	}
	_, err = e.broker.List(ctx, ngsild.Query{Types: []string{e.Entities.Type}, Q: e.Entities.Q}, func(page []ngsild.Entity) error {
		all = append(all, page...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask the broker: %w", err)
	}
	slices.SortStableFunc(all, func(a, b ngsild.Entity) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// fromEntities answers all questions from one list. Of entities that speak of the
// same candidate all must fit, so the least that is free counts.
func (e *endpoint) fromEntities(ctx context.Context, questions []homing.Question) ([]homing.Answer, error) {
	all, err := e.list(ctx)
	if err != nil {
		return nil, err
	}
	answers := make([]homing.Answer, len(questions))
	var amounts map[string]map[string]float64
	if e.Kind != kindLicense {
		amounts = e.Entities.amounts(all)
	}
	for i, q := range questions {
		holders := map[string]bool{}
		if e.Kind == kindLicense {
			holders = e.Entities.holders(all, q)
		}
		if e.Kind == kindVIM {
			answers[i].Free = map[string]map[string]float64{}
		}
		for _, id := range q.Candidates {
			if !holders[id] && !within(q.Amounts, amounts[id]) {
				continue
			}
			answers[i].Fits = append(answers[i].Fits, id)
			if e.Kind == kindVIM {
				answers[i].Free[id] = amounts[id]
			}
		}
	}
	return answers, nil
}

// within reports whether all that is wanted is known to be free.
func within(want, free map[string]float64) bool {
	if free == nil {
		return false
	}
	for name, n := range want {
		if have, ok := free[name]; n > 0 && (!ok || n > have+1e-9) {
			return false
		}
	}
	return true
}

// amounts is what is free, by candidate and the names of requests.
func (q *entities) amounts(all []ngsild.Entity) map[string]map[string]float64 {
	free := map[string]map[string]float64{}
	for i := range all {
		for _, id := range q.candidates(&all[i]) {
			if free[id] == nil {
				free[id] = map[string]float64{}
				for name, attribute := range q.Amounts {
					if n, ok := number(all[i].Attrs[attribute].Value); ok && n >= 0 {
						free[id][name] = n
					}
				}
				continue
			}
			for name, attribute := range q.Amounts {
				n, ok := number(all[i].Attrs[attribute].Value)
				if have, known := free[id][name]; known && ok && n >= 0 {
					free[id][name] = min(have, n)
				} else {
					delete(free[id], name)
				}
			}
		}
	}
	return free
}

// candidates are the ids that an entity speaks of.
func (q *entities) candidates(e *ngsild.Entity) []string {
	if q.Candidate == "" {
		return []string{string(e.ID)}
	}
	var ids []string
	for _, item := range e.List(q.Candidate) {
		if id, ok := item.(string); ok && id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// holders are the candidates with a licence.
func (q *entities) holders(all []ngsild.Entity, ask homing.Question) map[string]bool {
	holders := map[string]bool{}
	for i := range all {
		license, _ := all[i].Text(q.License)
		key, _ := all[i].Text(cmp.Or(q.Key, "key"))
		if q.License != "" && license != ask.Controller || key != ask.Request["key"] {
			continue
		}
		for _, id := range q.candidates(&all[i]) {
			holders[id] = true
		}
	}
	return holders
}

func (e *endpoint) linkEntities(ctx context.Context) ([]homing.Link, error) {
	all, err := e.list(ctx)
	if err != nil {
		return nil, err
	}
	q := e.Entities
	var links []homing.Link
	for i := range all {
		entity := &all[i]
		figure := func(name string) *float64 {
			if n, ok := number(entity.Attrs[name].Value); ok && n >= 0 {
				return &n
			}
			return nil
		}
		from, _ := entity.Text(cmp.Or(q.From, "from"))
		to, _ := entity.Text(cmp.Or(q.To, "to"))
		if from == "" || to == "" {
			continue
		}
		oneWay, _ := entity.Bool(cmp.Or(q.OneWay, "oneWay"))
		links = append(links, homing.Link{
			From: from, To: to, OneWay: oneWay, Bandwidth: figure(cmp.Or(q.Bandwidth, "bandwidth")),
			Latency: figure(cmp.Or(q.Latency, "latency")), Distance: figure(cmp.Or(q.Distance, "distance")),
		})
	}
	return links, nil
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil && !math.IsNaN(n)
	}
	return 0, false
}
