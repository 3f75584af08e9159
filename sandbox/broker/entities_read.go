package broker

import (
	"cmp"
	"slices"
	"strconv"
)

// getEntity is GET /entities/{id}.
func getEntity(q *request) answer {
	q.tenant.mu.RLock()
	e := q.tenant.at(q.id)
	q.tenant.mu.RUnlock()
	if e == nil || !q.ofType(e) {
		return notFound("Entity Not Found", q.id).answer()
	}
	s := q.shape()
	if !s.asked(e) {
		return notFound("Combination Entity/Attributes Not Found", q.id).answer()
	}
	if q.accept == "application/geo+json" {
		return q.found(s.appendFeature(nil, e, whole(e)))
	}
	return q.found(s.appendStored(make([]byte, 0, 1024), e))
}

func (q *request) ofType(e *entity) bool {
	return q.params.types == nil || slices.ContainsFunc(q.params.types, func(t string) bool { return q.names.expand(t) == e.typ })
}

// listEntities is GET /entities.
func listEntities(q *request) answer {
	p := &q.params
	if p.ids == nil && p.types == nil && p.idPattern == nil && p.attrs == nil && p.q == "" && !p.local {
		return badRequest("Too broad query", "Need at least one of: entity-id, entity-type, geo-location, attribute-list, Q-filter, local=true, or an entity map").answer()
	}
	var f *filter
	if p.q != "" {
		var problem *problem
		if f, problem = parseQ(p.q, q.names); problem != nil {
			return problem.answer()
		}
	}
	return q.page(q.selection(f), p.count && (p.local || !q.broker.options.Distributed))
}

// selection is the condition on entities that the URL parameters state.
func (q *request) selection(f *filter) func(*entity) bool {
	p := &q.params
	s := q.shape()
	types := make([]string, len(p.types))
	for i, t := range p.types {
		types[i] = q.names.expand(t)
	}
	return func(e *entity) bool {
		return (len(types) == 0 || slices.Contains(types, e.typ)) &&
			(p.ids == nil || slices.Contains(p.ids, e.id)) &&
			(p.idPattern == nil || p.idPattern.MatchString(e.id)) &&
			s.asked(e) && f.matches(e)
	}
}

// page answers with one page of the entities that fulfil the condition, in the
// order of their creation.
func (q *request) page(fits func(*entity) bool, counted bool) answer {
	found, total := q.tenant.list(fits, q.params.ids, q.params.offset, q.params.limit, counted)
	s := q.shape()
	dst := make([]byte, 0, 2+1024*len(found))
	if q.accept == "application/geo+json" {
		dst = append(dst, `{"type":"FeatureCollection","features":`...)
	}
	dst = append(dst, '[')
	for i, e := range found {
		if i > 0 {
			dst = append(dst, ',')
		}
		if q.accept == "application/geo+json" {
			dst = s.appendFeature(dst, e, whole(e))
			continue
		}
		dst = s.appendStored(dst, e)
	}
	dst = append(dst, ']')
	if q.accept == "application/geo+json" {
		dst = append(dst, '}')
	}
	a := q.found(dst)
	if counted {
		a = a.with("NGSILD-Results-Count", strconv.Itoa(total))
	}
	return a
}

// list is one page of the entities that fit, with nil ids of all; the total is
// counted only when it is asked for.
func (t *tenant) list(fits func(*entity) bool, ids []string, offset, limit int, counted bool) ([]*entity, int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var found []*entity
	total := 0
	among := t.order
	if ids != nil {
		among = t.among(ids)
	}
	for _, s := range among {
		if s.entity == nil || !fits(s.entity) {
			continue
		}
		if total >= offset && len(found) < limit {
			found = append(found, s.entity)
		}
		if total++; !counted && len(found) == limit {
			break
		}
	}
	return found, total
}

// among are the places of the entities with these ids, in the order of creation.
func (t *tenant) among(ids []string) []*slot {
	var among []*slot
	for _, id := range ids {
		if s := t.entities[id]; s != nil {
			among = append(among, s)
		}
	}
	slices.SortFunc(among, func(a, b *slot) int { return cmp.Compare(a.born, b.born) })
	return slices.Compact(among)
}

// postQuery is POST /entityOperations/query.
func postQuery(q *request) answer {
	if p := expectBody(q.body, object); p != nil {
		return p.answer()
	}
	var f *filter
	typed, byID := false, false
	for _, m := range q.body.members {
		switch m.name {
		case "type", "@type":
			typed = m.value.text == "Query"
		case "entities":
			for _, o := range m.value.members {
				q.params.types = append(q.params.types, o.value.textOf("type"))
				byID = byID || o.value.has("id")
			}
		case "attrs":
			for _, o := range m.value.members {
				q.params.attrs = append(q.params.attrs, o.value.text)
			}
		case "q":
			var p *problem
			if f, p = parseQ(m.value.text, q.names); p != nil {
				return p.answer()
			}
		case "@context", "geoQ", "temporalQ", "lang":
		default:
			return badRequest("Unknown field", m.name).answer()
		}
	}
	if !typed {
		return badRequest(titleMissing, "type").answer()
	}
	fits := q.selection(f)
	if byID {
		fits = func(*entity) bool { return false } // seen: it finds nothing by id
	}
	return q.page(fits, q.params.count)
}

func expectBody(v value, k kind) *problem {
	switch {
	case v.kind == k:
		return nil
	case k == list:
		return badRequest("Not a JSON Array", "payload body must be a JSON Array")
	}
	return badRequest("Not a JSON Object", "payload body must be a JSON Object")
}
