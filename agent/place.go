package agent

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// want is what place concludes about a component.
type want string

const (
	wanted    want = "wanted"    // on an element of ours, to be kept running
	ended     want = "ended"     // Finished: its object stays as it is
	remove    want = "remove"    // ordered away, and ours
	unplaced  want = "unplaced"  // no element; ours to report on
	handover  want = "handover"  // on another domain's element, and ours to see to it that it runs there
	elsewhere want = "elsewhere" // another domain's, or another agent's: nothing is written
	gone      want = "gone"      // proved to be in the broker no more
)

// placement is the answer to: is this component wanted here, and with what?
type placement struct {
	want  want
	input mapping.Input
	order order // what is asked for, whatever reports have crossed it
}

// domains knows which domains are ours.
type domains struct {
	all bool
	ids []string // names without urn prefixes
}

func newDomains(ids []string) domains {
	d := domains{all: slices.Contains(ids, "*")}
	for _, id := range ids {
		d.ids = append(d.ids, domainName(id))
	}
	slices.Sort(d.ids)
	return d
}

// domainName is an id without the prefixes that one dialect writes and the
// other does not.
func domainName(id string) string {
	id = strings.TrimPrefix(id, "urn:ngsi-ld:")
	return strings.TrimPrefix(id, "Domain:")
}

func (d domains) ours(id ngsild.EntityID) bool {
	return d.all || slices.Contains(d.ids, domainName(string(id)))
}

// handles says whether we are the one that writes on unplaced components of a
// service, and on the service itself: the agent of domainHandler or, where
// that is absent, of the domain that is the entry point.
func (r *reconciler) handles(service *ngsild.Entity) bool {
	if r.domains.all {
		return true
	}
	handler := r.handler(service)
	return handler != "" && r.domains.ours(handler)
}

// handler is the domain whose agent handles a service; empty if the broker names none.
func (r *reconciler) handler(service *ngsild.Entity) ngsild.EntityID {
	if service != nil {
		if handler := firstLink(service, "domainHandler"); handler != "" {
			return handler
		}
	}
	if only := r.links.onlyDomain(); only != "" {
		return only
	}
	for _, d := range r.links.ofType(typeDomain) {
		if entry, _ := d.Bool("isEntrypoint"); entry {
			return d.ID
		}
	}
	return ""
}

// place decides whether the component is wanted, and gathers what it links to.
func (r *reconciler) place(ctx context.Context, p *pass) (placement, error) {
	if err := r.refuseOvertaken(ctx, p); err != nil {
		return placement{}, err
	}
	decide := r.placeOrdered
	if p.allocated != nil {
		decide = r.placeAllocated
	}
	placed, err := decide(ctx, p)
	if p.ending || (p.errand != nil && p.errand.remove) {
		p.quiet = p.quiet || placed.want == elsewhere || placed.want == handover
		placed.want = remove
	}
	return placed, err
}

// refuseOvertaken refuses what another domain asks for because of where the entity was placed, if
// it is placed anew since: the other domain has yet to hear of that.
func (r *reconciler) refuseOvertaken(ctx context.Context, p *pass) error {
	e, on := p.errand, firstLink(&p.entity, attrElement)
	switch {
	case e == nil, !e.placed, p.absent, e.remove && on == "", !e.remove && on == e.want.Element:
		return nil
	case e.remove:
		element, err := r.links.get(ctx, p.id, on)
		if err != nil {
			return fmt.Errorf("read the element that it is placed on: %w", err)
		}
		if element == nil || !r.domains.ours(firstLink(element, "domain")) {
			return nil
		}
	}
	r.desk.drop(p.id, e)
	e.answer(refused(http.StatusConflict, "placed-anew", "The component is placed elsewhere by now", "Its entity names "+cmp.Or(string(on), "no element")+"."))
	p.allocated = nil
	r.takeErrand(p)
	return nil
}

// placeOrdered is place for a component that its entity alone orders. Nothing
// here depends on what is in the cluster.
func (r *reconciler) placeOrdered(ctx context.Context, of *pass) (placement, error) {
	v, p := &of.view, placement{order: of.view.order}
	if v.absent {
		p.want = gone
		return p, nil
	}
	if p.order == none {
		p.order = orderOf(v.entity.Enum(attrStatus))
	}
	in, err := r.links.input(ctx, v.entity, of.rules.followed)
	if err != nil {
		return p, fmt.Errorf("read what it links to: %w", err)
	}
	p.input = in
	placed := firstLink(&v.entity, attrElement) != ""
	switch {
	case !placed && !r.handles(in.Service):
		p.want = elsewhere
	case placed && in.Element != nil && !r.domains.ours(firstLink(in.Element, "domain")) && r.handsOver(&in):
		p.want = handover
	case placed && in.Element != nil && !r.domains.ours(firstLink(in.Element, "domain")):
		p.want = elsewhere
	case placed && in.Element == nil && !r.domains.all && !r.handles(in.Service):
		p.want = elsewhere
	case p.order == removing, p.order == none && removed(&v.entity):
		p.want = remove
	case p.order == none && equalFold(v.entity.Enum(attrStatus), statusFinished):
		p.want = ended
	case !placed:
		p.want = unplaced
	default:
		p.want = wanted
	}
	return p, nil
}

func firstLink(e *ngsild.Entity, name string) ngsild.EntityID {
	if ids := e.Links(name); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// serviceOf is the service that a component belongs to: its relationship or,
// without one, what its id says.
func serviceOf(c *ngsild.Entity) ngsild.EntityID {
	if id := firstLink(c, attrService); id != "" {
		return id
	}
	if before, _, ok := strings.Cut(string(c.ID), ":Component:"); ok {
		return ngsild.EntityID(before)
	}
	return ""
}

// entityID keeps signatures short.
type entityID = ngsild.EntityID

func compareID(a, b ngsild.EntityID) int { return strings.Compare(string(a), string(b)) }

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

func lower(s string) string { return strings.ToLower(s) }
