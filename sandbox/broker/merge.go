package broker

// mergeEntity is PATCH /entities/{id}: merge-patch. It merges inside JSON
// values, at every depth, and notifies only what has another value.
func mergeEntity(q *request) answer {
	if p := expectBody(q.body, object); p != nil {
		return p.answer()
	}
	r := q.reader(q.names, "")
	r.partial, r.nulls = true, true
	in, p := r.attributes(q.body)
	if p != nil {
		return p.answer()
	}
	t := q.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.at(q.id)
	switch {
	case old == nil && q.broker.options.Distributed:
		return done(nil) // another broker might have it
	case old == nil:
		return notFound("Entity does not exist", q.id).answer()
	}
	m := merging{q: q, old: old, entity: old.change(q.now, len(in))}
	m.echo = (&echo{entity: m.entity, attrs: whole(old)}).untimed()
	for _, a := range in {
		if p := m.attribute(a); p != nil {
			return p.answer()
		}
	}
	if m.stored {
		t.put(m.entity)
	}
	if m.echo.touched == nil {
		return done(nil)
	}
	return done(q.match([]*echo{m.echo}))
}

// merging is a merge-patch of one entity under way.
type merging struct {
	q      *request
	old    *entity
	entity *entity
	echo   *echo
	stored bool // something is different, be it only a time
}

func (m *merging) attribute(in incoming) *problem {
	i := m.entity.find(in.name)
	switch {
	case removal(in.body):
		m.remove(i, in.name)
		return nil
	case i < 0:
		return m.add(in)
	}
	m.change(i, in)
	return nil
}

// removal reports whether an attribute is urn:ngsi-ld:null.
func removal(body value) bool {
	for _, field := range []string{"value", "object", "languageMap"} {
		if body.textOf(field) == nullURI {
			return true
		}
	}
	return false
}

func (m *merging) remove(i int, name string) {
	if i < 0 {
		return
	}
	m.entity.attrs = append(m.entity.attrs[:i], m.entity.attrs[i+1:]...)
	for j, s := range m.echo.attrs {
		if s.name == name {
			m.echo.attrs = append(m.echo.attrs[:j], m.echo.attrs[j+1:]...)
			break
		}
	}
	m.touch(name)
}

func (m *merging) touch(name string) {
	m.stored = true
	m.echo.touched = append(m.echo.touched, name)
}

func (m *merging) add(in incoming) *problem {
	kind := kindOf(in.body)
	if field := fieldOf(kind); in.body.kind == object && (field == "" || !in.body.has(field)) {
		return badRequest("Missing /value/ field for Property at creation time", full(in.name))
	}
	in = arrived(in.name, cleared(in.body))
	a := m.q.tenant.attributes([]incoming{in}, m.q.now)[0]
	m.entity.attrs = append(m.entity.attrs, a)
	m.echo.attrs = append(m.echo.attrs, shown{name: a.name, body: string(appendValue(nil, addedEcho(in.body, m.q.now)))})
	m.touch(a.name)
	return nil
}

func (m *merging) change(i int, in incoming) {
	was := stored(m.entity.attrs[i].body)
	now, field := in.body, fieldOf(kindOf(in.body))
	if was.kind == object && now.kind == object && (!now.has("type") || now.textOf("type") == was.textOf("type")) {
		now = mergeAttribute(was, in.body)
	}
	a := m.q.tenant.attributes([]incoming{arrived(in.name, now)}, m.q.now)[0]
	if equal(stored(a.body), was) {
		return
	}
	m.stored = true
	a.created = m.entity.attrs[i].created
	s := shown{name: a.name, previous: m.entity.attrs[i].body, body: a.body}
	m.entity.attrs[i] = a
	if was.kind == object && in.body.kind == object {
		s.body = string(appendValue(nil, changedEcho(was, in.body, m.q.now)))
	}
	before, _ := was.get(field)
	after, _ := stored(a.body).get(field)
	switch {
	case field == "" || !in.body.has(field): // only what is beside the value
		m.echo.attrs = toEnd(m.echo.attrs, s)
		m.touch(a.name)
	case equal(before, after):
		s.previous = ""
		m.echo.attrs = inPlace(m.echo.attrs, s)
	default:
		m.echo.attrs = inPlace(m.echo.attrs, s)
		m.touch(a.name)
	}
}

// mergeAttribute is an attribute with a fragment of it merged in.
func mergeAttribute(was, in value) value {
	for _, m := range in.members {
		old, there := was.get(m.name)
		switch {
		case m.value.kind == text && m.value.text == nullURI:
			was = was.without(m.name)
		case there && old.kind == object && m.value.kind == object && fieldOf(old.textOf("type")) != "" && m.name != "value":
			was = was.with(m.name, mergeAttribute(old, m.value))
		case there && old.kind == object && m.value.kind == object:
			was = was.with(m.name, mergeValue(old, m.value))
		default:
			was = was.with(m.name, cleared(m.value))
		}
	}
	return was
}

// mergeValue is a JSON object with another merged in, key by key and at every
// depth; lists and texts are replaced whole.
func mergeValue(was, in value) value {
	for _, m := range in.members {
		old, there := was.get(m.name)
		switch {
		case nothing(m.value):
			was = was.without(m.name)
		case there && old.kind == object && m.value.kind == object:
			was = was.with(m.name, mergeValue(old, m.value))
		default:
			was = was.with(m.name, cleared(m.value))
		}
	}
	return was
}

func nothing(v value) bool { return v.kind == null || v.kind == text && v.text == nullURI }

// cleared is a new object without the keys that ask for removal.
func cleared(v value) value {
	if v.kind != object {
		return v
	}
	for _, m := range v.members {
		switch {
		case m.value.kind == text && m.value.text == nullURI:
			v = v.without(m.name)
		case m.value.kind == object:
			if c := cleared(m.value); !same(c, m.value) {
				v = v.with(m.name, c)
			}
		}
	}
	return v
}
