package broker

import (
	"net/http"
	"slices"
)

// delivery is one notification to be sent: all entities of one request that one
// subscription is about.
type delivery struct {
	tenant *tenant
	sub    *subscription
	spec   *spec // as it was when it matched
	echoes []*echo
	at     instant
	names  *names      // of the request that caused it
	header http.Header // of the same
}

// match finds what to send for the changes of one request, newest subscription
// first. The tenant is locked.
func (q *request) match(echoes []*echo) []delivery {
	var out []delivery
	for _, s := range slices.Backward(q.tenant.subs) {
		var picked []*echo
		for _, e := range echoes {
			if s.spec.wants(e) {
				picked = append(picked, e)
			}
		}
		if picked == nil || !s.due(q.now) {
			continue
		}
		out = append(out, delivery{tenant: q.tenant, sub: s, spec: s.spec, echoes: picked, at: q.now, names: q.names, header: q.http.Header})
	}
	return out
}

// wants reports whether a change is one to notify. A deletion ignores q, and
// never reaches a subscription with watchedAttributes.
func (s *spec) wants(e *echo) bool {
	if !s.picks(e.entity) {
		return false
	}
	if e.deleted != 0 {
		return s.watched == nil
	}
	if s.watched != nil && !slices.ContainsFunc(s.watched, func(w string) bool { return slices.Contains(e.touched, w) }) {
		return false
	}
	return s.q.matches(e.entity)
}

// watching reports whether any subscription may be about the type, so that the
// echo of a change is worth making. The tenant is locked.
func (t *tenant) watching() bool { return len(t.subs) > 0 }
