package agent

import (
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// What was ordered of an entity ends with it: one that is made anew under its id orders
// what it says itself. That it was deleted is told, or proved; a list that lacks it or a
// read that does not find it shows nothing as yet.

// deleted takes in that an entity was deleted then, which has its place among the orders:
// what was ordered later is of the life that began after it.
func (r *record) deleted(at time.Time) {
	if at.After(r.orderAt) && !at.Before(r.orderBy) {
		r.orderAt = at
		r.endLife()
	}
}

// gone takes in that an entity was proved to be in the broker no more, unless something
// newer was heard since the request was sent, and says whether that is so.
func (t *tracker) gone(id ngsild.EntityID, asked time.Time, version uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.records[id]
	if !ok || r.version != version {
		return false
	}
	if by := t.broker.by(asked).Add(-within); by.After(r.orderBy) {
		r.orderBy = by
	}
	r.endLife()
	return true
}

// endLife forgets what was ordered of an entity, and what we wrote to it.
func (r *record) endLife() {
	r.order, r.endOf, r.again, r.restored = none, "", none, time.Time{}
	r.announced, r.wrote = time.Time{}, nil
}
