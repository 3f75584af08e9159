package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Every line of the log that concerns a component has its id under entity. change
// is a number that grows with everything heard of the entity: it is the same in the
// line of a notification and in those of the pass that took it in. Where the broker was
// read in between, that line has both numbers.

// logOf is the log for what a pass does.
func (r *reconciler) logOf(p *pass) *slog.Logger {
	return r.log.With("entity", p.id, "change", p.version)
}

// tracing says whether the steps between a notification and what came of it are
// logged: that they would not be costs the hot path nothing.
func (r *reconciler) tracing() bool { return r.log.Enabled(context.Background(), slog.LevelDebug) }

// trace logs a step of a pass.
func (r *reconciler) trace(p *pass, step string, args ...any) {
	if r.tracing() {
		r.logOf(p).Debug(step, args...)
	}
}

// traceRead logs that the broker was read, which makes a change of its own of what was
// heard before: of.
func (r *reconciler) traceRead(id ngsild.EntityID, change, of uint64) {
	if r.tracing() {
		r.log.Debug("read", "entity", id, "change", change, "of", of)
	}
}

func (r *reconciler) traceRendered(p *pass) {
	switch {
	case p.problem != nil:
		r.trace(p, "rendered", "reason", p.problem.reason, "message", p.problem.message)
	case len(p.objects.Objects) > 0:
		r.trace(p, "rendered", "mapping", p.objects.Mapping, "objects", len(p.objects.Objects), "hash", p.objects.Hash)
	}
}

// traceNotified logs that a notification of a component leads to a pass.
func (r *reconciler) traceNotified(e *ngsild.Entity, at time.Time) {
	if r.tracing() {
		r.log.Debug("notified", "entity", e.ID, "change", r.tracker.version(e.ID), "notifiedAt", at.UTC().Format(time.RFC3339Nano),
			"status", e.Enum(attrStatus), "deleted", e.Deleted)
	}
}
