package broker

// batchItem is one entity of a batch, read.
type batchItem struct {
	arriving
	problem *problem
}

// batchResult collects what a batch answers and notifies.
type batchResult struct {
	made, changed []string // ids
	errors        []byte   // JSON items
	echoes        []*echo
}

func (r *batchResult) fail(id string, p *problem) {
	if r.errors != nil {
		r.errors = append(r.errors, ',')
	}
	r.errors = p.appendItem(r.errors, id)
}

func (r *batchResult) answer(q *request, created int) answer {
	d := q.match(r.echoes)
	switch {
	case r.errors != nil:
		dst := appendValue(append([]byte(nil), `{"success":`...), textList(append(r.made, r.changed...)))
		dst = append(append(append(dst, `,"errors":[`...), r.errors...), "]}"...)
		return answer{status: 207, body: dst, deliver: d}
	case len(r.made) > 0:
		return answer{status: created, body: appendValue(nil, textList(r.made)), deliver: d}
	}
	return done(d)
}

// readBatch reads the entities of a batch; of those that cannot be read only
// the id and the problem are there.
func (q *request) readBatch() ([]batchItem, *problem) {
	if p := expectBody(q.body, list); p != nil {
		return nil, p
	}
	out := make([]batchItem, len(q.body.members))
	for i, m := range q.body.members {
		out[i].problem = q.readItem(m.value, &out[i])
	}
	return out, nil
}

func (q *request) readItem(v value, item *batchItem) *problem {
	item.id = v.textOf("id")
	if v.kind != object || item.id == "" {
		item.id = "No Entity::id"
		return badRequest(titleMissing, "Entity::id")
	}
	if !validURI(item.id) {
		return badRequest("Invalid URI", "Entity::id")
	}
	n, p := q.namesOf(v)
	if p != nil {
		return p
	}
	if typ := v.textOf("type"); typ != "" {
		item.typ = n.expand(typ)
	}
	item.attrs, p = q.reader(n, item.id).attributes(v)
	return p
}

// eachItem reads the batch and, with the tenant locked, does what is to be done
// for each entity in turn.
func (q *request) eachItem(created int, do func(item *batchItem, r *batchResult) *problem) answer {
	items, p := q.readBatch()
	if p != nil {
		return p.answer()
	}
	r := &batchResult{}
	q.tenant.mu.Lock()
	defer q.tenant.mu.Unlock()
	for i := range items {
		item := &items[i]
		if item.problem == nil {
			item.problem = do(item, r)
		}
		if item.problem != nil {
			r.fail(item.id, item.problem)
		}
	}
	return r.answer(q, created)
}

func noType() *problem {
	return badRequest("Invalid Entity", "no type in incoming payload for CREATION of Entity")
}

// batchCreate is POST /entityOperations/create.
func batchCreate(q *request) answer {
	return q.eachItem(201, func(item *batchItem, r *batchResult) *problem {
		switch {
		case q.tenant.at(item.id) != nil:
			return &problem{status: 409, kind: "AlreadyExists", title: "Entity already exists", detail: "Cannot create an existing entity"}
		case item.typ == "":
			return noType()
		}
		q.make(item, r)
		return nil
	})
}

// make stores a new entity of a batch.
func (q *request) make(item *batchItem, r *batchResult) {
	e := item.build(q.tenant, q.now)
	q.tenant.put(e)
	r.made = append(r.made, e.id)
	if q.tenant.watching() {
		r.echoes = append(r.echoes, asCame(e, item.attrs).untimed())
	}
}

// batchUpsert is POST /entityOperations/upsert: it makes, replaces or, with
// options=update, updates.
func batchUpsert(q *request) answer {
	return q.eachItem(201, func(item *batchItem, r *batchResult) *problem {
		old := q.tenant.at(item.id)
		switch {
		case old == nil && item.typ == "":
			return noType()
		case old == nil:
			q.make(item, r)
			return nil
		case item.typ != "" && item.typ != old.typ:
			return badRequest("Invalid Entity", "the Entity Type cannot be altered")
		case q.params.update:
			q.overwrite(old, item, r)
			return nil
		}
		e := item.build(q.tenant, q.now)
		e.typ, e.created = old.typ, old.created
		q.tenant.put(e)
		r.changed = append(r.changed, e.id)
		if q.tenant.watching() {
			r.echoes = append(r.echoes, asCame(e, item.attrs).untimed())
		}
		return nil
	})
}

// batchUpdate is POST /entityOperations/update.
func batchUpdate(q *request) answer {
	return q.eachItem(204, func(item *batchItem, r *batchResult) *problem {
		old := q.tenant.at(item.id)
		switch {
		case old == nil:
			return notFound("Entity not found", "Cannot update a non-existing entity")
		case item.typ != "" && item.typ != old.typ:
			return badRequest("Invalid Entity", "the Entity Type cannot be altered")
		}
		q.overwrite(old, item, r)
		return nil
	})
}

// overwrite puts the attributes of a batch's entity behind the others. Their
// createdAt starts anew: the whole document is written.
func (q *request) overwrite(old *entity, item *batchItem, r *batchResult) {
	e := &entity{id: old.id, typ: old.typ, created: old.created, modified: q.now}
	incoming := item.attrs[:0:0]
	for _, in := range item.attrs {
		if q.params.overwrite || old.find(in.name) < 0 {
			incoming = append(incoming, in)
		}
	}
	fresh := q.tenant.attributes(incoming, q.now)
	e.attrs = make([]attribute, 0, len(old.attrs)+len(fresh))
	for _, a := range old.attrs {
		if (&entity{attrs: fresh}).find(a.name) < 0 {
			e.attrs = append(e.attrs, a)
		}
	}
	c := &echo{entity: e, touched: namesIn(incoming)}
	if q.tenant.watching() {
		c.attrs = whole(e)
		for i, a := range fresh {
			c.attrs = append(c.attrs, shownAs(a, &incoming[i]))
		}
		r.echoes = append(r.echoes, c.untimed())
	}
	e.attrs = append(e.attrs, fresh...)
	q.tenant.put(e)
	r.changed = append(r.changed, e.id)
}

// batchDelete is POST /entityOperations/delete. It notifies nobody.
func batchDelete(q *request) answer {
	if p := expectBody(q.body, list); p != nil {
		return p.answer()
	}
	for _, m := range q.body.members {
		if m.value.kind != text {
			return badRequest("Invalid Payload Body", "Array Item is not a String").answer()
		}
	}
	var gone []string
	r := &batchResult{}
	q.tenant.mu.Lock()
	defer q.tenant.mu.Unlock()
	for _, m := range q.body.members {
		if q.tenant.at(m.value.text) == nil {
			r.fail(m.value.text, notFound("Entity Not Found", "Cannot delete entities that do not exist"))
			continue
		}
		q.tenant.remove(m.value.text)
		gone = append(gone, m.value.text)
	}
	if r.errors == nil {
		return done(nil)
	}
	dst := append(append([]byte(nil), `{"errors":[`...), r.errors...)
	return answer{status: 207, body: append(appendValue(append(dst, `],"success":`...), textList(gone)), '}')}
}
