package agent

import (
	"fmt"
	"strings"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// What is told in Kubernetes Events: refusals, failures, moves and ends, and what
// stands in a component's way. The ordinary way to Running is not, so that many
// components that go well cost the API server nothing.

// news is news of the pass's component, on its main object or what stands for it.
func (r *reconciler) news(p *pass, warning bool, reason, message string) news {
	n := news{entity: p.id, cluster: p.cluster, object: standIn(p.id, r.cfg.Namespace), warning: warning, reason: reason, message: message}
	if main := p.main(); main != nil {
		n.cluster, n.object, n.uid = main.Cluster, main.Key, main.UID
	}
	if n.cluster == "" {
		n.cluster = defaultCluster
	}
	return n
}

// tellStatus tells of a status that was written in the place of another one.
func (r *reconciler) tellStatus(p *pass, was *status) {
	s := p.status
	moved := s.Phase == mapping.Running && (was.Reason == reasonMoving || p.moved(was))
	if !moved && was.Phase == s.Phase && was.Reason == s.Reason && (was.Message == s.Message || !loud(s.Phase)) {
		return
	}
	switch {
	case s.Phase == mapping.Running && s.Reason != was.Reason && unwell(was.Phase):
		r.events.add(r.news(p, false, "Recovered", fmt.Sprintf("runs again, after %s: %s", was.Phase, was.Reason)))
	case moved:
		r.events.add(r.news(p, false, "Moved", "runs on "+string(firstLink(&p.entity, attrElement))))
	case worthTelling(s):
		r.events.add(r.news(p, s.warns(), s.Reason, s.Message))
	}
}

// moved says whether the pass reports an object that a move made, in the place of
// the one before. A move may be done before Moving is ever reported.
func (p *pass) moved(was *status) bool {
	main := p.main()
	return main != nil && movingFrom(main).from != "" && was.UID != "" && was.UID != p.status.UID
}

func loud(phase mapping.Phase) bool { return phase == mapping.Refused || phase == mapping.Failed }

func unwell(phase mapping.Phase) bool {
	return loud(phase) || phase == mapping.Unknown
}

// warns says whether somebody should look.
func (s *status) warns() bool {
	switch s.Reason {
	case reasonMoving, reasonPaused, reasonRemoved, reasonOrphaned, reasonRestarting, reasonTerminating:
		return false
	}
	return s.Phase != mapping.Succeeded
}

// worthTelling is false for what a component passes through when all goes well.
func worthTelling(s *status) bool {
	switch s.Reason {
	case reasonAwaitingPlacement, reasonPlacing, reasonAccepted, reasonRemoving, reasonPlacementTaken:
		return false
	}
	if _, own := explanations()[s.Reason]; own {
		return true
	}
	return unwell(s.Phase) || s.Phase == mapping.Succeeded
}

// tellHandedOver tells that another domain has accepted a component that was here.
func (r *reconciler) tellHandedOver(id ngsild.EntityID, from, to string) {
	r.events.add(news{entity: id, cluster: defaultCluster, object: standIn(id, r.cfg.Namespace), reason: seenHandedOver, message: "from " + from + " to " + to})
}

// tellApplied tells what an apply did that nobody ordered.
func (r *reconciler) tellApplied(p *pass, result llo.Result) {
	if result.Action == llo.ActionAdopted {
		r.events.add(r.news(p, false, "Adopted", "an object that was nobody's is managed from now on"))
	}
	if len(result.TakenOver) > 0 {
		r.events.add(r.news(p, true, "FieldsTakenBack", "set by somebody else, and put back: "+strings.Join(result.TakenOver, ", ")))
	}
}
