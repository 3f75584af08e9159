package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// An order that a report of ours has crossed in the broker is known to us alone. While
// the agent runs, its passes carry it out and write it again; when it stops before that,
// it is written again at once, so that whoever acts next is told of it.

// said notes that a status word was written by a pass, and of which order that knew.
func (t *tracker) said(v *view, attrs map[string]any, err error) {
	if attrs[attrStatus] == nil {
		return
	}
	t.update(v.id, func(r *record) {
		r.saidBy = t.now()
		if err != nil { // it may have an effect all the same, and later
			r.saidBy = r.saidBy.Add(arriveTime)
			return
		}
		r.saidOf, r.saidOfAt = v.order, v.orderAt
	})
}

// crossed are the components with an order that is not carried out, over which a word of
// ours may stand that was written without knowing of it; in order.
func (t *tracker) crossed() []ngsild.EntityID {
	var ids []ngsild.EntityID
	t.each(func(id ngsild.EntityID, r *record) {
		answered := r.saidOf == r.order && r.saidOfAt.Equal(r.orderAt)
		before := t.broker.by(r.saidBy).Add(within).Before(r.orderAt)
		if r.order != none && !r.absent && !r.saidBy.IsZero() && !answered && !before {
			ids = append(ids, id)
		}
	})
	slices.Sort(ids)
	return ids
}

// putBackCrossed writes again what was crossed, for handTime at most. No pass is
// under way any more.
func (s *service) putBackCrossed(ctx context.Context) {
	if !s.lead.sure() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handTime)
	defer cancel()
	s.receiver.Drain(ctx)
	for _, id := range s.tracker.crossed() {
		err := s.putBack(ctx, id)
		for errors.Is(err, errSuperseded) && ctx.Err() == nil {
			err = s.putBack(ctx, id)
		}
		if err != nil {
			s.log.Warn("an order that a report has crossed could not be written again", "entity", id, "err", err)
		}
	}
}

// putBack reads an entity and, where a report stands over its order, writes the order.
func (r *reconciler) putBack(ctx context.Context, id ngsild.EntityID) error {
	r.tracker.update(id, func(rec *record) { rec.doubt = true })
	p, err := r.newest(ctx, id)
	if p == nil || err != nil {
		return err
	}
	said, o := p.entity, p.view.order
	switch {
	case o == none, p.absent, !said.Has(attrStatus), orderOf(said.Enum(attrStatus)) != none:
		return nil
	case o == removing && removed(&said), o == starting && endReported(&said) != p.endOf: // it was carried out
		return nil
	}
	if p.placement, err = r.place(ctx, p); err != nil || p.want == elsewhere {
		return err
	}
	attrs := map[string]any{attrStatus: enumAttribute(&said, attrStatus, "ServiceComponentStatus", string(o))}
	err = r.client.Merge(ctx, id, attrs)
	r.metrics.statusWrites.WithLabelValues(outcome(err)).Inc()
	if err != nil {
		return fmt.Errorf("write the order: %w", err)
	}
	r.logOf(p).Info("an order that a report has crossed was written again", "order", o)
	return nil
}
