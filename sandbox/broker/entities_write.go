package broker

import "strings"

// reader is how the attributes of the request's body are read.
func (q *request) reader(n *names, entity string) reader {
	return reader{names: n, reduce: q.broker.options.ArrayReduction, entity: entity}
}

// arriving is an entity out of a request.
type arriving struct {
	id, typ string
	attrs   []incoming
}

// build makes the entity that is stored. The texts of all its attributes are
// one piece of memory, apart from the request's.
func (in *arriving) build(t *tenant, now instant) *entity {
	e := &entity{id: strings.Clone(in.id), typ: t.word(in.typ), created: now, modified: now}
	e.attrs = t.attributes(in.attrs, now)
	return e
}

// attributes makes stored attributes of incoming ones.
func (t *tenant) attributes(in []incoming, now instant) []attribute {
	var room [2048]byte
	buffer := room[:0]
	ends := make([]int, len(in))
	for i := range in {
		buffer = appendValue(buffer, in[i].kept)
		ends[i] = len(buffer)
	}
	all, start := string(buffer), 0
	out := make([]attribute, len(in))
	for i, end := range ends {
		out[i] = attribute{name: t.word(in[i].name), body: all[start:end], created: now, modified: now}
		start = end
	}
	return out
}

// shownAs is an attribute as it came: not cut, observedAt as written.
func shownAs(a attribute, in *incoming) shown {
	s := shown{name: a.name, body: a.body, created: a.created, modified: a.modified}
	if !same(in.kept, in.body) {
		s.body = string(appendValue(nil, in.body))
	}
	return s
}

// asCame is the echo of an entity that was made or replaced: as it came.
func asCame(e *entity, in []incoming) *echo {
	c := &echo{entity: e, created: e.created, modified: e.modified, attrs: make([]shown, len(in)), touched: make([]string, len(in))}
	for i, a := range e.attrs {
		c.attrs[i] = shownAs(a, &in[i])
		c.touched[i] = a.name
	}
	return c
}

// postEntity is POST /entities.
func postEntity(q *request) answer {
	in, p := q.readEntity()
	if p != nil {
		return p.answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at(in.id) != nil {
		p := &problem{status: 409, kind: "AlreadyExists", title: "Entity already exists", detail: in.id}
		return p.answer()
	}
	e := in.build(t, q.now)
	t.put(e)
	return created("/ngsi-ld/v1/entities/"+e.id, q.match([]*echo{asCame(e, in.attrs)}))
}

// readEntity reads the body as a whole entity.
func (q *request) readEntity() (*arriving, *problem) {
	if p := expectBody(q.body, object); p != nil {
		return nil, p
	}
	in := &arriving{id: q.body.textOf("id"), typ: q.body.textOf("type")}
	if in.id == "" {
		return nil, badRequest("Entity id is missing", "The 'id' field is mandatory")
	}
	if p := checkURI(in.id, "id"); p != nil {
		return nil, p
	}
	if in.typ == "" {
		return nil, badRequest("Entity type is missing", "The 'type' field is mandatory")
	}
	in.typ = q.names.expand(in.typ)
	var p *problem
	in.attrs, p = q.reader(q.names, in.id).attributes(q.body)
	return in, p
}

// putEntity is PUT /entities/{id}: everything is replaced.
func putEntity(q *request) answer {
	if p := expectBody(q.body, object); p != nil {
		return p.answer()
	}
	attrs, p := q.reader(q.names, q.id).attributes(q.body)
	if p != nil {
		return p.answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.at(q.id)
	if old == nil {
		return notFound("Entity does not exist", q.id).answer()
	}
	if typ := q.body.textOf("type"); typ != "" && q.names.expand(typ) != old.typ {
		return badRequest("Entity Type cannot be altered", typ).answer()
	}
	e := &entity{id: old.id, typ: old.typ, created: old.created, modified: q.now, attrs: t.attributes(attrs, q.now)}
	t.put(e)
	c := asCame(e, attrs)
	for i := range c.attrs {
		if j := old.find(c.attrs[i].name); j >= 0 {
			c.attrs[i].previous = old.attrs[j].body
		}
	}
	return done(q.match([]*echo{c}))
}

// deleteEntity is DELETE /entities/{id}.
func deleteEntity(q *request) answer {
	if !validURI(q.id) {
		return badRequest("Invalid Entity ID", "Must be a valid URI").answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.at(q.id)
	if e == nil {
		return notFound("Entity not found", q.id).answer()
	}
	t.remove(q.id)
	return done(q.match([]*echo{{entity: e, deleted: q.now}}))
}

// purgeEntities is DELETE /entities with a type.
func purgeEntities(q *request) answer {
	if q.params.types == nil {
		return badRequest("Too broad query", "Need at least one of: entity-id, entity-type").answer()
	}
	fits := q.selection(nil)
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	var echoes []*echo
	for _, s := range t.order {
		if s.entity != nil && fits(s.entity) {
			echoes = append(echoes, &echo{entity: s.entity, deleted: q.now})
		}
	}
	for _, c := range echoes {
		t.remove(c.entity.id)
	}
	return done(q.match(echoes))
}
