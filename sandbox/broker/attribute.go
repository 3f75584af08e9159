package broker

import (
	"slices"
	"strings"
)

// incoming is an attribute out of a request: its body is normalized but
// otherwise as it came, which is what the notification of a creation shows.
type incoming struct {
	name string
	body value
	kept value // as it is stored
}

func arrived(name string, body value) incoming { return incoming{name, body, kept(body)} }

// reader reads attributes in any form: simplified, concise or normalized.
type reader struct {
	names   *names
	reduce  bool   // a list of one becomes its item
	partial bool   // the value may be missing
	nulls   bool   // urn:ngsi-ld:null means: remove (merge-patch only)
	entity  string // named in a problem
}

// attributes reads the attributes of an entity or a fragment of one. Of a name
// that is there twice the last counts.
func (r reader) attributes(body value) ([]incoming, *problem) {
	out := make([]incoming, 0, len(body.members))
	for _, m := range body.members {
		switch m.name {
		case "id", "@id", "type", "@type", "@context", "createdAt", "modifiedAt":
			continue
		}
		name := r.names.expand(m.name)
		v, p := r.attribute(name, m.value)
		if p != nil {
			return nil, p
		}
		if i := slices.IndexFunc(out, func(a incoming) bool { return a.name == name }); i >= 0 {
			out[i] = arrived(name, v)
			continue
		}
		out = append(out, arrived(name, v))
	}
	return out, nil
}

func (r reader) attribute(name string, v value) (value, *problem) {
	switch v.kind {
	case null:
		return v, badRequest(titleNull, full(name))
	case object:
		return r.object(name, v)
	case list:
		if instances(v) {
			return r.instances(name, v)
		}
	case text:
		if v.text == nullURI && !r.nulls {
			return v, r.nullProblem(name, "value")
		}
	}
	return normalized("Property", member{"value", r.reduced(v)}), nil
}

func normalized(kind string, rest ...member) value {
	return value{kind: object, members: append([]member{{"type", textValue(kind)}}, rest...)}
}

func (r reader) reduced(v value) value {
	if r.reduce && v.kind == list && len(v.members) == 1 {
		return v.members[0].value
	}
	return v
}

func (r reader) nullProblem(name, field string) *problem {
	id := r.entity
	if id == "" {
		id = "urn:unknown:id"
	}
	return badRequest("Bad Input", titleNull+" - for the entity '"+id+"', attribute '"+full(name)+"', attribute field '"+field+"'")
}

// instances reports whether a list is that of an attribute with several
// datasetIds rather than a value.
func instances(v value) bool {
	found := false
	for _, m := range v.members {
		if m.value.kind != object || kindOf(m.value) == "" {
			return false
		}
		found = found || m.value.has("datasetId")
	}
	return found
}

func (r reader) instances(name string, v value) (value, *problem) {
	out := value{kind: list}
	for _, m := range v.members {
		one, p := r.object(name, m.value)
		if p != nil {
			return v, p
		}
		if !one.has("datasetId") { // the default one comes first
			out.members = append([]member{{value: one}}, out.members...)
			continue
		}
		out.members = append(out.members, member{value: one})
	}
	return out, nil
}

// fieldOf is the member that holds the value of an attribute of the type.
func fieldOf(kind string) string {
	switch kind {
	case "Property", "GeoProperty":
		return "value"
	case "Relationship":
		return "object"
	case "LanguageProperty":
		return "languageMap"
	case "VocabProperty":
		return "vocab"
	case "JsonProperty":
		return "json"
	}
	return ""
}

// kindOf is the type of an attribute object, by its type or by its members;
// empty when it says neither.
func kindOf(v value) string {
	if kind := v.textOf("type"); fieldOf(kind) != "" {
		return kind
	}
	for _, kind := range []string{"Property", "Relationship", "LanguageProperty", "VocabProperty", "JsonProperty"} {
		if v.has(fieldOf(kind)) {
			return kind
		}
	}
	return ""
}

func (r reader) object(name string, v value) (value, *problem) {
	declared := v.textOf("type")
	if declared != "" && fieldOf(declared) == "" {
		if geometry(declared) && v.has("coordinates") {
			return normalized("GeoProperty", member{"value", v}), nil
		}
		return v, badRequest("Invalid value for attribute /type/", declared)
	}
	kind := kindOf(v)
	if kind == "" && (!r.partial || !v.has("observedAt") && !v.has("unitCode")) {
		return normalized("Property", member{"value", v}), nil
	}
	return r.fields(name, kind, v)
}

func geometry(kind string) bool {
	switch strings.TrimPrefix(kind, "Multi") {
	case "Point", "LineString", "Polygon":
		return true
	}
	return false
}

// fields reads an attribute object; the type comes first in what it returns.
func (r reader) fields(name, kind string, v value) (value, *problem) {
	out := value{kind: object, members: make([]member, 0, len(v.members)+1)}
	if kind != "" {
		out.members = append(out.members, member{"type", textValue(kind)})
	}
	found := false
	for _, m := range v.members {
		switch m.name {
		case "type", "createdAt", "modifiedAt":
			continue
		}
		found = found || m.name == fieldOf(kind)
		m, p := r.field(name, m)
		if p != nil {
			return v, p
		}
		out.members = append(out.members, m)
	}
	if field := fieldOf(kind); !found && !r.partial {
		return v, badRequest("Missing /"+field+"/ field for "+kind+" at creation time", full(name))
	}
	return out, nil
}

func (r reader) field(name string, m member) (member, *problem) {
	if m.value.kind == null {
		return m, badRequest(titleNull, full(name))
	}
	if m.value.kind == text && m.value.text == nullURI {
		if !r.nulls {
			return m, r.nullProblem(name, m.name)
		}
		return m, nil
	}
	switch m.name {
	case "value":
		m.value = r.reduced(m.value)
	case "object":
		m.value = r.reduced(m.value)
		return m, checkTargets(m.value)
	case "observedAt":
		if _, ok := instantFrom(m.value.text); m.value.kind != text || !ok {
			return m, badRequest("Invalid ISO8601", "observedAt")
		}
	case "unitCode", "datasetId", "lang":
		if m.value.kind != text {
			return m, badRequest("Not a JSON String", m.name)
		}
	case "languageMap", "vocab", "json":
	default:
		m.name = r.names.expand(m.name)
		sub := r
		sub.partial = false
		var p *problem
		m.value, p = sub.attribute(m.name, m.value)
		return m, p
	}
	return m, nil
}

func checkTargets(v value) *problem {
	switch v.kind {
	case text:
		return checkURI(v.text, "object")
	case list:
		for _, m := range v.members {
			if m.value.kind != text {
				return badRequest("Not a JSON String", "object")
			}
			if p := checkURI(m.value.text, "object"); p != nil {
				return p
			}
		}
		return nil
	}
	return badRequest("Not a JSON String", "object")
}

// kept is an attribute's body as it is stored and read back: integers cut to 32
// bits, observedAt in milliseconds.
func kept(v value) value {
	for i, m := range v.members {
		var k value
		switch {
		case v.kind == list:
			k = kept(m.value)
		case m.name == "observedAt":
			k = textValue(milliseconds(m.value.text))
		case m.value.kind == object && fieldOf(m.value.textOf("type")) != "" && m.name != "value":
			k = kept(m.value)
		default:
			k = cut(m.value)
		}
		if !same(k, m.value) {
			v.members = slices.Clone(v.members)
			v.members[i].value = k
		}
	}
	return v
}

func milliseconds(s string) string {
	t, ok := instantFrom(s)
	if !ok {
		return s
	}
	return t.String()
}
