package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// applyWanted makes the rendered objects so. An object that ended and is
// ordered again goes first; one that moves remembers from where.
func (r *reconciler) applyWanted(ctx context.Context, p *pass) error {
	main := p.main()
	if main != nil && r.cfg.SyncPolicy == syncCreate {
		p.held = true
		return nil
	}
	if main != nil && r.cfg.SyncPolicy == syncAll && p.endedBefore(string(main.UID)) {
		p.problem = &problem{mapping.Progressing, reasonRestarting, "ordered again after its end: the ended object goes first"}
		err := p.bear(r.letGo(ctx, p, p.live, true))
		if p.lost != nil {
			p.problem = p.lostProblem(p.lost)
		}
		return err
	}
	if i := slices.IndexFunc(p.live, func(l *llo.Live) bool { return l.Deleting && p.renders(l) }); i >= 0 {
		p.problem = &problem{mapping.Progressing, reasonTerminating, "waiting until the object of the same name is gone"}
		return nil
	}
	move := r.moveOf(p, main)
	for n, o := range p.objects.Objects {
		mark(o, p, move)
		if r.cfg.DryRun {
			r.logOf(p).Info("would apply", "object", o.GetKind()+"/"+o.GetName())
			continue
		}
		result, err := r.clusters.Apply(ctx, p.cluster, o)
		if err != nil {
			p.problem = applyProblem(err)
			if lost := r.lostIn(p.cluster, err); lost != nil {
				p.lost, p.problem = lost, p.lostProblem(lost)
			}
			if p.problem != nil {
				p.wake(problemRetry)
				return nil
			}
			return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		r.metrics.applies.WithLabelValues(o.GetKind(), result.Action).Inc()
		if result.Action != "none" {
			r.logOf(p).Info("object "+result.Action, "cluster", p.cluster, "object", o.GetKind()+"/"+o.GetNamespace()+"/"+o.GetName(), "takenOver", len(result.TakenOver))
			r.tellApplied(p, result)
		}
		p.fresh = n == 0 && result.Action == llo.ActionCreated || n > 0 && p.fresh
		if n == 0 && !p.waiting.IsZero() && result.Action != "none" {
			r.metrics.lag.WithLabelValues("applied").Observe(r.now().Sub(p.waiting).Seconds())
		}
	}
	r.tracker.update(p.id, func(rec *record) {
		if rec.version == p.version {
			rec.waiting = time.Time{}
		}
	})
	p.live = r.clusters.ByEntity(string(p.id))
	if p.order == starting && !p.saysOldEnd() {
		r.tracker.carriedOut(&p.view)
	}
	return nil
}

// saysOldEnd says whether a report of the end of another object has crossed the order in the
// broker. Until it is replaced the order stays: by that report nothing would be wanted.
func (p *pass) saysOldEnd() bool {
	end, main := endReported(&p.entity), p.main()
	return orderOf(p.entity.Enum(attrStatus)) == none && end != "" && (main == nil || string(main.UID) != end)
}

// endedBefore says whether Starting is a new order and not the one by which an object was
// made: where it was seen, the end of that very object was reported already.
func (p *pass) endedBefore(uid string) bool {
	seen := p.endOf
	if end := endReported(&p.entity); end != "" && p.view.order != p.order { // the entity's own word asks for it
		seen = end
	}
	return p.order == starting && seen == uid && (endReported(&p.entity) == seen || p.ended(uid))
}

// ended says whether the object of ours with that uid has come to its end, whatever is reported
// of it since: that something is in the way of the order, perhaps.
func (p *pass) ended(uid string) bool {
	return slices.ContainsFunc(p.live, func(l *llo.Live) bool {
		phase := mapping.Progressing
		if string(l.UID) == uid {
			phase = p.rules.Observe(l.Object()).Phase
		}
		return phase == mapping.Succeeded || phase == mapping.Failed
	})
}

// endReported is the uid of the object whose end an entity reports, empty if it
// reports none.
func endReported(e *ngsild.Entity) string {
	if said := reported(e); said.Phase == mapping.Succeeded || said.Phase == mapping.Failed {
		return said.UID
	}
	return ""
}

// attrPaused on an entity, or llo.PausedAnnotation on an object, with true
// stops every change to the component's objects. Its state is still reported.
const attrPaused = "orchestrationPaused"

// What an entity said of itself ends with it.
func paused(p *pass) bool {
	if on, _ := p.entity.Bool(attrPaused); on && p.want != gone {
		return true
	}
	return slices.ContainsFunc(p.live, func(l *llo.Live) bool { return l.Annotations[llo.PausedAnnotation] == "true" })
}

// mark writes on an object what is needed to find back to the entity.
func mark(o *unstructured.Unstructured, p *pass, m move) {
	a := o.GetAnnotations()
	if a == nil {
		a = map[string]string{}
	}
	a[llo.EntityAnnotation] = string(p.id)
	a[llo.ServiceAnnotation] = string(serviceOf(&p.entity))
	a[llo.OriginAnnotation] = originBroker
	if p.allocated != nil {
		a[llo.OriginAnnotation], a[llo.AllocationAnnotation] = originAllocation, p.allocated.Record()
		if p.placed {
			a[llo.AllocationPlaced] = p.allocated.Digest()
		}
	}
	a[llo.ElementAnnotation] = string(firstLink(&p.entity, attrElement))
	if p.objects.Orphan || keepsObjects(&p.entity) {
		a[llo.DeletePolicy] = llo.Orphan
	}
	if m.from != "" {
		a[llo.MovedFrom] = m.from
		a[llo.MovedAt] = m.at.UTC().Format(time.RFC3339)
	}
	o.SetAnnotations(a)
}

// problemRetry is how often a component whose object cannot be there for now
// (its name is held, its kind not installed) is tried again.
const problemRetry = 30 * time.Second

// originBroker marks objects whose entity is expected in our broker.
const originBroker = "broker"

// applyProblem tells what only other input or another cluster can cure from
// what may succeed when tried again, for which it is nil.
func applyProblem(err error) *problem {
	var foreign *llo.ForeignError
	switch {
	case errors.As(err, &foreign):
		holder := "an object that is not ours"
		if foreign.Entity != "" {
			holder = foreign.Entity
		}
		if foreign.Owner != "" {
			holder += " (agent " + foreign.Owner + ")"
		}
		return &problem{mapping.Pending, reasonNameHeld, fmt.Sprintf("%s %s/%s is held by %s", foreign.Key.GVK.Kind, foreign.Key.Namespace, foreign.Key.Name, holder)}
	case errors.Is(err, llo.ErrNoKind):
		return &problem{mapping.Pending, reasonKindMissing, "the cluster does not know this kind: install its CRD"}
	case errors.Is(err, llo.ErrInvalid):
		return &problem{mapping.Refused, reasonRejected, err.Error()}
	}
	return nil
}

// deleteMovedAway removes our object of a component that is now placed on
// another domain's element, once it is reported to run there, or that an object of the
// other agent does the work in place of the wanted one. Until then one of the sides of a
// move that was under way here does the work.
func (r *reconciler) deleteMovedAway(ctx context.Context, p *pass) error {
	to := firstLink(&p.entity, attrElement)
	lacking := p.input.Element == nil && to != "" // it may be ours when it comes back
	if p.order != removing || len(p.live) == 0 && !lacking {
		r.tracker.carriedOut(&p.view) // by another agent; here it would outlive what comes after it
	}
	if len(p.live) == 0 {
		return nil
	}
	said := reported(&p.entity)
	runs := works(said.Phase) || said.cannotBeMade() && said.UID != "" // see nameStaying
	ours := said.UID != "" && said.UID == p.ours                       // also when it is gone, and what is there was made since
	// Made for that very element, it never moved, though we may have forgotten what was there before.
	stayed := lacking && slices.ContainsFunc(p.live, func(l *llo.Live) bool { return elementOf(l) == to })
	if (runs && !ours && !stayed) || p.order == removing || p.order == none && removed(&p.entity) {
		return r.letGo(ctx, p, p.live, false)
	}
	if lacking {
		return nil
	}
	return r.settleStayed(ctx, p)
}

// removed says whether the component was ordered away and reported as gone, by
// whichever agent it was placed with. What is left of it elsewhere is a remnant of
// a move.
func removed(e *ngsild.Entity) bool {
	return equalFold(e.Enum(attrStatus), statusFinished) && !e.Has(attrElement) && reported(e).Reason == reasonRemoved
}

// main is the live object of the first rendered one, nil when it is not there.
// Where nothing was rendered it is the one of the element that the entity names or,
// without one, that was last reported on.
func (p *pass) main() *llo.Live {
	if len(p.objects.Objects) == 0 {
		to, said := firstLink(&p.entity, attrElement), reported(&p.entity).UID
		for _, is := range []func(*llo.Live) bool{
			func(l *llo.Live) bool { return to != "" && elementOf(l) == to },
			func(l *llo.Live) bool { return string(l.UID) == said },
		} {
			if i := slices.IndexFunc(p.live, is); i >= 0 {
				return p.live[i]
			}
		}
		if len(p.live) > 0 {
			return p.live[0]
		}
		return nil
	}
	for _, l := range p.live {
		if p.isLive(p.objects.Objects[0], l) {
			return l
		}
	}
	return nil
}

// renders says whether l is one of the objects that are wanted now. Where two
// names stand for one cluster, that is so by either name.
func (p *pass) renders(l *llo.Live) bool {
	if l.Cluster != p.cluster {
		i := slices.IndexFunc(p.live, func(same *llo.Live) bool { return same.Cluster == p.cluster && same.UID == l.UID })
		return i >= 0 && p.renders(p.live[i])
	}
	return slices.ContainsFunc(p.objects.Objects, func(o *unstructured.Unstructured) bool { return p.isLive(o, l) })
}

// isLive says whether l is what became of a rendered object.
func (p *pass) isLive(o *unstructured.Unstructured, l *llo.Live) bool {
	return l.Cluster == p.cluster && l.Key == llo.Key{GVK: o.GroupVersionKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
}

func elementOf(l *llo.Live) ngsild.EntityID {
	return ngsild.EntityID(l.Annotations[llo.ElementAnnotation])
}

func entityOf(l *llo.Live) ngsild.EntityID {
	return ngsild.EntityID(l.Annotations[llo.EntityAnnotation])
}
