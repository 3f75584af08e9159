package homing

import (
	"fmt"
	"strings"
)

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

// question implements asks.
func (b *vimFit) question(ev *evaluation, c *constraint) *Question {
	if b.byData(ev) {
		return nil
	}
	return &Question{
		Type: AskVIM, Controller: b.controller, Constraint: c.name, Request: b.request, Amounts: b.amounts, Demands: len(c.demands),
		Candidates: ev.collect(c, vimOf),
	}
}

// holds tells whether the VIM of each candidate has room for the demand by itself;
// that it has room for all demands together is the matter of pools.
func (b *vimFit) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	free, fits := b.free(ev, c), members(ev.answers[c.name].Fits)
	for i, it := range d.items {
		vim := it.vim()
		switch {
		case !cloudLike(it.kind):
			ok[i] = true
		case free == nil:
			ok[i] = fits[vim]
		default:
			amounts, listed := free[vim]
			ok[i] = listed && within(b.amounts, amounts)
			if !listed && b.byData(ev) {
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

// free is what each VIM has left, nil where only single answers are known.
func (b *vimFit) free(ev *evaluation, c *constraint) map[string]map[string]float64 {
	if b.byData(ev) {
		return ev.inv.VIMCapacity
	}
	return ev.answers[c.name].Free
}

func members(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		if id != "" {
			set[id] = true
		}
	}
	return set
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

// question implements asks.
func (b *serviceFit) question(ev *evaluation, c *constraint) *Question {
	if b.byData(ev) {
		return nil
	}
	return &Question{
		Type: c.kind, Controller: b.controller, Constraint: c.name, Request: b.request, Amounts: amountsOf(b.request), Demands: len(c.demands),
		Candidates: ev.collect(c, func(it *item) string {
			if !b.checked(it.kind) {
				return ""
			}
			return it.id
		}),
	}
}

func (b *serviceFit) byData(ev *evaluation) bool {
	return ev.inv.ServiceCapacity != nil && strings.EqualFold(b.controller, "sdn-c")
}

func (b *serviceFit) holds(ev *evaluation, c *constraint, d *draw) []bool {
	ok := make([]bool, len(d.items))
	amounts, byData, fits := amountsOf(b.request), b.byData(ev), members(ev.answers[c.name].Fits)
	for i, it := range d.items {
		switch {
		case !b.checked(it.kind):
			ok[i] = true
		case byData:
			free, listed := ev.inv.ServiceCapacity[it.id]
			ok[i] = listed && within(amounts, free)
		default:
			ok[i] = fits[it.id]
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

// question implements asks.
func (b *license) question(ev *evaluation, c *constraint) *Question {
	if ev.inv.Licenses != nil {
		return nil
	}
	return &Question{
		Type: AskLicense, Controller: b.id, Constraint: c.name, Request: map[string]any{"key": b.key}, Demands: len(c.demands),
		Candidates: ev.collect(c, func(it *item) string { return it.id }),
	}
}

func (b *license) holds(ev *evaluation, c *constraint, d *draw) []bool {
	holders := ev.answers[c.name].Fits
	if ev.inv.Licenses != nil {
		var known bool
		if holders, known = ev.inv.Licenses[b.id][b.key]; !known {
			ev.note(c, d, fmt.Sprintf("hold no licence, as the inventory knows no key group %q of licence %q", b.key, b.id))
		}
	}
	ok := make([]bool, len(d.items))
	holds := members(holders)
	for i, it := range d.items {
		ok[i] = holds[it.id]
	}
	return ok
}
