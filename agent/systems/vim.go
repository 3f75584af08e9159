package systems

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hlo-agent/hlo-agent/homing"
)

// mostSteps bounds how many sums of requests a VIM controller is asked about in
// one solve.
const mostSteps = 64

// capacity asks a VIM controller, which says for one request which VIMs have room
// for it. To know whether several demands fit on one VIM together, it is asked
// about the sums of their requests too, of the VIMs that had room for less. The
// largest sums that fit are what counts as free.
func (e *endpoint) capacity(ctx context.Context, questions []homing.Question) ([]homing.Answer, error) {
	answers := make([]homing.Answer, len(questions))
	most := steps(questions)
	room := map[string]map[string]bool{} // VIMs with room, by combination
	for _, k := range combinations(most) {
		vims := asked(questions, room, k)
		if len(vims) == 0 {
			continue
		}
		fits, err := e.roomFor(ctx, request(questions, k), vims)
		if err != nil {
			return nil, err
		}
		room[fmt.Sprint(k)] = fits
	}
	for i, q := range questions {
		one := make([]int, len(questions))
		one[i] = 1
		fits := room[fmt.Sprint(one)]
		answers[i].Fits = slices.Sorted(maps.Keys(fits))
		if len(q.Amounts) > 0 {
			answers[i].Free = free(questions, combinations(most), room, fits)
		}
	}
	return answers, nil
}

// steps is how many demands of each question are looked at together, so that all
// combinations stay within mostSteps.
func steps(questions []homing.Question) []int {
	most := make([]int, len(questions))
	for i, q := range questions {
		if most[i] = 1; len(q.Amounts) > 0 {
			most[i] = min(max(1, q.Demands), mostSteps)
		}
	}
	for {
		product, largest := 1, 0
		for i, n := range most {
			product = min(product*(n+1), 1<<30)
			if n > most[largest] {
				largest = i
			}
		}
		if product <= mostSteps+1 || most[largest] <= 1 {
			return most
		}
		most[largest]--
	}
}

// combinations counts from none to most of each question, smaller ones before
// larger ones. Where even one of each is too many combinations, every question
// stands by itself.
func combinations(most []int) [][]int {
	total := 1
	for _, n := range most {
		total = min(total*(n+1), 1<<30)
	}
	var all [][]int
	if total > mostSteps+1 {
		for i := range most {
			one := make([]int, len(most))
			one[i] = 1
			all = append(all, one)
		}
		return all
	}
	k := make([]int, len(most))
	for {
		i := len(k) - 1
		for ; i >= 0 && k[i] == most[i]; i-- {
			k[i] = 0
		}
		if i < 0 {
			return all
		}
		k[i]++
		all = append(all, slices.Clone(k))
	}
}

// asked are the VIMs that had room for everything that is one demand less.
func asked(questions []homing.Question, room map[string]map[string]bool, k []int) []string {
	var vims map[string]bool
	keep := func(set map[string]bool) {
		if vims == nil {
			vims = maps.Clone(set)
			return
		}
		maps.DeleteFunc(vims, func(vim string, _ bool) bool { return !set[vim] })
	}
	for i, n := range k {
		if n == 0 {
			continue
		}
		less := slices.Clone(k)
		less[i]--
		if slices.Max(less) == 0 {
			own := map[string]bool{}
			for _, vim := range questions[i].Candidates {
				own[vim] = true
			}
			keep(own)
			continue
		}
		set := room[fmt.Sprint(less)]
		if set == nil {
			return nil
		}
		keep(set)
	}
	return slices.Sorted(maps.Keys(vims))
}

// request is the sum of the questions' requests, each as often as k says. Amounts
// come without units, in GB; whatever else is in a request goes as it is.
func request(questions []homing.Question, k []int) map[string]any {
	body := map[string]any{}
	for i, q := range questions {
		if k[i] == 0 {
			continue
		}
		for name, v := range q.Request {
			if _, isAmount := q.Amounts[name]; !isAmount {
				body[name] = v
			}
		}
	}
	for name, amount := range sum(questions, k) {
		body[name] = amount
	}
	return body
}

func sum(questions []homing.Question, k []int) map[string]float64 {
	total := map[string]float64{}
	for i, q := range questions {
		for name, amount := range q.Amounts {
			if k[i] > 0 {
				total[name] += float64(k[i]) * amount
			}
		}
	}
	return total
}

// roomFor asks once. An empty answer means that no VIM has room.
func (e *endpoint) roomFor(ctx context.Context, body map[string]any, vims []string) (map[string]bool, error) {
	body["VIMs"] = vims
	var answer struct {
		VIMs []json.RawMessage
	}
	if err := e.post(ctx, e.way, e.URL, body, &answer); err != nil {
		return nil, err
	}
	fits := map[string]bool{}
	for _, raw := range answer.VIMs {
		id, err := vimID(raw)
		if err != nil {
			return nil, err
		}
		if slices.Contains(vims, id) {
			fits[id] = true
		}
	}
	return fits, nil
}

// vimID reads a VIM as its id, or as a mapping that holds it or its two parts.
func vimID(raw json.RawMessage) (string, error) {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		return id, nil
	}
	var parts struct {
		ID     string `json:"vim-id"`
		Owner  string `json:"cloud-owner"`
		Region string `json:"cloud-region-id"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil || parts.ID == "" && (parts.Owner == "" || parts.Region == "") {
		return "", errors.New("not what was asked for: one of the VIMs is none")
	}
	if parts.ID != "" {
		return parts.ID, nil
	}
	return parts.Owner + "_" + parts.Region, nil
}

// free is, for each VIM that fits, the most of each resource that it had room for.
func free(questions []homing.Question, tried [][]int, room map[string]map[string]bool, fits map[string]bool) map[string]map[string]float64 {
	amounts := map[string]map[string]float64{}
	for vim := range fits {
		amounts[vim] = map[string]float64{}
	}
	for _, k := range tried {
		total := sum(questions, k)
		for vim := range room[fmt.Sprint(k)] {
			if amounts[vim] == nil {
				continue
			}
			for name, amount := range total {
				amounts[vim][name] = max(amounts[vim][name], amount)
			}
		}
	}
	return amounts
}
