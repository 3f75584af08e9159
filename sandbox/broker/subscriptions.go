package broker

import (
	"slices"
	"strconv"
)

// subscription is the subscription of the id, nil if there is none. The tenant
// is locked.
func (t *tenant) subscription(id string) *subscription {
	for _, s := range t.subs {
		if s.id == id {
			return s
		}
	}
	return nil
}

// postSubscription is POST /subscriptions. Nothing is sent for what is there
// already.
func postSubscription(q *request) answer {
	if p := expectBody(q.body, object); p != nil {
		return p.answer()
	}
	r := &reading{now: q.now, spec: &spec{names: q.names, format: "normalized", accept: "application/json", created: q.now, modified: q.now}}
	if p := r.whole(q.body); p != nil {
		return q.refused(r, p)
	}
	s := &subscription{id: r.id, spec: r.spec}
	s.activate(r.active == nil || *r.active)
	if s.id == "" {
		s.id = "urn:ngsi-ld:subscription:" + uuid()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subscription(s.id) != nil {
		p := &problem{status: 409, kind: "AlreadyExists", title: "Subscription already exists", detail: s.id}
		return p.answer()
	}
	t.subs = append(t.subs, s)
	t.version++
	return created("/ngsi-ld/v1/subscriptions/"+s.id, nil)
}

// refused is the answer to a body with a fault in it.
func (q *request) refused(r *reading, p *problem) answer {
	if r.fatal {
		return answer{loseConn: true}
	}
	return p.answer()
}

// whole reads a new subscription and checks what it must have.
func (r *reading) whole(body value) *problem {
	if p := r.read(body); p != nil {
		return p
	}
	if body.has("id") {
		if p := checkURI(r.id, "id"); p != nil {
			return p
		}
	}
	switch {
	case body.textOf("type") != "Subscription":
		return badRequest(titleMissing, "Subscription::type")
	case r.spec.entities == nil && r.spec.watched == nil:
		return badRequest(titleMissing, "At least one of 'entities' and 'watchedAttributes' must be present")
	case r.spec.uri == "":
		return badRequest(titleMissing, "Subscription::notification::endpoint::uri")
	}
	return r.consistent()
}

func (r *reading) consistent() *problem {
	if r.spec.interval.kind == number && r.spec.watched != nil {
		return badRequest("Inconsistent subscription", "Both 'timeInterval' and 'watchedAttributes' are present")
	}
	return nil
}

// patchSubscription is PATCH /subscriptions/{id}: fields merge, the status is
// ignored, and nothing revives a subscription but isActive.
func patchSubscription(q *request) answer {
	if p := expectBody(q.body, object); p != nil {
		return p.answer()
	}
	if q.body.has("id") && q.body.textOf("id") != q.id {
		return badRequest("The Subscription ID cannot be modified", "id").answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.subscription(q.id)
	if s == nil {
		return notFound("Subscription not found", q.id).answer()
	}
	changed := *s.spec
	changed.modified = q.now
	if !q.names.core() {
		changed.names = q.names
	}
	r := &reading{now: q.now, spec: &changed}
	p := r.read(q.body)
	if p == nil {
		p = r.consistent()
	}
	if p != nil {
		return q.refused(r, p)
	}
	s.spec = &changed
	if r.active != nil {
		s.activate(*r.active)
	}
	t.version++
	return done(nil)
}

// deleteSubscription is DELETE /subscriptions/{id}.
func deleteSubscription(q *request) answer {
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.subscription(q.id)
	if s == nil {
		return notFound("Subscription not found", q.id).answer()
	}
	s.deleted = true
	t.subs = slices.DeleteFunc(slices.Clone(t.subs), func(o *subscription) bool { return o == s })
	t.version++
	return done(nil)
}

// getSubscription is GET /subscriptions/{id}.
func getSubscription(q *request) answer {
	t := q.tenant
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.subscription(q.id)
	if s == nil {
		return notFound("subscription not found", q.id).answer()
	}
	return q.found(q.appendSub(nil, s))
}

// listSubscriptions is GET /subscriptions, in the order of creation.
func listSubscriptions(q *request) answer {
	t := q.tenant
	t.mu.RLock()
	defer t.mu.RUnlock()
	from := min(q.params.offset, len(t.subs))
	to := min(from+q.params.limit, len(t.subs))
	dst := []byte{'['}
	for i, s := range t.subs[from:to] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = q.appendSub(dst, s)
	}
	a := q.found(append(dst, ']'))
	if q.params.count {
		a = a.with("NGSILD-Results-Count", strconv.Itoa(len(t.subs)))
	}
	return a
}

// appendSub appends a subscription; in ld+json its context comes last.
func (q *request) appendSub(dst []byte, s *subscription) []byte {
	dst = appendSubscription(dst, s, q.names, q.now, q.params.sysAttrs)
	if q.accept != "application/ld+json" {
		return dst
	}
	dst = appendText(append(dst[:len(dst)-1], `,"@context":`...), q.names.url())
	return append(dst, '}')
}
