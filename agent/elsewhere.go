package agent

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/peer"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// removalAgain is after how long a domain that accepted a removal and reports
// no end is asked again.
const removalAgain = 30 * time.Second

// handsOver says whether a component on another domain's element is ours to
// hand over: we handle its service, and the domain says where it is reached.
func (r *reconciler) handsOver(in *mapping.Input) bool {
	return r.neighbours != nil && in.Element != nil && publicURL(in.Domain) != "" && r.handles(in.Service)
}

// publicURL is where a domain is reached, without a slash at the end; "" if it
// does not say so in a usable way.
func publicURL(domain *ngsild.Entity) string {
	if domain == nil {
		return ""
	}
	text, _ := domain.Text("publicUrl")
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.RawQuery != "" {
		return ""
	}
	return strings.TrimRight(text, "/")
}

// handOver has another domain hold what is wanted of a component, and nobody
// else in the end: the domain is asked, and what is elsewhere goes when the
// component runs there. Nothing here waits for the domain.
func (r *reconciler) handOver(ctx context.Context, p *pass) error {
	domain, at := p.input.Domain.ID, publicURL(p.input.Domain)
	service, to := serviceOf(&p.entity), firstLink(&p.entity, attrElement)
	others := r.neighbours.of(p.id, domain)
	if p.order == removing {
		r.dropAll(p, others)
		c := r.neighbours.drop(domain, at, service, p.id, false)
		p.peer = &c
		if c.done == goneThere && c.err == nil {
			if wait := c.at.Add(removalAgain).Sub(r.now()); wait > 0 {
				p.wake(wait)
			} else {
				r.neighbours.forget(p.id, domain)
				p.wake(0)
			}
		}
		return r.letGo(ctx, p, p.live, false)
	}
	if p.order == none && equalFold(p.entity.Enum(attrStatus), statusFinished) {
		if c, asked := r.neighbours.asked(p.id, domain); asked && arrivedThere(p, &c, p.live) {
			return r.endMove(ctx, p, &c, others, p.live)
		}
		return nil
	}
	var back, own []*llo.Live
	for _, l := range p.live {
		if m := movingFrom(l); m.from == string(to) && r.neighbours.takesBack(p.id, domain, m) {
			back = append(back, l)
		} else {
			own = append(own, l)
		}
	}
	if err := r.letGo(ctx, p, back, false); err != nil {
		return err
	}
	if p.problem != nil {
		return nil
	}
	from := before(others, own, to)
	a := allocationOf(&p.input, service)
	a.Network = p.network
	was := reported(&p.entity).UID
	if was != p.ours && len(others) == 0 {
		was = "" // where that domain has the order from the same broker, it may run the component already
	}
	c := r.neighbours.ask(domain, at, a, from, was, orderKey(p))
	p.peer = &c
	if c.done != "" && (p.order == starting || p.order == overload) {
		r.tracker.carriedOut(&p.view)
	}
	return r.leaveOthers(ctx, p, &c, others, own)
}

// orderKey tells one order to start from the next; "" if there is none.
func orderKey(p *pass) string {
	if p.order != starting {
		return ""
	}
	key := p.orderAt.UTC().String()
	if said := reported(&p.entity); said.Phase == mapping.Succeeded || said.Phase == mapping.Failed {
		key += said.UID
	}
	return key
}

// leaveOthers ends what a move leaves behind: the copies elsewhere go when the
// component is reported to run in c, and c is left when that takes too long.
func (r *reconciler) leaveOthers(ctx context.Context, p *pass, c *copied, others []copied, own []*llo.Live) error {
	if arrivedThere(p, c, own) {
		return r.endMove(ctx, p, c, others, own)
	}
	if len(others) == 0 && len(own) == 0 {
		return nil
	}
	// A copy that was to take over from here, and was taken back.
	back := slices.DeleteFunc(slices.Clone(others), func(o copied) bool { return o.from != c.element })
	if err := r.dropLeft(p, back); err != nil {
		return err
	}
	if c.from == "" || c.from == c.element {
		return nil
	}
	if wait := c.since.Add(r.cfg.MoveTimeout).Sub(r.now()); wait > 0 {
		p.wake(wait)
	} else if old, ok := r.links.cached(c.from); !ok || old != nil {
		p.takeBack = c.from
	}
	return nil
}

// arrivedThere says whether the entity was told that the component runs as c, or
// ran to its end, and not as what was there before.
func arrivedThere(p *pass, c *copied, own []*llo.Live) bool {
	said := reported(&p.entity)
	ours := slices.ContainsFunc(own, func(l *llo.Live) bool { return string(l.UID) == said.UID })
	return c.done != "" && works(said.Phase) && !ours && said.UID != "" && said.UID != c.aside
}

// endMove ends a move that has arrived as c: the copies elsewhere go.
func (r *reconciler) endMove(ctx context.Context, p *pass, c *copied, others []copied, own []*llo.Live) error {
	r.neighbours.arrived(p.id, c.domain)
	if err := r.dropLeft(p, others); err != nil {
		return err
	}
	return r.letGo(ctx, p, own, false)
}

// dropLeft has domains end the copies that a move leaves. A domain of somebody else's takes that for the
// component's end where it has been placed there again, so the broker is read before.
func (r *reconciler) dropLeft(p *pass, copies []copied) error {
	copies = slices.DeleteFunc(copies, func(c copied) bool { return c.want == nil })
	if len(copies) == 0 {
		return nil
	}
	if r.tracker.version(p.id) != p.version {
		return errSuperseded
	}
	if !p.read && !p.absent {
		r.tracker.update(p.id, func(rec *record) { rec.doubt = true })
		return errSuperseded
	}
	for _, c := range copies {
		r.neighbours.drop(c.domain, c.url, c.service, p.id, true)
	}
	return nil
}

// dropAll has domains end their copies of a component.
func (r *reconciler) dropAll(p *pass, copies []copied) {
	for _, c := range copies {
		if c.want != nil {
			r.neighbours.drop(c.domain, c.url, c.service, p.id, false)
		}
	}
}

// before is the element that a component is on while it is to go to another one.
func before(others []copied, own []*llo.Live, to ngsild.EntityID) ngsild.EntityID {
	for _, l := range own {
		if from := elementOf(l); from != to {
			return from
		}
	}
	for _, c := range others {
		if c.want != nil && c.done != "" && c.element != to {
			return c.element
		}
	}
	return ""
}

// allocationOf is what another domain is asked for.
func allocationOf(in *mapping.Input, service ngsild.EntityID) allocation.Allocation {
	a := allocation.FromEntity(&in.Component, service, in.Ports)
	a.Hostname, _ = in.Element.Text("hostname")
	a.Orchestrator = firstLink(in.Element, "lowLevelOrchestrator")
	technology := in.Element.Enum("containerTechnology")
	if technology == "" && in.Orchestrator != nil {
		technology = in.Orchestrator.Enum("orchestrationType")
	}
	a.Kind = map[string]string{"kubernetes": "ServiceComponentK8s", "docker": "ServiceComponentDocker", "containerd": "ServiceComponentContainerd"}[lower(technology)]
	return a
}

// observeHandOver says of a component in another domain what that domain does
// not: that it was not handed over, and why; and its end, where the domain has
// nothing to report on.
func (r *reconciler) observeHandOver(p *pass) {
	switch c := p.peer; {
	case p.takeBack != "":
		p.status = &status{Phase: mapping.Progressing, Reason: reasonMoveTimedOut, element: string(p.takeBack),
			Message: fmt.Sprintf("not running on %s after %v; taken back to %s", firstLink(&p.entity, attrElement), r.cfg.MoveTimeout, p.takeBack)}
	case p.problem != nil:
		p.status = &status{Phase: p.problem.phase, Reason: p.problem.reason, Message: p.problem.message}
	case c == nil || c.told:
		return
	case errors.Is(c.err, errAbsentThere) && p.order == removing && len(p.live) == 0:
		p.status = &status{Phase: mapping.Unplaced, Reason: reasonRemoved, Message: "ordered away; the domain has none", clearElement: true, componentStatus: statusFinished}
		return
	case errors.Is(c.err, peer.ErrBad), errors.Is(c.err, peer.ErrDenied):
		p.status = &status{Phase: mapping.Refused, Reason: reasonDomainRefused, Message: "domain " + domainName(string(c.domain)) + ": " + c.err.Error()}
	case errors.Is(c.err, peer.ErrRetry):
		p.status = &status{Phase: mapping.Pending, Reason: reasonDomainUnreachable, Message: "domain " + domainName(string(c.domain)) + " cannot be asked; it will be tried again"}
	default:
		return
	}
	s := p.status
	if s.Phase != mapping.Refused || p.order == removing {
		s.componentStatus = string(p.order)
		return
	}
	s.componentStatus = reportOf(s, p.placement, len(p.live) > 0 || equalFold(p.entity.Enum(attrStatus), statusRunning))
}

// settleElsewhere ends the copies in other domains of a component that runs on
// an element of ours, or is back on one.
func (r *reconciler) settleElsewhere(ctx context.Context, p *pass) error {
	if r.neighbours == nil {
		return nil
	}
	to := firstLink(&p.entity, attrElement)
	left := r.neighbours.of(p.id, "")
	over := slices.DeleteFunc(slices.Clone(left), func(c copied) bool { return !p.runs && c.from != to })
	if err := r.dropLeft(p, over); err != nil {
		return err
	}
	main := p.main()
	if len(left) > 0 || main == nil || !p.runs || movingFrom(main).from == "" {
		return nil
	}
	// After a restart only the note on the object tells where it comes from.
	from := movingFrom(main).from
	domain, at, err := r.domainOf(ctx, p, ngsild.EntityID(from))
	if err != nil {
		return err
	}
	if domain == "" || at == "" || r.domains.ours(domain) || r.neighbours.drop(domain, at, serviceOf(&p.entity), p.id, true).done == goneThere {
		r.neighbours.leave(p.id, from)
	}
	return nil
}

// leftBehind says whether the domain of the element that a move began at is
// known to have the component no more.
func (r *reconciler) leftBehind(p *pass, from string) bool {
	return r.neighbours == nil || len(r.neighbours.of(p.id, "")) == 0 && r.neighbours.hasLeft(p.id, from)
}

// moveFromElsewhere is the move of a component that another domain had.
func (r *reconciler) moveFromElsewhere(p *pass) move {
	if r.neighbours == nil {
		return move{}
	}
	if from := before(r.neighbours.of(p.id, ""), nil, firstLink(&p.entity, attrElement)); from != "" {
		return move{from: string(from), at: r.now()}
	}
	return move{}
}

// removeElsewhere has every other domain end a component that was ordered away.
func (r *reconciler) removeElsewhere(ctx context.Context, p *pass) error {
	if r.neighbours == nil {
		return nil
	}
	left := r.neighbours.of(p.id, "")
	r.dropAll(p, left)
	p.away = len(left) > 0
	if element := firstLink(&p.entity, attrElement); element != "" && p.input.Element == nil && !p.away && p.allocated == nil {
		domain, at, err := r.domainOf(ctx, p, element) // the element is gone, the component perhaps not
		if err != nil {
			return err
		}
		if domain != "" && at != "" && !r.domains.ours(domain) {
			p.away = r.neighbours.drop(domain, at, serviceOf(&p.entity), p.id, false).done != goneThere
		}
	}
	return nil
}

// endElsewhere has other domains end their copies of a component that is Finished:
// nowhere, or here.
func (r *reconciler) endElsewhere(p *pass) {
	if r.neighbours == nil || p.want != ended {
		return
	}
	said := reported(&p.entity)
	if firstLink(&p.entity, attrElement) == "" || slices.ContainsFunc(p.live, func(l *llo.Live) bool { return said.UID == string(l.UID) }) {
		r.dropAll(p, r.neighbours.of(p.id, ""))
	}
}

// missingElsewhere are the components that other domains have for us and that a
// whole list lacked.
func (r *reconciler) missingElsewhere(seen map[ngsild.EntityID]bool) []ngsild.EntityID {
	if r.neighbours == nil {
		return nil
	}
	return slices.DeleteFunc(r.neighbours.recalledAll(), func(id ngsild.EntityID) bool { return seen[id] || !r.tracker.suspect(id) })
}

// heldElsewhere is the number of other domains that may hold a component.
func (r *reconciler) heldElsewhere(id ngsild.EntityID) int {
	if r.neighbours == nil {
		return 0
	}
	return len(r.neighbours.of(id, ""))
}

// staysElsewhere are the copies of a component in other domains that were not told to go, each
// named for the guard: one that is asked for anew is another one.
func (r *reconciler) staysElsewhere(id ngsild.EntityID) []types.UID {
	if r.neighbours == nil {
		return nil
	}
	var names []types.UID
	for _, c := range r.neighbours.of(id, "") {
		if c.want != nil {
			names = append(names, types.UID(fmt.Sprintf("%s in %s since %d", id, c.domain, c.since.UnixNano())))
		}
	}
	return names
}

// dropEverywhere has every other domain end a component whose entity is gone.
func (r *reconciler) dropEverywhere(id ngsild.EntityID) {
	if r.neighbours == nil {
		return
	}
	for _, c := range r.neighbours.of(id, "") {
		r.neighbours.drop(c.domain, c.url, c.service, id, false)
	}
}

func (r *reconciler) forgetElsewhere(id ngsild.EntityID) {
	if r.neighbours != nil {
		r.neighbours.forget(id, "")
	}
}

// saidOfPeer notes that the entity says why a hand-over did not come about; it
// is not said again when the other domain says something else.
func (r *reconciler) saidOfPeer(p *pass) {
	if p.want == handover && p.peer != nil && p.peer.err != nil && p.status != nil && reported(&p.entity).Message == p.status.Message {
		r.neighbours.saidOnce(p.id, p.peer.domain, p.peer.err)
	}
}

// domainOf finds the domain of an element, and its address, by the element's
// entity or, where that is gone, by its id.
func (r *reconciler) domainOf(ctx context.Context, p *pass, element ngsild.EntityID) (ngsild.EntityID, string, error) {
	e, err := r.links.get(ctx, p.id, element)
	if err != nil {
		return "", "", fmt.Errorf("read the element before: %w", err)
	}
	var id ngsild.EntityID
	if e != nil {
		id = firstLink(e, "domain")
	} else if rest, ok := strings.CutPrefix(string(element), "urn:ngsi-ld:InfrastructureElement:"); ok {
		name, _, _ := strings.Cut(rest, ":")
		id = ngsild.EntityID("urn:ngsi-ld:Domain:" + name)
	}
	if id == "" {
		return "", "", nil
	}
	d, err := r.links.get(ctx, p.id, id)
	if err != nil {
		return "", "", fmt.Errorf("read the domain before: %w", err)
	}
	return id, publicURL(d), nil
}
