package agent

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// observe reads what the objects say and turns it, with the problems met on
// the way, into the status that the entity shall carry.
func (r *reconciler) observe(p *pass) {
	defer p.hide()
	switch {
	case p.want == elsewhere, p.want == gone, p.leftOver():
		return
	case p.want == handover:
		r.observeHandOver(p)
		return
	case p.want == remove:
		r.observeRemoval(p)
		return
	}
	main := p.main()
	s := &status{Phase: mapping.Unplaced, Reason: reasonAwaitingPlacement,
		Message: "no element is chosen, and this agent does not choose", InputHash: p.objects.Hash}
	p.status = s
	if p.homing != nil && p.want == unplaced {
		s.Phase, s.Reason, s.Message = p.homing.phase, p.homing.reason, p.homing.message
	} else if r.homer != nil && p.want == unplaced {
		s.Message = "no element is chosen, and none is to be chosen: it is not Starting, or paused"
	}
	if main != nil {
		r.observeObject(p, main, s)
	}
	switch {
	case p.problem != nil:
		s.Phase, s.Reason, s.Message = p.problem.phase, p.problem.reason, p.problem.message
		if main == nil && p.problem.reason == reasonClusterUnreachable {
			s.remember(&p.entity, p.cluster)
		}
		r.nameStaying(p, s)
		if p.homing != nil && !p.homing.pending {
			s.Message += "; " + p.homing.message
		}
	case main == nil && p.want == wanted && p.paused:
		s.Phase, s.Reason, s.Message = mapping.Pending, reasonPaused, "there is no resource yet"
	case main == nil && p.want == wanted:
		s.Phase, s.Reason, s.Message = mapping.Progressing, reasonAccepted, "the resource was accepted"
	case main == nil && p.want == ended:
		p.status = nil // it ended before our time; there is nothing to say
		return
	case p.homing != nil && p.homing.pending && p.want == wanted:
		p.status = nil // what becomes of it is known in a moment
		return
	case p.homing != nil && p.want == wanted && p.order != overload:
		s.Reason, s.Message = reasonElementUnfit, "its element is not ready or silent; "+p.homing.message+". "+s.Message
	case main != nil && p.want == unplaced && p.homing != nil: // its order stays in the broker until it is carried out
		s.Phase, s.Reason, s.Message = p.homing.phase, p.homing.reason, p.homing.message+"; the object of its placement before stays. "+s.Message
	case main != nil && p.want == unplaced:
		s.Message = "infrastructureElement was taken away; the object stays until Removing. " + s.Message
		s.Reason = reasonPlacementTaken
	}
	if p.paused {
		s.Reason, s.Message = reasonPaused, "paused: nothing is changed. "+s.Message
	}
	if p.contested {
		s.Reason, s.Message = reasonContested, "another writer keeps changing serviceComponentStatus. "+s.Message
	}
	s.componentStatus = reportOf(s, p.placement, p.runs)
	switch {
	case p.order != none && r.heldByOthers(p):
		s.componentStatus = ""
	case s.UID != "" && (s.Phase == mapping.Succeeded || s.Phase == mapping.Failed) && p.endedBefore(s.UID):
		s.componentStatus = string(starting) // its end before the order is no answer to it
	}
}

// heldByOthers says whether an element that is not there may be another agent's, which has
// reported on the component: what was ordered before is its to carry out and, where a report has
// crossed it, its to put back. What is ordered meanwhile must not be hidden by an older order.
func (r *reconciler) heldByOthers(p *pass) bool {
	if r.domains.all || p.allocated != nil || p.input.Element != nil || len(p.live) > 0 {
		return false
	}
	word := attributeText(&p.entity, attrStatus)
	return orderOf(p.entity.Enum(attrStatus)) == none && reported(&p.entity).UID != "" && word != p.wrote[attrStatus]
}

// nameStaying names the object that stays where the wanted one cannot be made: while it
// does its work, and only then. By that other agents, which may hold the component from
// a move before, know that theirs is not needed.
func (r *reconciler) nameStaying(p *pass, s *status) {
	if !s.cannotBeMade() || p.runs {
		return
	}
	s.identify(&llo.Live{})
	s.ObservedGeneration = 0
	for _, l := range p.live {
		if !l.Deleting && !p.renders(l) && r.clusters.lost(l.Cluster, 0) == nil && sideWorks(p.live, l, p.rules) {
			s.identify(l)
			return
		}
	}
}

// cannotBeMade says whether something in the cluster is in the wanted object's way.
func (s *status) cannotBeMade() bool {
	return s.Phase == mapping.Pending && (s.Reason == reasonNameHeld || s.Reason == reasonKindMissing)
}

// observeRemoval reports an ordered removal: Finished only when nothing is left.
func (r *reconciler) observeRemoval(p *pass) {
	p.live = r.clusters.ByEntity(string(p.id))
	if len(p.live) == 0 && p.away {
		p.status = &status{Phase: mapping.Removing, Reason: reasonRemoving, Message: "ordered away; waiting until no other domain has it",
			componentStatus: string(removing)}
		return
	}
	unseen := r.unseen(p)
	if len(p.live) == 0 && unseen == "" {
		p.status = &status{}
		p.status.Reason, p.status.Message = reasonRemoved, "ordered away; the object is gone"
		if left, stays := r.left(p); stays {
			*p.status = left
			p.status.Reason, p.status.Message = reasonOrphaned, "ordered away; the object stays, as its delete policy says, and is nobody's"
		}
		p.status.Phase, p.status.componentStatus, p.status.clearElement = mapping.Unplaced, statusFinished, true
		return
	}
	p.status = &status{Phase: mapping.Removing, Reason: reasonRemoving, Message: "ordered away; waiting until the object is gone",
		componentStatus: string(removing)}
	switch {
	case p.paused:
		p.status.Reason, p.status.Message = reasonPaused, "ordered away, but paused: the object stays"
	case r.cfg.SyncPolicy != syncAll:
		p.status.Reason, p.status.Message = reasonKept, "ordered away, but SYNC_POLICY is "+r.cfg.SyncPolicy+": the object stays"
	case p.lost != nil:
		p.status.Reason, p.status.Message = reasonClusterUnreachable, "ordered away; "+p.lost.Error()
	case unseen != "":
		p.status.Reason, p.status.Message = reasonClusterUnreachable, "ordered away; whether an object is left in the cluster "+unseen+" is not known yet"
		p.wake(unreachableAfter)
	}
	if len(p.live) > 0 {
		p.status.identify(p.live[0])
	} else {
		p.status.remember(&p.entity, unseen)
	}
}

// remember says of an object in a cluster that cannot be looked at what was
// reported of it before.
func (s *status) remember(e *ngsild.Entity, cluster string) {
	if said := reported(e); said.Cluster == cluster {
		s.APIVersion, s.Kind, s.Namespace, s.Name, s.UID = said.APIVersion, said.Kind, said.Namespace, said.Name, said.UID
		s.ObservedGeneration = said.ObservedGeneration
	}
	s.Cluster = cluster
}

func (s *status) identify(l *llo.Live) {
	s.APIVersion, s.Kind = l.Key.GVK.GroupVersion().String(), l.Key.GVK.Kind
	s.Namespace, s.Name, s.UID = l.Key.Namespace, l.Key.Name, string(l.UID)
	s.Cluster = l.Cluster
}

// observeObject takes the state of the objects over into s, with what time adds
// to it: silence, a standstill, a move that does not arrive.
func (r *reconciler) observeObject(p *pass, main *llo.Live, s *status) {
	s.identify(main)
	if said := reported(&p.entity); s.InputHash == "" && said.UID == s.UID {
		s.InputHash = said.InputHash
	}
	object := main.Object()
	state := p.rules.Observe(object)
	s.properties = p.rules.Properties(object)
	s.Phase, s.Reason, s.Message, s.ObservedGeneration = state.Phase, state.Reason, state.Message, state.ObservedGeneration
	p.runs = works(state.Phase)
	if r.clusters.lost(main.Cluster, 0) != nil {
		r.observeLost(p, main, s)
	} else {
		r.observeTime(p, main, state, s)
	}
	if p.want != wanted || p.problem != nil || p.paused {
		return
	}
	r.observeMove(p, main, s)
	if p.order == overload && movingFrom(main).from == "" && p.runs && s.Phase != mapping.Succeeded && p.lost == nil {
		s.Reason, s.Message = reasonOverloaded, "overloaded; nothing here can place it anew, so it stays as it is"
		if p.homing != nil {
			s.Message = "overloaded; it stays as it is, since " + p.homing.message
		}
	}
}

// observeTime says what a state means that has stood for a while.
func (r *reconciler) observeTime(p *pass, main *llo.Live, state mapping.State, s *status) {
	since := r.standsSince(p, main, state)
	now := r.now()
	switch {
	case state.Silent:
		s.Reason, s.Message = reasonAccepted, "accepted; its status has yet to come"
		if wait := since.Add(r.cfg.StatusGrace).Sub(now); wait > 0 {
			p.wake(wait)
		} else {
			s.Phase, s.Reason, s.Message = mapping.Unknown, reasonStateUnknown, "accepted, state unknown"
		}
	case state.Phase == mapping.Progressing || state.Phase == mapping.Pending:
		if wait := since.Add(r.cfg.ProgressDeadline).Sub(now); wait > 0 {
			p.wake(wait)
		} else {
			s.Phase, s.Reason = mapping.Failed, reasonDeadlineExceeded
			s.Message = fmt.Sprintf("no progress for %v; last seen: %s", r.cfg.ProgressDeadline, state.Message)
		}
	}
}

// observeMove says that a move is under way while the old object still does the
// work, and takes a move back that did not arrive in time.
func (r *reconciler) observeMove(p *pass, main *llo.Live, s *status) {
	if !p.runs && p.othersLeft() && (movingFrom(main).from != "" || s.Phase != mapping.Failed) {
		s.Phase, s.Reason = mapping.Progressing, reasonMoving
		s.Message = "the new object does not run yet, the old one stays; the new one says: " + s.Message
	}
	back, wait := r.moveOverdue(p, main)
	if wait > 0 {
		p.wake(wait)
	}
	if back == "" {
		return
	}
	if old, ok := r.links.cached(ngsild.EntityID(back)); ok && old == nil {
		s.Message = "the move did not arrive in time, and the element before is gone. " + s.Message
		return
	}
	s.Phase, s.Reason = mapping.Progressing, reasonMoveTimedOut
	s.Message = fmt.Sprintf("not running on %s after %v; taken back to %s", firstLink(&p.entity, attrElement), r.cfg.MoveTimeout, back)
	s.element = back
	p.wake(0)
}

// standsSince is since when the object's state has been what it is.
func (r *reconciler) standsSince(p *pass, main *llo.Live, state mapping.State) time.Time {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%d|%s|%s|%s", main.UID, main.Generation, state.Phase, state.Reason, state.Message)
	print, now := h.Sum64(), r.now()
	if p.seen == print {
		return p.seenAt
	}
	since := now
	if p.seen == 0 { // the first look since our start: time has passed before it
		said := reported(&p.entity)
		switch {
		case state.Silent && main.Created.Before(now):
			since = now.Add(main.Created.Sub(now)) // steady from here on, though our clock is set
		case said.Reason == reasonDeadlineExceeded && said.UID == string(main.UID):
			since = now.Add(-r.cfg.ProgressDeadline)
		}
	}
	p.seen, p.seenAt = print, since
	r.tracker.update(p.id, func(rec *record) { rec.seen, rec.seenAt, rec.correctable = print, since, true })
	p.correctable = true
	return since
}
