package broker

// format is one of the representations of an entity.
type format uint8

const (
	normalizedFormat format = iota
	conciseFormat
	simplifiedFormat
)

// formatOf knows the names that options, format and a subscription take.
func formatOf(name string) (format, bool) {
	switch name {
	case "normalized":
		return normalizedFormat, true
	case "concise":
		return conciseFormat, true
	case "keyValues", "simplified":
		return simplifiedFormat, true
	}
	return 0, false
}

// shape says how entities are written.
type shape struct {
	format   format
	sysAttrs bool
	changes  bool     // showChanges
	lang     string   // of language maps, if any
	only     []string // attributes to write; nil means all
	names    *names
	context  *value // written first as @context
}

// appendStored appends an entity as it is stored.
func (s *shape) appendStored(dst []byte, e *entity) []byte {
	dst = s.appendHead(dst, e)
	if s.sysAttrs {
		dst = appendTimes(dst, e.created, e.modified)
	}
	for i := range e.attrs {
		a := &e.attrs[i]
		dst = s.appendAttribute(dst, shown{name: a.name, body: a.body, created: a.created, modified: a.modified})
	}
	return append(dst, '}')
}

// appendEcho appends an entity as a notification shows it.
func (s *shape) appendEcho(dst []byte, c *echo) []byte {
	dst = s.appendHead(dst, c.entity)
	if c.deleted != 0 && s.only == nil {
		dst = append(c.deleted.append(append(dst, `,"deletedAt":"`...)), '"')
	}
	for _, a := range c.attrs {
		dst = s.appendAttribute(dst, a)
	}
	if s.sysAttrs {
		dst = appendTimes(dst, c.created, c.modified)
	}
	return append(dst, '}')
}

func (s *shape) appendHead(dst []byte, e *entity) []byte {
	dst = append(dst, '{')
	if s.context != nil {
		dst = append(appendValue(append(dst, `"@context":`...), *s.context), ',')
	}
	dst = appendText(append(dst, `"id":`...), e.id)
	return appendText(append(dst, `,"type":`...), s.names.compact(e.typ))
}

func appendTimes(dst []byte, created, modified instant) []byte {
	if created == 0 {
		return dst
	}
	dst = created.append(append(dst, `,"createdAt":"`...))
	dst = modified.append(append(dst, `","modifiedAt":"`...))
	return append(dst, '"')
}

func (s *shape) wants(name string) bool {
	if s.only == nil {
		return true
	}
	for _, o := range s.only {
		if o == name {
			return true
		}
	}
	return false
}

// appendAttribute appends a comma, the name and the attribute, or nothing when
// it is not wanted or has nothing to show.
func (s *shape) appendAttribute(dst []byte, a shown) []byte {
	if !s.wants(a.name) {
		return dst
	}
	if s.format == normalizedFormat && s.names.core() && s.lang == "" {
		dst = appendName(append(dst, ','), a.name)
		return s.appendBody(dst, a)
	}
	v, ok := s.transform(stored(a.body))
	if !ok {
		return dst
	}
	dst = appendName(append(dst, ','), s.names.compact(a.name))
	if s.format == simplifiedFormat || v.kind != object {
		return appendValue(dst, v)
	}
	a.body = string(appendValue(nil, v))
	return s.appendBody(dst, a)
}

// appendBody appends an attribute's body with what belongs at its end.
func (s *shape) appendBody(dst []byte, a shown) []byte {
	if (!s.sysAttrs && !s.changes) || len(a.body) < 3 || a.body[0] != '{' {
		return append(dst, a.body...)
	}
	dst = append(dst, a.body[:len(a.body)-1]...)
	if s.changes && a.previous != "" {
		dst = appendPrevious(dst, a.previous)
	}
	if s.sysAttrs {
		dst = appendTimes(dst, a.created, a.modified)
	}
	return append(dst, '}')
}

// appendPrevious appends what showChanges tells of the attribute as it was.
func appendPrevious(dst []byte, body string) []byte {
	was := stored(body)
	for _, f := range [...]struct{ field, name string }{
		{"value", "previousValue"}, {"object", "previousObject"}, {"languageMap", "previousLanguageMap"},
	} {
		if old, ok := was.get(f.field); ok {
			return appendValue(appendName(append(dst, ','), f.name), old)
		}
	}
	return dst
}

// transform brings a normalized attribute into the shape's format.
func (s *shape) transform(v value) (value, bool) {
	if v.kind == list {
		out := value{kind: list}
		for _, m := range v.members {
			if one, ok := s.transform(m.value); ok {
				out.members = append(out.members, member{value: one})
			}
		}
		return out, true
	}
	if v.kind != object {
		return v, true
	}
	v = s.oneLanguage(v)
	switch s.format {
	case simplifiedFormat:
		return simplify(v)
	case conciseFormat:
		return s.concise(v), true
	}
	return s.inNames(v), true
}

// oneLanguage turns a language map into the text of the wanted language.
func (s *shape) oneLanguage(v value) value {
	languages, ok := v.get("languageMap")
	if s.lang == "" || !ok {
		return v
	}
	lang := s.lang
	if !languages.has(lang) && len(languages.members) > 0 {
		lang = languages.members[0].name
	}
	in, _ := languages.get(lang)
	return normalized("Property", member{"value", in}, member{"lang", textValue(lang)})
}

func simplify(v value) (value, bool) {
	for _, field := range []string{"value", "object"} {
		if m, ok := v.get(field); ok {
			return m, true
		}
	}
	for _, field := range []string{"languageMap", "vocab", "json"} {
		if m, ok := v.get(field); ok {
			return value{kind: object, members: []member{{field, m}}}, true
		}
	}
	return value{}, false
}

// concise drops the type, and of a Property that has nothing else everything
// but the value.
func (s *shape) concise(v value) value {
	kind := v.textOf("type")
	if (kind == "Property" || kind == "GeoProperty") && len(v.members) == 2 && !s.changes && !s.sysAttrs {
		if m, ok := v.get("value"); ok {
			return m
		}
	}
	return s.inNames(v.without("type"))
}

// inNames writes the sub-attributes of an attribute in the context's names and
// the format.
func (s *shape) inNames(v value) value {
	out := value{kind: object, members: make([]member, 0, len(v.members))}
	for _, m := range v.members {
		if m.value.kind == object && fieldOf(m.value.textOf("type")) != "" && m.name != "value" && m.name != "json" {
			m.name = s.names.compact(m.name)
			m.value, _ = s.transform(m.value)
		}
		out.members = append(out.members, m)
	}
	return out
}
