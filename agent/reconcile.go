package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/systems"
	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// reconciler makes entities real, one at a time for each id. Everything it
// needs beside the entity's id comes from these fields.
type reconciler struct {
	cfg      Config
	domains  domains
	client   *ngsild.Client
	clusters *clusters
	current  atomic.Pointer[rules] // see use
	tracker  *tracker
	links    *links
	guard    *guard
	homer    *homer // nil: somebody else chooses elements
	systems  *systems.Set
	desk     *desk // what others asked for
	together *together
	overlays *overlays // nil: no overlay networks are set up
	events   *teller

	neighbours *neighbours // what we asked others for; nil: nobody is asked (DRY_RUN)
	queue      *queue
	metrics    *metrics
	log        *slog.Logger
	now        func() time.Time
	rand       io.Reader
	working    atomic.Bool // the workers have begun
	leaving    atomic.Bool // they end after the pass that each is at
}

// pass is one entity on its way through the steps below. Each step reads what
// the ones before it found, and adds to it.
type pass struct {
	view
	placement
	rules    *rules     // the ones that this pass works with from its beginning to its end
	cluster  string     // where its objects belong
	lost     *lostError // the cluster that the pass has to wait for; nil: none
	objects  mapping.Rendered
	live     []*llo.Live         // ours for this entity, as the cluster last said
	problem  *problem            // why objects could not be rendered or applied
	status   *status             // what deploymentStatus shall say; nil: nothing is written
	runs     bool                // the object that was observed does its work
	homing   *answer             // what is to be said while no element is chosen; nil: none is wanted
	read     bool                // the broker was read for this pass
	paused   bool                // an operator has stopped the orchestration of this component
	network  *allocation.Network // its place in an overlay network that we set up
	peer     *copied             // how another domain stands to it; nil: none was asked
	takeBack ngsild.EntityID     // a move to another domain that did not arrive ends here
	away     bool                // another domain may still have it, though it shall not
	held     bool                // SYNC_POLICY forbids what would have to be done
	fresh    bool                // its object was made by this pass
	again    time.Duration

	// Of a component that others asked for; see allocated.go.
	errand    *errand                // to be carried out now
	allocated *allocation.Allocation // what it is made of; nil: its entity says so
	brokers   *ngsild.Entity         // the entity as the broker has it, where entity is made of allocated
	placed    bool                   // its entity was placed as was asked for, at some time: where it is placed now counts
	quiet     bool                   // it is another domain's as yet: nothing is written before it runs here
	ending    bool                   // it was ordered away before our start
}

// problem is a reason for which the cluster does not hold what is wanted.
type problem struct {
	phase           mapping.Phase
	reason, message string
}

// reconcile brings the cluster to what the newest state of the entity orders,
// and the entity's status to what the cluster says. It may be repeated at any
// time and stopped anywhere. It returns when it wants to be called again at
// the latest (0: not before something changes).
//
// An error means: try again, with back-off. What must wait for something else,
// or for better input, is no error but a status.
func (r *reconciler) reconcile(ctx context.Context, id ngsild.EntityID) (time.Duration, error) {
	if service, ok := r.links.cached(id); ok && service != nil && service.Type == typeService {
		return 0, r.settleService(ctx, service)
	}
	p, err := r.newest(ctx, id)
	if p == nil || err != nil {
		return 0, err
	}
	if p.placement, err = r.place(ctx, p); err != nil {
		return 0, err
	}
	p.cluster = r.clusterFor(p)
	r.notePlaced(p)
	p.paused = paused(p)
	r.trace(p, "placed", "want", p.want, "order", p.order, "element", firstLink(&p.entity, attrElement), "cluster", p.cluster, "paused", p.paused)
	if err := r.home(ctx, p); err != nil {
		return 0, err
	}
	if err := r.join(ctx, p); err != nil {
		return 0, err
	}
	r.render(p)
	r.traceRendered(p)
	if err := r.apply(ctx, p); err != nil {
		return 0, err
	}
	if r.answerErrand(p) {
		return 0, nil
	}
	if r.nothingToSay(p) {
		return p.again, nil
	}
	r.observe(p)
	r.observeAllocated(p)
	if err := r.report(ctx, p); err != nil {
		return 0, err
	}
	r.saidOfPeer(p)
	r.tellService(p)
	err = r.settle(ctx, p)
	r.end(p)
	return p.again, err
}

// clusterFor is where the objects of a component belong, and notes it so that the
// component is looked at when the cluster is lost or comes back.
func (r *reconciler) clusterFor(p *pass) string {
	name := defaultCluster
	if e := p.input.Element; e != nil {
		name = r.clusters.For(firstLink(e, "lowLevelOrchestrator"), firstLink(e, "domain"))
	}
	if p.record.cluster != name {
		r.tracker.update(p.id, func(rec *record) { rec.cluster = name })
	}
	return name
}

// newest finds the newest known state of an entity, reading the broker when
// there is doubt. nil without an error: there is nothing to work on.
func (r *reconciler) newest(ctx context.Context, id ngsild.EntityID) (*pass, error) {
	v, ok := r.tracker.get(id)
	if !ok {
		live := r.clusters.ByEntity(string(id))
		if !slices.ContainsFunc(live, r.clusters.introduced) && !r.desk.knows(id) {
			return nil, nil // the resync that hears of all objects of a new cluster comes back to it
		}
		r.tracker.suspect(id)
		v, _ = r.tracker.get(id)
	}
	read, of := v.doubt && !v.absent, uint64(0)
	if read {
		asked := r.now()
		e, err := r.client.Entity(ctx, id)
		switch {
		case errors.Is(err, ngsild.ErrNotFound):
			r.tracker.update(id, func(rec *record) { rec.absent = true })
		case err != nil:
			return nil, fmt.Errorf("read the entity: %w", err)
		default:
			r.tracker.read(e, asked, v.version)
		}
		of = v.version
		if v, ok = r.tracker.get(id); !ok || (v.doubt && !v.absent) {
			return nil, errSuperseded
		}
	}
	if read {
		r.traceRead(id, v.version, of)
	}
	p := &pass{view: v, read: read, rules: r.rules(), live: r.clusters.ByEntity(string(id))}
	r.noteOurs(p, reported(&p.entity).UID)
	r.takeErrand(p)
	return p, nil
}

// noteOurs remembers that what is reported on is an object of ours, for when it is not there any more.
func (r *reconciler) noteOurs(p *pass, uid string) {
	if uid != p.ours && slices.ContainsFunc(p.live, func(l *llo.Live) bool { return string(l.UID) == uid }) {
		p.ours = uid
		r.tracker.update(p.id, func(rec *record) { rec.ours = uid })
	}
}

// errSuperseded ends a pass whose knowledge became old while it ran.
var errSuperseded = errors.New("the entity changed meanwhile")

// render turns the entity and what it links to into objects.
func (r *reconciler) render(p *pass) {
	if p.want != wanted || p.problem != nil {
		return
	}
	if p.input.Element == nil && p.allocated == nil && r.clusters.several() {
		p.problem = &problem{mapping.Pending, mapping.ReasonElementMissing, "the element is not there, and without it the cluster is not known"}
		return
	}
	objects, err := p.rules.Render(p.input, r.cfg.Namespace)
	if err == nil {
		err = p.rules.policy.In(p.cluster).Check(objects.Objects)
	}
	for _, w := range objects.Warnings {
		r.logOf(p).Debug("rendered with a warning", "warning", credentialsInEntity(&p.entity).CutFrom(fmt.Sprint(w)))
	}
	if err == nil {
		if p.allocated != nil {
			objects.Hash += "-" + p.allocated.Digest()
		}
		p.objects = objects
		p.problem = r.keepsSecrets(p)
		return
	}
	p.problem = &problem{phase: mapping.Refused, reason: reasonInvalid, message: err.Error()}
	var e *mapping.Error
	if errors.As(err, &e) {
		p.problem.reason, p.problem.message = e.Reason, e.Message
	}
	if errors.Is(err, mapping.ErrPending) {
		p.problem.phase = mapping.Pending
	}
	p.problem.message = credentialsInEntity(&p.entity).CutFrom(p.problem.message)
}

// apply makes the cluster hold what is wanted, and nothing that is not. What
// cannot be applied as things are becomes the pass's problem; what may succeed
// when tried again is returned.
func (r *reconciler) apply(ctx context.Context, p *pass) error {
	if p.want != gone {
		r.guard.returned(p.id, p.live)
	}
	if p.paused {
		return nil
	}
	if p.want == gone {
		return r.deleteAbsent(ctx, p)
	}
	if err := r.announce(ctx, p); err != nil {
		return err
	}
	switch p.want {
	case elsewhere:
		return r.deleteMovedAway(ctx, p)
	case handover:
		return r.handOver(ctx, p)
	case remove:
		if err := r.removeElsewhere(ctx, p); err != nil {
			return err
		}
		return p.bear(r.letGo(ctx, p, p.live, false))
	case ended, unplaced:
		r.endElsewhere(p)
		if p.leftOver() {
			return p.bear(r.letGo(ctx, p, p.live, false))
		}
	case wanted:
		if p.problem != nil {
			return nil // the present object stays
		}
		return r.applyWanted(ctx, p)
	}
	return nil
}

// report writes the status when the entity does not say it yet. Steps on the
// way to an end are held back for a moment, so that what passes quickly costs
// no write; an end is written at once.
func (r *reconciler) report(ctx context.Context, p *pass) error {
	if p.status == nil {
		return nil
	}
	r.tracker.update(p.id, func(rec *record) { rec.phase = string(p.status.Phase) })
	if p.rules != r.rules() {
		return errSuperseded
	}
	if p.absent {
		r.remember(p)
		return nil
	}
	was := reported(p.said())
	attrs := changes(p.said(), p.status, r.now())
	if len(attrs) == 0 {
		r.tracker.update(p.id, func(rec *record) { rec.heldSince = time.Time{} })
		return nil
	}
	if wait := r.hold(p, attrs); wait != 0 {
		if wait > 0 {
			p.wake(wait)
		}
		return nil
	}
	if p.allocated != nil && !p.local && r.now().Sub(p.heard) > entityFresh {
		r.tracker.lookAgain(p.id) // nobody tells us of its changes
		return errSuperseded
	}
	if r.tracker.version(p.id) != p.version {
		return errSuperseded // never report from older knowledge than the last notification
	}
	if _, placing := attrs[attrElement]; placing && p.allocated == nil && !p.read && r.now().Sub(p.heard) > placeWithin {
		r.tracker.update(p.id, func(rec *record) { rec.doubt = true })
		return errSuperseded
	}
	if r.cfg.DryRun {
		r.logOf(p).Info("would write status", "phase", p.status.Phase, "reason", p.status.Reason)
		return nil
	}
	if err := r.write(ctx, p, attrs); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	r.logOf(p).Info("status written", "phase", p.status.Phase, "reason", p.status.Reason, "message", p.status.Message)
	r.tellStatus(p, &was)
	return nil
}

// write sends one PATCH and takes it as done, so that its echo is a no-op. If
// it was lost all the same, the next resync sees the difference.
func (r *reconciler) write(ctx context.Context, p *pass, attrs map[string]any) error {
	if o := orderOf(p.status.componentStatus); attrs[attrStatus] != nil && o != none {
		r.tracker.update(p.id, func(rec *record) { rec.restored, rec.again = r.now(), o }) // the echo may come before the answer
	}
	err := r.client.Merge(ctx, p.id, attrs)
	r.tracker.said(&p.view, attrs, err)
	r.metrics.statusWrites.WithLabelValues(outcome(err)).Inc()
	if errors.Is(err, ngsild.ErrNotFound) {
		r.tracker.update(p.id, func(rec *record) { rec.absent = true })
		return errSuperseded
	}
	if err != nil {
		// The next try may come much later, when something else was ordered.
		r.tracker.update(p.id, func(rec *record) { rec.doubt = true })
		return err
	}
	p.entity = applied(p.entity, attrs)
	if p.brokers != nil {
		*p.brokers = applied(*p.brokers, attrs)
	}
	r.noteOurs(p, p.status.UID)
	texts := written(attrs)
	r.tracker.update(p.id, func(rec *record) {
		if rec.version == p.version {
			rec.entity = pack(*p.said())
		} else if !rec.local {
			rec.doubt = true // it was read meanwhile, perhaps before this came there, and nobody tells us of it
		}
		rec.wrote, rec.wroteAt, rec.heard = texts, r.now(), r.now()
		rec.heldSince, rec.correctable, rec.settled = time.Time{}, false, 0
		if final(p.status.Phase) {
			rec.owed = time.Time{}
		}
	})
	if p.status.clearElement || p.order == overload && (p.status.componentStatus == statusRunning || p.status.Phase == mapping.Succeeded) {
		r.tracker.carriedOut(&p.view)
	}
	if p.allocated != nil && !p.placed && attrs[attrElement] != nil {
		p.wake(0) // the next pass notes that the entity is placed as was asked for
	}
	if !p.owed.IsZero() && final(p.status.Phase) {
		r.metrics.lag.WithLabelValues("reported").Observe(r.now().Sub(p.owed).Seconds())
	}
	return nil
}

// placeWithin is how old knowledge may be from which a placement is changed. A
// notification that was lost meanwhile may have held a newer one, which such a
// write would undo.
const placeWithin = time.Second

// wake asks for another pass after d, or earlier if that was asked for already.
func (p *pass) wake(d time.Duration) {
	if d <= 0 {
		d = time.Millisecond
	}
	if p.again == 0 || d < p.again {
		p.again = d
	}
}
