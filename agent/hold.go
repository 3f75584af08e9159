package agent

import (
	"time"

	"github.com/hlo-agent/hlo-agent/mapping"
)

const (
	holdFirst = 2 * time.Second  // how long a passing state must stand before it is written
	holdNext  = 10 * time.Second // how far apart passing states are written

	lastingQuarrel = 3 // foreign reports between two resyncs that make a quarrel a lasting one
)

// final says whether a phase is one that people wait for.
func final(phase mapping.Phase) bool {
	switch phase {
	case mapping.Running, mapping.Succeeded, mapping.Failed, mapping.Refused:
		return true
	}
	return false
}

// hold says how long the write of attrs must wait: 0 not at all, negative
// until something else happens.
func (r *reconciler) hold(p *pass, attrs map[string]any) time.Duration {
	if r.foreignReport(p, attrs) {
		return -1
	}
	_, placing := attrs[attrElement]
	placing = placing && p.allocated == nil // else it says where the caller has placed it already
	if final(p.status.Phase) || p.status.clearElement || placing {
		return 0
	}
	now, since := r.now(), p.heldSince
	if since.IsZero() {
		since = now
		r.tracker.update(p.id, func(rec *record) { rec.heldSince = now })
	}
	first := holdFirst
	if p.allocated != nil {
		first = holdNext // who asked for it has been answered that it is on its way
	}
	due := since.Add(first)
	if next := p.wroteAt.Add(holdNext); next.After(due) {
		due = next
	}
	if busy := since.Add(holdNext); r.queue.Len() > r.cfg.Workers && busy.After(due) {
		due = busy // objects come before the reports of passing states
	}
	return max(due.Sub(now), 0)
}

// foreignReport says whether all that differs is a report of somebody else in
// serviceComponentStatus, and it is not for us to answer it now: that is done
// once for each change of the object, and at a resync.
func (r *reconciler) foreignReport(p *pass, attrs map[string]any) bool {
	_, says := attrs[attrStatus]
	if !says || len(attrs) > 1 || p.correctable || orderOf(p.entity.Enum(attrStatus)) != none || !p.entity.Has(attrStatus) {
		return false
	}
	r.metrics.foreignReports.Inc()
	return true
}
