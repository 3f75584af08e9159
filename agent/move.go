package agent

import (
	"context"
	"slices"
	"time"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
)

// move says that an object comes from another element and has not yet been
// seen to run on the new one. It is kept in the object's annotations.
type move struct {
	from string
	at   time.Time
}

// moveOf says what is to be noted on the wanted object: a move that begins
// now, one that is under way, or none.
func (r *reconciler) moveOf(p *pass, main *llo.Live) move {
	to := string(firstLink(&p.entity, attrElement))
	if main == nil {
		if from := p.cameFrom(to); from != "" { // another kind holds the component: new one first
			return move{from: from, at: r.now()}
		}
		return r.moveFromElsewhere(p)
	}
	under := movingFrom(main)
	if now := r.now(); under.at.After(now) {
		under.at = now // noted by a clock that was wrong
	}
	switch on := string(elementOf(main)); {
	case under.from == to:
		return move{} // back where it was
	case on == to || on == "":
		if under.from != "" && r.arrived(p, main) {
			return move{}
		}
		if from := p.cameFrom(to); under.from == "" && from != "" {
			return move{from: from, at: r.now()} // its kind was not listed when this one was made
		}
		return under
	case under.from != "":
		return move{from: under.from, at: r.now()} // moved on before it arrived
	default:
		return move{from: on, at: r.now()}
	}
}

// cameFrom is the element of an object that is not wanted any more, empty if there
// is none or if a move was taken back from it.
func (p *pass) cameFrom(to string) string {
	for _, l := range p.live {
		if from := string(elementOf(l)); !p.renders(l) && from != to && !withdrawn(l, to) {
			return from
		}
	}
	return ""
}

// arrived says whether the end of a move was reported, so that its note can go:
// that very object, made of what is wanted now, runs, and the old one is gone.
func (r *reconciler) arrived(p *pass, main *llo.Live) bool {
	said := reported(&p.entity)
	return r.leftBehind(p, movingFrom(main).from) && said.UID == string(main.UID) && said.InputHash == p.objects.Hash && !p.othersLeft() &&
		works(said.Phase) &&
		orderOf(p.entity.Enum(attrStatus)) == none
}

// othersLeft says whether objects are there that are not wanted any more.
func (p *pass) othersLeft() bool {
	for _, l := range p.live {
		if !p.renders(l) {
			return true
		}
	}
	return false
}

// withdrawn says whether l is the new object of a move that was taken back.
func withdrawn(l *llo.Live, to string) bool { return movingFrom(l).from == to && to != "" }

func movingFrom(l *llo.Live) move {
	at, _ := time.Parse(time.RFC3339, l.Annotations[llo.MovedAt]) // unreadable: long ago
	return move{from: l.Annotations[llo.MovedFrom], at: at}
}

// settle ends what the pass found complete: the old objects of a move go when
// the new one does its work, or at once when the move was taken back.
func (r *reconciler) settle(ctx context.Context, p *pass) error {
	if p.want == unplaced || p.want == ended {
		return r.settleStayed(ctx, p)
	}
	if p.want != wanted || p.problem != nil || p.paused || p.lost != nil {
		return nil
	}
	to := string(firstLink(&p.entity, attrElement))
	var old []*llo.Live
	for _, l := range p.live {
		if !p.renders(l) && (p.runs || withdrawn(l, to)) {
			old = append(old, l)
		}
	}
	if err := p.bear(r.letGo(ctx, p, old, false)); err != nil {
		return err
	}
	if err := r.settleElsewhere(ctx, p); err != nil {
		return err
	}
	if main := p.main(); main != nil && movingFrom(main).from != "" && p.runs && len(old) == 0 && r.arrived(p, main) {
		p.wake(0) // the next pass takes the note of the move away
	}
	return nil
}

// settleStayed ends what a move left of a component that is not to be on any of its
// elements here: it has no placement any more, or has ended, or went on to another
// domain. Nothing but the objects tells the sides of the move apart. The side that
// does its work stays. If none does in time, the newest one is taken back.
func (r *reconciler) settleStayed(ctx context.Context, p *pass) error {
	main := p.main()
	unseen := func(l *llo.Live) bool { return r.clusters.lost(l.Cluster, 0) != nil }
	if main == nil || p.problem != nil || p.paused || p.lost != nil || len(beside(p.live, main)) == 0 || slices.ContainsFunc(p.live, unseen) {
		return nil
	}
	late, since := latest(p.live, r.now())
	if since.After(r.now()) { // the clock was set back: steady from the first look on
		since = r.standsSince(p, main, p.rules.Observe(main.Object()))
	}
	for _, l := range []*llo.Live{main, late} {
		if sideWorks(p.live, l, p.rules) {
			return p.bear(r.letGo(ctx, p, beside(p.live, l), false))
		}
	}
	if wait := since.Add(r.cfg.MoveTimeout).Sub(r.now()); wait > 0 {
		p.wake(wait)
		return nil
	}
	same := slices.DeleteFunc(slices.Clone(p.live), func(l *llo.Live) bool { return elementOf(l) != elementOf(late) })
	return p.bear(r.letGo(ctx, p, same, false))
}

// beside are the objects of another element than l's.
func beside(live []*llo.Live, l *llo.Live) []*llo.Live {
	return slices.DeleteFunc(slices.Clone(live), func(o *llo.Live) bool { return elementOf(o) == elementOf(l) || elementOf(o) == "" })
}

// latest is the object that came last to the element that it is on, and when it came:
// one that notes a move, before any that was there from its beginning.
func latest(live []*llo.Live, now time.Time) (late *llo.Live, since time.Time) {
	moved := false
	for _, l := range live {
		m := movingFrom(l)
		if m.from == "" || m.at.After(now) { // noted by a clock that was wrong
			m.at = l.Created
		}
		if elementOf(l) == "" || moved && m.from == "" {
			continue
		}
		if late == nil || !moved && m.from != "" || m.at.After(since) {
			late, since, moved = l, m.at, m.from != ""
		}
	}
	return late, since
}

// sideWorks says whether all objects that are on l's element do their work.
func sideWorks(live []*llo.Live, l *llo.Live, rules *rules) bool {
	return !slices.ContainsFunc(live, func(o *llo.Live) bool {
		return elementOf(o) == elementOf(l) && !works(rules.Set.Observe(o.Object()).Phase)
	})
}

// works says whether an object in that phase does its work, or has done it.
func works(phase mapping.Phase) bool { return phase == mapping.Running || phase == mapping.Succeeded }

// notePlaced remembers when a component was placed anew.
func (r *reconciler) notePlaced(p *pass) {
	to := firstLink(&p.entity, attrElement)
	if to == p.on {
		return
	}
	p.anew = p.anew || p.on != ""
	p.on, p.onSince = to, r.now()
	r.tracker.update(p.id, func(rec *record) { rec.on, rec.onSince, rec.anew = p.on, p.onSince, p.anew })
}

// moveOverdue says whether the move that main is on has to be taken back now,
// and otherwise when to look again. One that is ordered again, while its object
// could not be let go after it was taken back, has its time from then on.
func (r *reconciler) moveOverdue(p *pass, main *llo.Live) (back string, wait time.Duration) {
	m := movingFrom(main)
	if m.from == "" || m.from == string(firstLink(&p.entity, attrElement)) || p.runs {
		return "", 0
	}
	takes := r.now().Sub(m.at)
	if placed := r.now().Sub(p.onSince); p.anew && placed >= 0 { // by the steady clock; the note is a time of day
		takes = min(takes, placed)
	}
	if wait = r.cfg.MoveTimeout - takes; wait > 0 {
		return "", wait
	}
	return m.from, 0
}
