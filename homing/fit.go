package homing

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Fitter answers for outside systems: controllers that know capacity, providers
// of licences. It is asked once per constraint and list of candidates.
type Fitter interface {
	// Fit returns the ids of those candidates that fit. An error, or ErrNoFitter
	// for a system that is not configured, means that none does.
	Fit(ctx context.Context, ask Ask) ([]string, error)
}

// Ask is one question to an outside system.
type Ask struct {
	// Type is vim_fit, instance_fit, region_fit or license; Controller the name of
	// the system as the template has it (the licence's id for a license).
	Type, Controller, Constraint string
	// Request is passed on as it is (for a license its key, under "key").
	Request map[string]any
	// Candidates are ids; for vim_fit the vim-ids of the candidates.
	Candidates []string
}

// vimFit is the body of a vim_fit constraint.
type vimFit struct {
	controller string
	request    map[string]any
	amounts    map[string]float64 // request, without its units
}

func (p *parser) vimFit(_ *constraint, r *reader) any {
	b := &vimFit{controller: r.text("controller"), request: r.mapping("request")}
	r.need("controller", "the name of a VIM controller, such as multicloud")
	b.amounts = amountsOf(b.request)
	return b
}

// amountsOf reads the numbers of a request; quantities of memory and storage come
// in GB, or are converted to it.
func amountsOf(request map[string]any) map[string]float64 {
	amounts := map[string]float64{}
	for _, name := range sortedKeys(request) {
		v, factor := request[name], 1.0
		if m, ok := v.(map[string]any); ok {
			unit, _ := m["unit"].(string)
			if f := unitFactor(unit); f > 0 {
				factor = f / unitFactor("GB")
			}
			v = m["quantity"]
		}
		if n, ok := number(v); ok {
			amounts[name] = n * factor
		}
	}
	return amounts
}

// holds tells whether the VIM of each candidate has room for the demand by itself;
// that it has room for all demands together is the matter of pools.
func (b *vimFit) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	var fits []string
	byData := b.byData(ev)
	if !byData {
		fits = ev.ask(c, d, Ask{Type: c.kind, Controller: b.controller, Constraint: c.name, Request: b.request, Candidates: vims(d)})
	}
	for i, it := range d.items {
		vim := it.vim()
		switch {
		case !cloudLike(it.kind):
			ok[i] = true
		case !byData:
			ok[i] = slices.Contains(fits, vim)
		default:
			free, listed := ev.inv.VIMCapacity[vim]
			ok[i] = listed && within(b.amounts, free)
			if !listed {
				ev.note(c, d, "are on a VIM whose capacity is not known")
			}
		}
	}
	return ok
}

// byData reports whether the inventory holds the controller's answer.
func (b *vimFit) byData(ev *evaluation) bool {
	return ev.inv.VIMCapacity != nil && strings.EqualFold(b.controller, "multicloud")
}

// vim is the id of the candidate's VIM.
func (it *item) vim() string {
	v, _ := it.field("vim-id")
	text, _ := plain(v)
	if text == "" {
		owner, _ := it.field("cloud_owner")
		region, _ := it.field("location_id")
		if owner != nil && region != nil {
			text = fmt.Sprint(owner, "_", region)
		}
	}
	return text
}

func vims(d *draw) []string {
	var ids []string
	for _, it := range d.items {
		if vim := it.vim(); cloudLike(it.kind) && vim != "" {
			ids = append(ids, vim)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func within(want, free map[string]float64) bool {
	for name, n := range want {
		if have, ok := free[name]; n > 0 && (!ok || n > have+1e-9) {
			return false
		}
	}
	return true
}

// serviceFit is the body of instance_fit and region_fit.
type serviceFit struct {
	controller string
	request    map[string]any
	checked    func(kind string) bool
}

func (p *parser) serviceFit(c *constraint, r *reader) any {
	r.need("controller", "the name of a service controller, such as SDN-C")
	b := &serviceFit{r.text("controller"), r.mapping("request"), serviceLike}
	if c.kind == "region_fit" {
		b.checked = cloudLike
	}
	return b
}

func (b *serviceFit) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	amounts := amountsOf(b.request)
	byData := ev.inv.ServiceCapacity != nil && strings.EqualFold(b.controller, "sdn-c")
	var fits []string
	if !byData {
		ask := Ask{Type: c.kind, Controller: b.controller, Constraint: c.name, Request: b.request}
		for _, it := range d.items {
			if b.checked(it.kind) {
				ask.Candidates = append(ask.Candidates, it.id)
			}
		}
		if len(ask.Candidates) > 0 {
			fits = ev.ask(c, d, ask)
		}
	}
	for i, it := range d.items {
		switch {
		case !b.checked(it.kind):
			ok[i] = true
		case byData:
			free, listed := ev.inv.ServiceCapacity[it.id]
			ok[i] = listed && within(amounts, free)
		default:
			ok[i] = slices.Contains(fits, it.id)
		}
	}
	return ok
}

// license is the body of a license constraint.
type license struct{ id, key string }

func (p *parser) license(_ *constraint, r *reader) any {
	r.need("id", "the id of a licence")
	r.need("key", "a licence key group")
	return &license{r.text("id"), r.text("key")}
}

func (b *license) holds(ev *evaluation, c *constraint, d *draw) []bool {
	holders, known := ev.inv.Licenses[b.id][b.key]
	if !known && ev.inv.Licenses == nil {
		ids := make([]string, len(d.items))
		for i, it := range d.items {
			ids[i] = it.id
		}
		holders = ev.ask(c, d, Ask{Type: c.kind, Controller: b.id, Constraint: c.name, Request: map[string]any{"key": b.key}, Candidates: ids})
	} else if !known {
		ev.note(c, d, fmt.Sprintf("hold no licence, as the inventory knows no key group %q of licence %q", b.key, b.id))
	}
	ok := make([]bool, len(d.items))
	for i, it := range d.items {
		ok[i] = slices.Contains(holders, it.id)
	}
	return ok
}
