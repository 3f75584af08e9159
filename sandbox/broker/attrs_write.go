package broker

import "slices"

// Answers to writes of attributes that are not there differ between a
// distributed broker, which might know them elsewhere, and a plain one.

// noEntity answers a write of the attributes of an entity that is not there.
func (q *request) noEntity(title string, attrs ...string) answer {
	if !q.broker.options.Distributed {
		return notFound("Entity does not exist", q.id).answer()
	}
	v := value{kind: object, members: []member{{"title", textValue(title)}, {"attributes", compacted(attrs, q.names)}}}
	return q.partly(404, appendValue(nil, v))
}

func namesIn(in []incoming) []string {
	out := make([]string, len(in))
	for i := range in {
		out[i] = in[i].name
	}
	return out
}

// patchAttrs is PATCH /entities/{id}/attrs: it replaces attributes that are
// there, and notifies even when nothing is different.
func patchAttrs(q *request) answer {
	in, p := q.reader(q.names, "").attributes(q.body)
	if p != nil {
		return p.answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.at(q.id)
	if old == nil {
		return q.noEntity("Attribute Not Found", namesIn(in)...)
	}
	fits := func(a incoming) bool { return old.find(a.name) >= 0 }
	missing := namesIn(slices.DeleteFunc(slices.Clone(in), fits))
	in = slices.DeleteFunc(in, func(a incoming) bool { return !fits(a) })
	if len(in) == 0 {
		v := value{kind: object, members: []member{{"title", textValue("Attribute Not Found")}, {"attributes", compacted(missing, q.names)}}}
		return q.partly(404, appendValue(nil, v))
	}
	e := old.change(q.now, 0)
	c := &echo{entity: e, attrs: whole(old), created: old.created, modified: old.modified, touched: namesIn(in)}
	for i, a := range t.attributes(in, q.now) {
		j := old.find(a.name)
		was := old.attrs[j]
		a.created = was.created
		e.attrs[j] = a
		s := shownAs(a, &in[i])
		s.modified, s.previous = was.modified, was.body // as old as that, seen
		c.attrs = toEnd(c.attrs, s)
	}
	t.put(e)
	a := done(q.match([]*echo{c}))
	if len(missing) == 0 {
		return a
	}
	dst := append([]byte(nil), `{"notUpdated":[{"statusCode":404,"title":"Attribute Not Found","attributes":`...)
	dst = appendValue(dst, compacted(missing, q.names))
	dst = append(appendValue(append(dst, `}],"updated":`...), compacted(namesIn(in), q.names)), '}')
	out := q.partly(207, dst)
	out.deliver = a.deliver
	return out
}

// postAttrs is POST /entities/{id}/attrs: it adds attributes and, unless
// options=noOverwrite, replaces those that are there.
func postAttrs(q *request) answer {
	in, p := q.reader(q.names, "").attributes(q.body)
	if p != nil {
		return p.answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.at(q.id)
	if old == nil {
		if q.broker.options.Distributed {
			return answer{loseConn: true}
		}
		return notFound("Entity does not exist", q.id).answer()
	}
	var refused []string
	if !q.params.overwrite {
		taken := func(a incoming) bool { return old.find(a.name) >= 0 }
		refused = namesIn(slices.DeleteFunc(slices.Clone(in), func(a incoming) bool { return !taken(a) }))
		in = slices.DeleteFunc(in, taken)
	}
	var d []delivery
	if len(in) > 0 {
		d = q.addAttrs(old, in)
	}
	if len(refused) == 0 {
		return done(d)
	}
	dst := appendValue(append([]byte(nil), `{"updated":`...), compacted(namesIn(in), q.names))
	dst = append(dst, `,"notUpdated":[{"statusCode":400,"title":"attribute already exists","detail":"overwrite is not allowed","attributes":`...)
	dst = append(appendValue(dst, compacted(refused, q.names)), "}]}"...)
	a := q.partly(207, dst)
	a.deliver = d
	return a
}

// addAttrs stores attributes, new ones or in the place of those that are there.
// In the notification they all come last.
func (q *request) addAttrs(old *entity, in []incoming) []delivery {
	t := q.tenant
	e := old.change(q.now, len(in))
	c := &echo{entity: e, attrs: whole(old), created: old.created, modified: old.modified, touched: namesIn(in)}
	for i, a := range t.attributes(in, q.now) {
		s := shownAs(a, &in[i])
		if j := old.find(a.name); j >= 0 {
			a.created = old.attrs[j].created
			s.created, s.previous = a.created, old.attrs[j].body
			e.attrs[j] = a
		} else {
			e.attrs = append(e.attrs, a)
		}
		c.attrs = toEnd(c.attrs, s)
	}
	t.put(e)
	return q.match([]*echo{c})
}
