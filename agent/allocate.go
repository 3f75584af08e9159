package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// errandTime is how long a request is tried to be carried out before it is
// refused. The callers that are in use give up after 15 s.
const errandTime = 12 * time.Second

// refusal is why a request was not carried out. Nothing of it is left to be done.
type refusal struct{ problemDocument }

// Error implements error.
func (r *refusal) Error() string {
	if r.Detail == "" {
		return r.Title
	}
	return r.Title + ": " + r.Detail
}

func refused(status int, typ, title, detail string) *refusal {
	return &refusal{problemDocument{Status: status, Type: typ, Title: title, Detail: detail}}
}

// busy is a refusal of what may succeed later.
func busy(typ, title, detail string, after time.Duration) *refusal {
	r := refused(http.StatusServiceUnavailable, typ, title, detail)
	r.retryAfter = after
	return r
}

// notAllocated says that there is no such component, which is known only when
// every cluster was looked at.
func (r *reconciler) notAllocated() *refusal {
	if _, all := r.clusters.ready(); !all || !r.working.Load() {
		return busy("unavailable", "It is not known yet what there is", "The agent has not yet seen everything in its clusters.", time.Second)
	}
	return refused(http.StatusNotFound, "not-allocated", "Service component not allocated", "")
}

// allocate has a component run. It returns nil when its resource is in the
// cluster, or was before, made of the same. Otherwise the error is a *refusal.
// placed: only if its entity is placed as a says.
func (r *reconciler) allocate(ctx context.Context, a allocation.Allocation, placed bool) error {
	return r.atDesk(ctx, a.Component, func(ctx context.Context) error {
		is, there := r.existing(a.Component)
		switch {
		case there && r.orderedAway(a.Component):
			return refused(http.StatusConflict, "being-removed", "Service component is being removed", "")
		case there && is.Service == a.Service && is.Equal(&a):
			r.look(a.Component) // it may have been ordered anew
			return nil
		case there:
			return refused(http.StatusConflict, "exists", "Service component already exists", "It is allocated with other parameters; change it with PUT.")
		}
		r.desk.unkeep(a.Component)
		return r.carryOut(ctx, a.Component, &errand{want: a, placed: placed}, &errand{remove: true, quiet: true})
	})
}

// change has a component that was asked for become what over makes of it. placed
// and the error are as for allocate.
func (r *reconciler) change(ctx context.Context, service, id ngsild.EntityID, over func(*allocation.Allocation) allocation.Allocation, placed bool) error {
	return r.atDesk(ctx, id, func(ctx context.Context) error {
		is, there := r.existing(id)
		if !there || is.Service != service {
			return r.notAllocated()
		}
		if !r.asked(id) {
			return refused(http.StatusConflict, "ordered-by-entity", "The component is ordered by its entity",
				"It was not asked for here: change its entity in the broker.")
		}
		if r.orderedAway(id) {
			return refused(http.StatusConflict, "being-removed", "Service component is being removed", "")
		}
		want := over(&is)
		if is.Equal(&want) {
			r.look(id)
			return nil
		}
		return r.carryOut(ctx, id, &errand{want: want, placed: placed}, &errand{want: is, quiet: true})
	})
}

// deallocate has a component's objects deleted. It returns nil when the cluster
// has accepted that. moved: it has not ended, but runs elsewhere, so that nothing is
// said of it; and nothing is done where its entity has come back meanwhile. The error
// is as for allocate.
func (r *reconciler) deallocate(ctx context.Context, service, id ngsild.EntityID, moved bool) error {
	return r.atDesk(ctx, id, func(ctx context.Context) error {
		live := r.clusters.ByEntity(string(id))
		is, kept := r.desk.recorded(id, live)
		switch {
		case kept && is.Service != service, len(live) == 0 && !kept:
			return r.notAllocated()
		case !kept && !slices.ContainsFunc(live, func(l *llo.Live) bool { return l.Annotations[llo.ServiceAnnotation] == string(service) }):
			return r.notAllocated()
		case r.cfg.SyncPolicy != syncAll:
			return keptByPolicy(r.cfg.SyncPolicy)
		}
		return r.carryOut(ctx, id, &errand{remove: true, placed: moved, quiet: moved}, nil)
	})
}

func keptByPolicy(policy string) *refusal {
	return refused(http.StatusConflict, "kept-by-policy", "The agent may not do this", "Its SYNC_POLICY is "+policy+".")
}

// atDesk runs f when it is the component's turn, within errandTime.
func (r *reconciler) atDesk(ctx context.Context, id ngsild.EntityID, f func(context.Context) error) error {
	if r.cfg.DryRun {
		return refused(http.StatusConflict, "kept-by-policy", "The agent may not do this", "It only says what it would do (DRY_RUN).")
	}
	ctx, cancel := context.WithTimeout(ctx, errandTime)
	defer cancel()
	leave, err := r.desk.enter(ctx, id)
	if err != nil {
		return busy("busy", "Not now", "", time.Second)
	}
	defer leave()
	if err := r.begun(ctx); err != nil {
		return busy("unavailable", "It is not known yet what there is", "The agent has just been started.", time.Second)
	}
	return f(ctx)
}

// begun waits until clusters and broker were read for the first time: before that
// nobody can say what is there.
func (r *reconciler) begun(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !r.working.Load() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// carryOut has the loop do e. When that takes too long it is not done any more:
// the loop does undo instead, or leaves things as they are if undo is nil.
func (r *reconciler) carryOut(ctx context.Context, id ngsild.EntityID, e, undo *errand) error {
	e.done = make(chan error, 1)
	r.tracker.lookAgain(id)
	if e.remove || e.placed {
		r.tracker.update(id, func(rec *record) { rec.doubt = true })
	}
	if !e.remove {
		r.readAhead(ctx, id)
	}
	r.desk.put(id, e)
	r.queue.Add(id)
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
	}
	switch {
	case e.remove && errors.Is(ctx.Err(), context.Canceled):
		return busy("busy", "Not now", "", time.Second) // the caller went away, perhaps in the middle of it: it goes on
	case undo == nil:
		r.desk.drop(id, e)
	default:
		r.desk.put(id, undo)
	}
	r.queue.Add(id)
	select {
	case err := <-e.done: // it was done in the same moment
		r.desk.drop(id, undo)
		return err
	default:
	}
	return busy("unavailable", "It could not be carried out now", "The cluster or the broker does not answer, or the component before it is still going.", 5*time.Second)
}

// look has a component's pass run, from a fresh state of its entity if it is not
// one that the broker tells us about.
func (r *reconciler) look(id ngsild.EntityID) {
	r.tracker.lookAgain(id)
	r.queue.Add(id)
}

// readAhead reads a component's entity if that is in doubt, so that its pass need
// not. What goes wrong here goes wrong there again.
func (r *reconciler) readAhead(ctx context.Context, id ngsild.EntityID) {
	v, _ := r.tracker.get(id)
	if !v.doubt || v.absent {
		return
	}
	asked := r.now()
	e, err := r.together.read(ctx, id)
	switch {
	case err != nil:
		r.log.Debug("the entity of what is asked for cannot be read", "entity", id, "err", err)
	case e != nil:
		r.tracker.read(*e, asked, v.version)
	default:
		r.tracker.update(id, func(rec *record) { rec.absent = rec.absent || rec.version == v.version })
	}
}

// existing is what a component that is there, and not on its way out, was made of.
func (r *reconciler) existing(id ngsild.EntityID) (allocation.Allocation, bool) {
	live := slices.DeleteFunc(r.clusters.ByEntity(string(id)), func(l *llo.Live) bool { return l.Deleting })
	if e := r.desk.errand(id); e != nil && e.remove {
		return allocation.Allocation{}, false
	}
	if kept, ok := r.desk.recorded(id, live); ok {
		return kept.Allocation, true
	}
	if len(live) == 0 {
		return allocation.Allocation{}, false
	}
	v, _ := r.tracker.get(id)
	return allocation.FromEntity(&v.entity, serviceOf(&v.entity), r.links.known(v.entity.Links("networkPorts"))), true
}

// asked says whether a component is one that was asked for by others.
func (r *reconciler) asked(id ngsild.EntityID) bool {
	_, ok := r.desk.recorded(id, r.clusters.ByEntity(string(id)))
	return ok
}

// orderedAway says whether the broker orders a component's removal.
func (r *reconciler) orderedAway(id ngsild.EntityID) bool {
	v, ok := r.tracker.get(id)
	return ok && !v.absent && v.order == removing
}

// answerErrand tells whoever waits for p's errand what came of it. over: it was
// refused, and the pass has nothing to report.
func (r *reconciler) answerErrand(p *pass) (over bool) {
	made := p.want == wanted && p.problem == nil && !p.paused
	if p.allocated != nil && made {
		r.desk.keep(p.id, *p.allocated)
	}
	e := p.errand
	if e == nil {
		return false
	}
	var no *refusal
	switch {
	case p.lost != nil:
		return false // it may be back in time, and what was sent may have been done
	case p.paused:
		no = refused(http.StatusConflict, "paused", "The component is paused", "Its orchestration was stopped by orchestrationPaused or an annotation.")
	case e.remove:
		e.answer(nil) // it stays until its end was reported
		return false
	case p.want == remove:
		no = refused(http.StatusConflict, "being-removed", "Service component is being removed", "Its entity says Removing.")
	case made && p.held:
		no = keptByPolicy(r.cfg.SyncPolicy)
	case made:
		r.desk.drop(p.id, e)
		e.answer(nil)
		return false
	case p.problem != nil && p.problem.phase == mapping.Progressing:
		return false // something that ends by itself is in its way
	case p.problem != nil:
		no = refusalOf(p.problem)
	default:
		no = refused(http.StatusBadRequest, "refused", "It cannot be carried out", "")
	}
	r.desk.drop(p.id, e)
	e.answer(no)
	r.queue.Add(p.id) // and now without it
	return true
}

// answer never blocks: nobody may be waiting any more.
func (e *errand) answer(err error) {
	select {
	case e.done <- err:
	default:
	}
}

// refusalOf is what a caller is told of a problem. Its message is made for the
// entity's status, and has no secrets.
func refusalOf(p *problem) *refusal {
	detail := fmt.Sprintf("%s: %s", p.reason, p.message)
	switch p.reason {
	case reasonNameHeld:
		return refused(http.StatusConflict, "name-held", "The resource's name is held", detail)
	case reasonElementForeign:
		return refused(http.StatusBadRequest, "element-not-ours", "The element is of another domain", detail)
	case mapping.ReasonElementMissing:
		return refused(http.StatusBadRequest, "element-unknown", "The element is not known", detail)
	case reasonSecretsLost:
		return refused(http.StatusBadRequest, "secrets-not-kept", "The credentials cannot be kept", detail)
	}
	if p.phase == mapping.Pending && strings.HasSuffix(p.reason, "Missing") {
		return busy("pending", "Something that it needs is missing", detail, problemRetry)
	}
	return refused(http.StatusBadRequest, "refused", "It cannot be carried out", detail)
}

// asRefusal is any error of carrying out as what a caller is told.
func asRefusal(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	return busy("unavailable", "It could not be carried out now", "", 5*time.Second)
}
