package homing

import (
	"context"
	"errors"
	"fmt"
)

// Reservation is a resource to be held for a demand after solving.
type Reservation struct {
	// Name is the entry's name and the demand's, joined by "_".
	Name, Type, Demand, Controller string
	// Model is the service_model of the older shape, empty for the other.
	Model   string
	Request map[string]any
}

// Reserver holds and releases resources at outside systems.
type Reserver interface {
	Reserve(ctx context.Context, r Reservation, candidate string) error
	Release(ctx context.Context, r Reservation, candidate string) error
}

// Reservations returns what the template wants reserved, in order of name.
func (t *Template) Reservations() []Reservation { return t.reservations }

// Reserve reserves all that t asks for on the first recommendation for which that
// succeeds, and returns its place in recs. What was reserved for one that fails is
// released before the next is tried. The error joins the reasons of all.
func Reserve(ctx context.Context, t *Template, recs []Recommendation, with Reserver) (int, error) {
	var failures []error
	for i, rec := range recs {
		err := reserveAll(ctx, t.reservations, rec, with)
		if err == nil {
			return i, nil
		}
		failures = append(failures, fmt.Errorf("recommendation %d: %w", i+1, err))
	}
	if len(recs) == 0 {
		failures = append(failures, errors.New("no recommendation to reserve for"))
	}
	return -1, errors.Join(failures...)
}

func reserveAll(ctx context.Context, all []Reservation, rec Recommendation, with Reserver) error {
	for i, r := range all {
		err := with.Reserve(ctx, r, rec.Assignment[r.Demand])
		if err == nil {
			continue
		}
		err = fmt.Errorf("reserve %s: %w", r.Name, err)
		for k := i - 1; k >= 0; k-- {
			// A release must happen even when the time for reserving is over.
			if undo := with.Release(context.WithoutCancel(ctx), all[k], rec.Assignment[all[k].Demand]); undo != nil {
				err = errors.Join(err, fmt.Errorf("release %s: %w", all[k].Name, undo))
			}
		}
		return err
	}
	return nil
}

func (p *parser) reservations(body map[string]any) {
	for _, key := range []string{"reservation", "reservations"} {
		v, ok := body[key]
		if !ok {
			continue
		}
		all, _ := open(v, key, " of name to reservation", p.found)
		entries, model := all, ""
		if all.has("service_candidates") || all.has("service_model") {
			all.only("service_model", "service_candidates")
			all.need("service_model", "the model whose controller reserves, such as ADIOD or DHV")
			model = all.text("service_model")
			v, ok := all.need("service_candidates", "a mapping of name to reservation")
			if !ok {
				continue
			}
			entries, _ = open(v, all.at("service_candidates"), " of name to reservation", p.found)
		}
		for _, name := range sortedKeys(entries.m) {
			p.reservation(entries, name, model)
		}
	}
}

func (p *parser) reservation(entries *reader, name, model string) {
	r, ok := open(entries.m[name], entries.at(name), " with demands and properties", p.found)
	if !ok {
		return
	}
	r.only("type", "demands", "properties")
	of := "instance_reservation"
	if r.has("type") || model == "" {
		of = r.word("type", "instance_reservation")
	}
	demands := p.named(r, "demands")
	v, ok := r.need("properties", "a mapping with controller and request")
	if !ok {
		return
	}
	q, _ := open(v, r.at("properties"), " with controller and request", p.found)
	q.only("controller", "request")
	q.need("controller", "the name of a service controller, such as SDN-C")
	for _, d := range demands {
		p.t.reservations = append(p.t.reservations, Reservation{
			Name: name + "_" + d, Type: of, Demand: d, Controller: q.text("controller"), Model: model, Request: q.mapping("request"),
		})
	}
}
