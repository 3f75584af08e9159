package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// entityFresh is how old what was read of another broker's entity may be before
// something is written on it.
const entityFresh = time.Second

// takeErrand completes a new pass with what others asked for.
func (r *reconciler) takeErrand(p *pass) {
	if p.errand = r.desk.errand(p.id); p.errand != nil && !p.errand.remove {
		want := p.errand.want
		p.allocated = &want
	} else if kept, ok := r.desk.recorded(p.id, p.live); ok {
		p.allocated = &kept.Allocation
	} else {
		// Objects that were asked for and are all going, at our start: what they
		// were ordered away by was seen before it.
		p.ending = len(p.live) > 0 && !slices.ContainsFunc(p.live, func(l *llo.Live) bool {
			return !l.Deleting || l.Annotations[llo.OriginAnnotation] != originAllocation
		})
	}
	if p.absent && (p.allocated != nil || p.ending) {
		p.entity = p.shadow
	}
}

// placeAllocated is place for a component that others asked for. Its entity may
// be in our broker, in theirs, or nowhere. What was asked for says what it is
// made of and where it runs, until the entity is placed anew after it said so.
func (r *reconciler) placeAllocated(ctx context.Context, p *pass) (placement, error) {
	a, said := *p.allocated, p.entity
	pl := placement{want: wanted}
	on := firstLink(&said, attrElement)
	told := r.reportedOn(p, &a) || !p.absent && r.desk.placedAnew(p.id, on)
	p.placed = r.desk.wasPlaced(p.id, a.Digest(), told || on != "" && on == a.Element || placedBefore(p.live, &a))
	if !p.absent {
		pl.order = p.view.order
	}
	switch {
	case !told && pl.order == overload:
		r.tracker.carriedOut(&p.view) // being asked for here is what came of it
		pl.order = none
	case told && !p.absent && pl.order == none && r.now().Sub(p.announced) >= ownOrder:
		pl.order = orderOf(said.Enum(attrStatus))
	}
	if p.placed && on != "" && on != a.Element {
		a.Element, a.Hostname = on, ""
	}
	if from := r.overdue(p); from != "" {
		a.Element, a.Hostname = ngsild.EntityID(from), ""
	}
	links := a.Entity(said)
	delete(links.Attrs, "networkPorts")
	if had, ok := said.Attrs["networkPorts"]; ok {
		links.Attrs["networkPorts"] = had
	}
	in, err := r.links.input(ctx, links, p.rules.followed)
	if err != nil {
		return pl, fmt.Errorf("read what it links to: %w", err)
	}
	a = a.WithProtocols(in.Ports)
	in.Component, in.Ports = a.Entity(said), a.PortEntities()
	pl.input = in
	p.brokers, p.entity, p.allocated = &said, in.Component, &a
	asked := p.errand != nil && !p.errand.remove
	switch ours := in.Element == nil || r.domains.ours(firstLink(in.Element, "domain")); {
	case !ours && asked:
		p.problem = &problem{mapping.Refused, reasonElementForeign, "the element is not of this domain"}
	case !ours:
		pl.want = elsewhere
	case pl.order == removing:
		pl.want = remove
	}
	if !p.placed && on != "" && on != a.Element {
		p.quiet, err = r.foreignElement(ctx, p.id, on)
	}
	return pl, err
}

// reportedOn says whether the entity's last report is of this very allocation,
// so that whatever else the entity says was said with it known.
func (r *reconciler) reportedOn(p *pass, a *allocation.Allocation) bool {
	said := reported(&p.entity)
	return slices.ContainsFunc(p.live, func(l *llo.Live) bool { return said.UID == string(l.UID) }) &&
		strings.HasSuffix(said.InputHash, "-"+a.Digest())
}

// placedBefore says whether the objects of an allocation note that its entity was placed as it says.
func placedBefore(live []*llo.Live, a *allocation.Allocation) bool {
	bearer := recordBearer(live)
	return bearer != nil && bearer.Annotations[llo.AllocationPlaced] == a.Digest()
}

// overdue is the element that a move which did not arrive in time began at. For
// other components that is written to the entity, which here may not be there.
func (r *reconciler) overdue(p *pass) string {
	for _, l := range p.live {
		m := movingFrom(l)
		if m.from == "" || m.at.Add(r.cfg.MoveTimeout).After(r.now()) || m.from == string(p.allocated.Element) {
			continue
		}
		if string(elementOf(l)) != string(p.allocated.Element) || l.Deleting {
			continue // of a move before
		}
		if state := p.rules.Set.Observe(l.Object()); works(state.Phase) {
			continue
		}
		return m.from
	}
	return ""
}

// foreignElement says whether an element is known to be of another domain.
func (r *reconciler) foreignElement(ctx context.Context, component, id ngsild.EntityID) (bool, error) {
	e, err := r.links.get(ctx, component, id)
	if err != nil {
		return false, fmt.Errorf("read the element that it is placed on: %w", err)
	}
	return e != nil && !r.domains.ours(firstLink(e, "domain")), nil
}

// keepsSecrets checks that what was asked for can be read back from the objects
// that were made of it, since nothing else keeps it over a restart.
func (r *reconciler) keepsSecrets(p *pass) *problem {
	if p.errand == nil || p.allocated == nil || !p.allocated.HasSecrets() {
		return nil
	}
	back, err := allocation.ParseRecord(p.id, p.allocated.Record())
	if err == nil {
		for _, o := range p.objects.Objects {
			back.ReadSecrets(o.Object)
		}
		if back.Equal(p.allocated) {
			return nil
		}
		in := p.input
		in.Component = back.Entity(ngsild.Entity{})
		if without, err := p.rules.Render(in, r.cfg.Namespace); err == nil && without.Hash == strings.TrimSuffix(p.objects.Hash, "-"+p.allocated.Digest()) {
			return nil // they are of no use to the mapping
		}
	}
	return &problem{mapping.Refused, reasonSecretsLost, `what mapping "` + p.objects.Mapping + `" makes does not hold them where they can be read back`}
}

// announce writes to the entity what was asked for by others, where only that
// makes it last: a component of our own broker would be made again after a
// restart between its deletion and the report of it.
func (r *reconciler) announce(ctx context.Context, p *pass) error {
	e := p.errand
	if e == nil || e.quiet || p.absent || p.quiet || p.problem != nil {
		return nil
	}
	said := p.said()
	word := ""
	switch now := orderOf(said.Enum(attrStatus)); {
	case e.remove && now != removing && firstLink(said, attrElement) != "":
		word = string(removing)
	case !e.remove && now == removing && r.now().Sub(p.announced) < ownOrder:
		word = string(starting)
	default:
		return nil
	}
	attrs := map[string]any{attrStatus: enumAttribute(said, attrStatus, "ServiceComponentStatus", word)}
	err := r.client.Merge(ctx, p.id, attrs)
	r.metrics.statusWrites.WithLabelValues(outcome(err)).Inc()
	switch {
	case errors.Is(err, ngsild.ErrNotFound):
		r.tracker.update(p.id, func(rec *record) { rec.absent = true })
		return errSuperseded
	case err != nil && (p.local || !e.remove):
		return fmt.Errorf("write the order: %w", err)
	case err != nil:
		r.logOf(p).Warn("the removal could not be announced", "err", err)
		return nil
	}
	after := applied(*said, attrs)
	*said = after
	r.tracker.update(p.id, func(rec *record) {
		if rec.version == p.version {
			rec.entity = pack(after)
		}
		rec.wrote, rec.announced = written(attrs), r.now()
	})
	return nil
}

// said is the entity as the broker has it.
func (p *pass) said() *ngsild.Entity {
	if p.brokers != nil {
		return p.brokers
	}
	return &p.entity
}

// nothingToSay ends a pass that has just made what others asked for: who asked has
// the answer, the object says nothing yet, and that would be written after
// holdNext at the earliest. Whatever it says before that has a pass of its own.
func (r *reconciler) nothingToSay(p *pass) bool {
	if !p.fresh || p.errand == nil || p.errand.remove || p.problem != nil || len(p.live) != 1 || movingFrom(p.live[0]).from != "" {
		return false
	}
	r.tracker.update(p.id, func(rec *record) {
		if rec.heldSince.IsZero() {
			rec.heldSince = r.now()
		}
	})
	p.wake(holdNext)
	return true
}

// observeAllocated completes the status of a component that others asked for.
func (r *reconciler) observeAllocated(p *pass) {
	if p.status == nil {
		return
	}
	s := p.status
	if p.allocated != nil && p.want == wanted {
		if s.element == "" {
			s.element = string(p.allocated.Element)
		}
		r.desk.saw(p.id, allocation.State{Phase: string(s.Phase), Reason: s.Reason, Message: s.Message})
	}
	if p.want == remove {
		r.desk.saw(p.id, allocation.State{Phase: string(s.Phase), Reason: s.Reason, Message: s.Message})
	}
	switch {
	case p.errand != nil && p.errand.quiet && p.errand.remove:
		p.status = nil
	case p.quiet && !(p.want == wanted && p.runs):
		p.status = nil // it is another domain's until it runs here
	}
}

// remember is report for an entity that no broker has: what would be written is
// kept in mind, so that the next pass knows it.
func (r *reconciler) remember(p *pass) {
	attrs := changes(p.said(), p.status, r.now())
	if len(attrs) == 0 {
		return
	}
	after := applied(*p.said(), attrs)
	if p.brokers != nil {
		p.brokers = &after
	} else {
		p.entity = after
	}
	r.tracker.update(p.id, func(rec *record) { rec.shadow = after })
}

// end forgets a component that is gone, when everything was said of that.
func (r *reconciler) end(p *pass) {
	if len(p.live) > 0 || (p.want != remove && p.want != elsewhere) || (p.errand != nil && !p.errand.remove) {
		return
	}
	if p.status != nil && !p.absent && len(changes(p.said(), p.status, r.now())) > 0 {
		return
	}
	if p.errand == nil && p.allocated == nil && !p.ending {
		return
	}
	r.desk.forget(p.id, p.errand)
	if p.absent {
		r.links.release(p.id)
		r.tracker.forget(p.id)
	}
}

// resyncAllocated reads the entities of what others asked for that our own broker
// does not hold, and returns which it looked for. What cannot be read stays as it
// was known.
func (r *reconciler) resyncAllocated(ctx context.Context, seen map[ngsild.EntityID]bool, asked time.Time) map[ngsild.EntityID]bool {
	looked := map[ngsild.EntityID]bool{}
	ids := slices.DeleteFunc(allocated(r.clusters.All()), func(id ngsild.EntityID) bool { return seen[id] })
	for some := range slices.Chunk(ids, 100) {
		for _, id := range some {
			looked[id] = true
		}
		_, err := r.client.List(ctx, ngsild.Query{IDs: some}, func(page []ngsild.Entity) error {
			for _, e := range page {
				seen[e.ID] = true
				r.tracker.elsewhere(e, asked)
			}
			return nil
		})
		if err != nil && !errors.Is(err, ngsild.ErrShortList) {
			r.log.Warn("entities of other domains cannot be read", "entities", len(some), "err", err)
			for _, id := range some {
				seen[id] = true
			}
		}
	}
	return looked
}
