package agent

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// tracker remembers the newest known state of every component. It is a cache:
// a resync builds it again. Safe for concurrent use.
type tracker struct {
	now    func() time.Time
	broker brokerClock

	mu       sync.Mutex
	reported map[string]bool // attributes that we write and that never change what is done
	records  map[ngsild.EntityID]*record
}

// record is what is known of one component.
type record struct {
	entity  ngsild.Entity // packed
	known   bool          // entity holds what was notified, listed or read
	told    time.Time     // notifiedAt of the newest notification, or when it was read after it, by the broker's clock
	heard   time.Time     // when anything of it last reached us, or we wrote it, by our clock
	version uint64        // grows with everything heard
	doubt   bool          // the broker must be read before acting
	absent  bool          // a notice or a list says that it is gone: to be proved
	order   order         // seen and not yet carried out
	orderAt time.Time     // when the newest order was notified
	orderBy time.Time     // none from before replaces the order: a little earlier than one was last read, by the broker's clock
	endOf   string        // the uid of the object whose end was reported where the order was seen, if any was
	waiting time.Time     // notifiedAt of the oldest notification not yet acted on
	owed    time.Time     // the same, until the end that it led to is reported

	local     bool          // our own broker tells us of it
	announced time.Time     // when we last wrote an order of others to it
	shadow    ngsild.Entity // what would have been written to it while no broker has it

	wrote       map[string]string // what we last wrote, per attribute, as text
	wroteAt     time.Time
	restored    time.Time // when we last began to write an order again, over a report
	again       order     // that order
	saidBy      time.Time // when the last status word that we wrote had arrived, at the latest, by our clock
	saidOf      order     // the newest order that was known when it was written
	saidOfAt    time.Time // and when that was notified
	heldSince   time.Time // a status is waiting to be written since
	correctable bool      // a foreign report may be corrected once
	ours        string    // the uid of an object of ours that was reported last

	seen      uint64 // fingerprint of the object's state, to tell progress from standing still
	seenAt    time.Time
	quarrels  int       // foreign reports since the last resync
	contested bool      // somebody else keeps changing the report
	cluster   string    // where its objects belong, as last computed
	on        entityID  // the element that it is placed on, as a pass last saw it
	onSince   time.Time // when a pass first saw it there
	anew      bool      // and that it was placed anew: not the first look since our start
	phase     string    // as last computed, for the metric
	settled   uint64    // the version for which the service was last looked at
	passed    time.Time // its passes are paid for until then; see pace
	timer     *time.Timer
}

// order is what serviceComponentStatus can ask for. Everything else is a report.
type order string

const (
	none     order = ""
	starting order = "Starting"
	overload order = "Overload"
	removing order = "Removing"
)

// orderOf reads the order out of a status word; reports give none.
func orderOf(status string) order {
	for _, o := range []order{starting, overload, removing} {
		if equalFold(status, string(o)) {
			return o
		}
	}
	return none
}

// undecided are attributes that never change what is done: our own reports, and figures.
var undecided = map[string]bool{
	attrDeployment: true, "homingDecision": true,
	"currentCpuUsage": true, "currentMemoryUsage": true,
}

func newTracker(now func() time.Time) *tracker {
	return &tracker{now: now, reported: maps.Clone(undecided), records: map[ngsild.EntityID]*record{}}
}

// leaveOut makes attributes that the mappings write back decide nothing.
func (t *tracker) leaveOut(written []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reported = maps.Clone(undecided)
	for _, name := range written {
		t.reported[name] = true
	}
}

// view is a copy of what one pass works from.
type view struct {
	record
	id ngsild.EntityID
}

// get returns a copy of the record, with its entity unpacked.
func (t *tracker) get(id ngsild.EntityID) (view, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.records[id]
	if !ok {
		return view{id: id}, false
	}
	v := view{record: *r, id: id}
	v.entity = unpack(r.entity)
	return v, true
}

// One component gets passBurst passes at once and then one every passInterval: what changes
// all the time must not take the broker's, the cluster's and our own time from the others.
const (
	passBurst    = 10
	passInterval = 200 * time.Millisecond
)

// pace counts one more pass of an entity, or says how long it has to wait because it had
// too many.
func (t *tracker) pace(id ngsild.EntityID) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.records[id]
	if !ok {
		return 0
	}
	now := t.now()
	ahead := r.passed.Sub(now)
	if ahead < 0 || ahead > passBurst*passInterval { // more: the clock was set back
		r.passed, ahead = now, 0
	}
	if wait := ahead - (passBurst-1)*passInterval; wait > 0 {
		return wait
	}
	r.passed = r.passed.Add(passInterval)
	return 0
}

// version says how much was heard of an entity; see record.
func (t *tracker) version(id ngsild.EntityID) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.records[id]; ok {
		return r.version
	}
	return 0
}

func (t *tracker) record(id ngsild.EntityID) *record {
	r, ok := t.records[id]
	if !ok {
		r = &record{}
		t.records[id] = r
	}
	return r
}

// within is how close two notifications may follow each other before the broker is
// asked which is the newer one.
const within = 2 * time.Second

// notified takes in one entity of a notification and says whether there is
// anything to do. Notifications are ordered by at; in doubt the broker is read.
func (t *tracker) notified(e ngsild.Entity, at time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.record(e.ID)
	r.heard = t.now()
	r.version++
	if r.waiting.IsZero() {
		r.waiting = at
	}
	if r.owed.IsZero() {
		r.owed = at
	}
	if e.Deleted {
		if r.known && at.Before(r.told) {
			r.doubt = true // it may have been made anew since
		} else {
			r.absent = true
		}
		r.deleted(at)
		return true
	}
	r.local = true
	// Of two at one moment the later to come stays, but for a removal: which was the
	// last is not known then, and the read that this calls for shows it if it stands.
	// Nor is an order new that was there before and comes back with the echo of a write of ours,
	// or one that we put back and something else is the news of.
	echo := r.known && orderOf(r.entity.Enum(attrStatus)) == r.order && at.Sub(t.broker.by(r.wroteAt)).Abs() < within
	o := t.orderIn(r, &e)
	end := r.endAt(o, &e)
	e = pack(e)
	back := t.putBack(r, o) && (at.Sub(t.broker.by(r.restored)).Abs() < within || r.known && differsBeside(attrStatus, &r.entity, &e))
	switch {
	case o == none, echo && o == r.order, back && r.order != none:
	case back:
		r.order, r.endOf = o, end
	case (at.After(r.orderAt) || at.Equal(r.orderAt) && o != removing) && !at.Before(r.orderBy):
		r.order, r.orderAt, r.endOf = o, at, end
	}
	if malformed(&e, r.wrote) {
		r.absent, r.doubt = false, true
		return true
	}
	differs := t.decisivelyDiffers(&r.entity, &e, r.wrote)
	switch {
	case !r.known: // what comes late may be of an entity that is gone, or was made anew
		r.doubt = at.Before(t.broker.by(r.heard).Add(-within))
	case at.Before(r.told):
		r.doubt = r.doubt || differs
		return r.doubt || r.order != none
	case at.Sub(r.told) < within && differs:
		r.doubt = true
	case !differs && r.order == none && !r.absent && !r.doubt && sameReports(&r.entity, &e):
		r.told = at
		r.waiting, r.owed = time.Time{}, time.Time{}
		return false // a repetition, or the echo of our own write
	}
	if word, ours := r.wrote[attrStatus]; ours && r.known && orderOf(e.Enum(attrStatus)) == none &&
		attributeText(&e, attrStatus) != word && !sameReports(&r.entity, &e) {
		r.quarrels++
	}
	if r.absent { // it was said to be gone and speaks again
		r.absent, r.doubt = false, true
	}
	r.entity, r.known, r.told = e, true, at
	return true
}

// read takes in the answer to a read of one entity, which settles every doubt
// unless something newer was heard since the request was sent.
func (t *tracker) read(e ngsild.Entity, asked time.Time, version uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.record(e.ID)
	if r.version != version {
		return
	}
	t.take(r, e, asked)
}

// elsewhere takes in what was read of an entity that our broker does not hold itself.
func (t *tracker) elsewhere(e ngsild.Entity, asked time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.record(e.ID)
	r.correctable, r.local = true, false
	t.weigh(r, e, asked)
}

// lookAgain has an entity read before anything is done with it, if our broker
// does not tell us of it.
func (t *tracker) lookAgain(id ngsild.EntityID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.record(id); !r.known || !r.local || r.absent {
		r.doubt, r.absent = true, false
	}
}

// listed takes in an entity of a resync's list that was asked for at the
// given time. A resync allows one correction of a foreign report.
func (t *tracker) listed(e ngsild.Entity, asked time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.record(e.ID)
	r.correctable, r.local = true, true
	r.contested = r.quarrels >= lastingQuarrel || (r.contested && r.quarrels > 0)
	r.quarrels = 0
	t.weigh(r, e, asked)
}

// weigh takes in what a list says that was asked for at the given time. It settles nothing
// that was heard since: that may have been long on its way, so where the list says something
// else, either may be the newer, and the broker is read.
func (t *tracker) weigh(r *record, e ngsild.Entity, asked time.Time) {
	if !r.known || r.heard.Before(asked) {
		t.take(r, e, asked)
		return
	}
	if e = pack(e); t.decisivelyDiffers(&r.entity, &e, nil) || !sameReports(&r.entity, &e) {
		r.doubt = true
		r.version++ // a read under way may have been asked for before the list
	}
}

func (t *tracker) take(r *record, e ngsild.Entity, asked time.Time) {
	// What we wrote over a removal of which we had not heard is no order instead of it.
	crossed := r.order == removing && !r.orderAt.Before(r.orderBy) && r.orderAt.Before(t.broker.by(r.restored))
	if o := t.orderIn(r, &e); o != none && !(crossed && o != removing) {
		if !t.putBack(r, o) {
			// The broker dates a change when the request for it comes, and makes it a moment later: one
			// that is dated just before may not be in what was read.
			r.orderBy = t.broker.by(asked).Add(-within)
		}
		r.order, r.endOf = o, r.endAt(o, &e)
	}
	r.entity, r.known, r.doubt, r.absent = pack(e), true, false, false
	r.heard = asked
	if by := t.broker.by(asked); by.After(r.told) {
		r.told = by
	}
	r.version++
}

// endAt is the uid of the object whose end was reported where an order was seen: the first time,
// since what is in its way is reported over that. One that was carried out stays the same while its
// word stands: a move may bring it back to that object.
func (r *record) endAt(o order, e *ngsild.Entity) string {
	end := endReported(e)
	switch {
	case end != "" || o == none:
		return end
	case o == r.order, r.order == none && r.endOf != "" && o == orderOf(r.entity.Enum(attrStatus)):
		return r.endOf
	}
	return ""
}

// putBack says whether an order was written again by us after one was last seen. That the
// broker holds it says then nothing of a removal ordered in between, over which we wrote.
func (t *tracker) putBack(r *record, o order) bool {
	by := t.broker.by(r.restored)
	return o != none && o == r.again && by.After(r.orderAt) && by.After(r.orderBy)
}

// ownOrder is how long the echo of an order that we wrote ourselves, since others
// asked for it, may be on its way. Until then it is no order.
const ownOrder = 30 * time.Second

// orderIn is the order in what was heard of an entity.
func (t *tracker) orderIn(r *record, e *ngsild.Entity) order {
	o := orderOf(e.Enum(attrStatus))
	if o != removing {
		if !r.announced.IsZero() && e.Has(attrStatus) {
			r.announced = time.Time{}
		}
		return o
	}
	if t.now().Sub(r.announced) < ownOrder {
		return none
	}
	return o
}

// unlisted marks every component that a complete list lacked, and that nothing
// was heard of since, as possibly gone. It returns them in order.
func (t *tracker) unlisted(seen map[ngsild.EntityID]bool, asked time.Time) []ngsild.EntityID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []ngsild.EntityID
	for id, r := range t.records {
		if !seen[id] && r.heard.Before(asked) {
			r.absent = true
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// suspect makes a record for an entity of which only an object is known, and
// says whether that is so.
func (t *tracker) suspect(id ngsild.EntityID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.record(id)
	if !r.known {
		r.absent = true
	}
	return r.absent
}

// carriedOut forgets the order that the pass v worked from.
func (t *tracker) carriedOut(v *view) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.records[v.id]; ok && r.order == v.order && r.orderAt.Equal(v.orderAt) {
		r.order = none
	}
}

// update changes a record under the lock; it does nothing for an unknown id.
func (t *tracker) update(id ngsild.EntityID, change func(*record)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.records[id]; ok {
		change(r)
	}
}

func (t *tracker) forget(id ngsild.EntityID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.records[id]; ok && r.timer != nil {
		r.timer.Stop()
	}
	delete(t.records, id)
}

// wake calls f after d, unless a later call for the same entity comes first; 0
// only takes back what an earlier call asked for. So a pass that was asked for
// and is not needed any more does not happen.
func (t *tracker) wake(id ngsild.EntityID, d time.Duration, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.records[id]
	if !ok {
		return
	}
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if d > 0 {
		r.timer = time.AfterFunc(d, f)
	}
}

// ids of all records, as a set.
func (t *tracker) ids() map[ngsild.EntityID]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make(map[ngsild.EntityID]bool, len(t.records))
	for id := range t.records {
		ids[id] = true
	}
	return ids
}

// each calls f for every record, in no order. f must not call the tracker.
func (t *tracker) each(f func(ngsild.EntityID, *record)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, r := range t.records {
		f(id, r)
	}
}

// decisivelyDiffers says whether b asks for another outcome than a. What we
// wrote ourselves and reports of others decide nothing.
func (t *tracker) decisivelyDiffers(a, b *ngsild.Entity, wrote map[string]string) bool {
	for name := range b.Attrs {
		if t.attributeDiffers(a, b, name, wrote) {
			return true
		}
	}
	for name := range a.Attrs {
		if !b.Has(name) && t.attributeDiffers(a, b, name, wrote) {
			return true
		}
	}
	return false
}

func (t *tracker) attributeDiffers(a, b *ngsild.Entity, name string, wrote map[string]string) bool {
	if t.reported[name] {
		return false
	}
	was, is := a.Attrs[name], b.Attrs[name]
	if a.Has(name) == b.Has(name) && sameValue(was.Value, is.Value) {
		return false
	}
	if text, ours := wrote[name]; ours && (attributeText(b, name) == text || attributeText(a, name) == text) {
		return false
	}
	if name == attrStatus {
		return orderOf(b.Enum(attrStatus)) != none
	}
	return true
}

// differsBeside says whether anything but one attribute differs.
func differsBeside(name string, a, b *ngsild.Entity) bool {
	for other := range b.Attrs {
		if other != name && !(a.Has(other) && sameValue(a.Attrs[other].Value, b.Attrs[other].Value)) {
			return true
		}
	}
	for other := range a.Attrs {
		if other != name && !b.Has(other) {
			return true
		}
	}
	return false
}

// sameReports compares what attributeDiffers leaves out.
func sameReports(a, b *ngsild.Entity) bool {
	return sameValue(a.Attrs[attrStatus].Value, b.Attrs[attrStatus].Value) &&
		sameValue(a.Attrs[attrDeployment].Value, b.Attrs[attrDeployment].Value)
}

// attributeText is the text form in which record.wrote keeps a written attribute.
func attributeText(e *ngsild.Entity, name string) string {
	text, _ := e.Text(name)
	return text
}

// malformed says whether an attribute that decides cannot be believed. The
// malformed echo of our own write decides nothing.
func malformed(e *ngsild.Entity, wrote map[string]string) bool {
	for name, a := range e.Attrs {
		if !a.Malformed || undecided[name] {
			continue
		}
		if text, ours := wrote[name]; ours && attributeText(e, name) == text {
			continue
		}
		return true
	}
	return false
}
