package broker

// patchAttr is PATCH /entities/{id}/attrs/{attr}: it changes fields of one
// attribute.
func patchAttr(q *request) answer {
	if p := expectBody(q.body, object); p != nil {
		return p.answer()
	}
	r := q.reader(q.names, "")
	r.partial = true
	in, p := r.fields(q.attr, kindOf(q.body), q.body.without("@context"))
	if p != nil {
		return p.answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.at(q.id)
	if old == nil && !q.broker.options.Distributed {
		return notFound("Entity Not Found", q.id).answer()
	}
	if old == nil || old.find(q.attr) < 0 {
		return notFound("Entity/Attribute Not Found", q.id).answer()
	}
	i := old.find(q.attr)
	body := stored(old.attrs[i].body)
	for _, m := range in.members {
		body = body.with(m.name, m.value)
	}
	return done(q.replaceAttr(old, i, body, false))
}

// putAttr is PUT /entities/{id}/attrs/{attr}: it replaces one attribute.
func putAttr(q *request) answer {
	in, p := q.reader(q.names, "").attribute(q.attr, q.body.without("@context"))
	if p != nil {
		return p.answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.at(q.id)
	switch {
	case old == nil && !q.broker.options.Distributed:
		return notFound("Entity Not Found", q.id).answer()
	case old == nil:
		return q.noAttr("Entity Not Found")
	case old.find(q.attr) < 0:
		return q.noAttr("Attribute Not Found")
	}
	return done(q.replaceAttr(old, old.find(q.attr), in, true))
}

func (q *request) noAttr(title string) answer {
	v := value{kind: object, members: []member{{"title", textValue(title)}, {"detail", textValue(q.id)},
		{"attributes", compacted([]string{q.attr}, q.names)}}}
	return q.partly(404, appendValue(nil, v))
}

// replaceAttr stores a new body for the attribute at i.
func (q *request) replaceAttr(old *entity, i int, body value, last bool) []delivery {
	e := old.change(q.now, 0)
	in := []incoming{arrived(q.attr, body)}
	a := q.tenant.attributes(in, q.now)[0]
	a.created = old.attrs[i].created
	e.attrs[i] = a
	q.tenant.put(e)
	s := shownAs(a, &in[0])
	s.previous = old.attrs[i].body
	c := &echo{entity: e, attrs: whole(old), created: old.created, modified: old.modified, touched: []string{q.attr}}
	if last {
		c.attrs = toEnd(c.attrs, s)
	} else {
		c.attrs = inPlace(c.attrs, s)
	}
	return q.match([]*echo{c})
}

// deleteAttr is DELETE /entities/{id}/attrs/{attr}. It notifies nobody.
func deleteAttr(q *request) answer {
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.at(q.id)
	if old == nil || old.find(q.attr) < 0 {
		switch {
		case q.broker.options.Distributed:
			return q.noEntity("Attribute Not Found", q.attr)
		case old == nil:
			return notFound("Entity Not Found", q.id).answer()
		}
		return notFound("Entity/Attribute not found", full(q.attr)).answer()
	}
	e := old.change(q.now, 0)
	i := e.find(q.attr)
	e.attrs = append(e.attrs[:i], e.attrs[i+1:]...)
	t.put(e)
	return done(nil)
}
