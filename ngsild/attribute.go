package ngsild

import "bytes"

// fields are the parts of one JSON object that may be an attribute instance.
type fields struct {
	kind      Kind   // what `type` declares, if it names a kind
	otherType bool   // `type` is there and names none: GeoJSON, a typed value
	main      []byte // the value, object or languageMap
	mainKind  Kind   // the kind that goes with main's key
	wrapped   bool   // main is expanded JSON-LD: a list of one stands for its item
	dataset   bool   // not the default instance
	pair      bool   // a text under `key`
	meta      int    // members that only describe a value
	others    int    // members that are neither
	twice     bool   // main is there twice
	observed  []byte // of observedAt, in whatever shape it came
}

// fieldsOf sorts the members of an object.
func fieldsOf(object []byte) fields {
	var f fields
	for m := membersOf(object); ; {
		key, value, ok := m.next()
		if !ok {
			return f
		}
		f.add(key[1:len(key)-1], value)
	}
}

func (f *fields) add(key, value []byte) {
	expanded := false
	if rest, cut := bytes.CutPrefix(key, []byte("https://uri.etsi.org/ngsi-ld/")); cut {
		key, expanded = rest, true
	}
	switch string(key) {
	case "type", "@type":
		kind, known := kindOf(value)
		f.kind, f.otherType = kind, !known
	case "value", "hasValue":
		f.setMain(value, Property, expanded)
	case "object", "hasObject", "objectList", "hasObjectList":
		f.setMain(value, Relationship, expanded)
	case "languageMap", "hasLanguageMap":
		f.setMain(value, LanguageProperty, expanded)
	case "vocab", "json", "valueList", "hasVocab", "hasJSON", "hasValueList":
		f.setMain(value, OtherProperty, expanded)
	case "datasetId":
		f.dataset = !bytes.Equal(value, []byte(`"@none"`))
	case "md":
		f.meta++
		f.observed = observedIn(value)
	case "observedAt":
		f.meta++
		f.observed = value
	case "unitCode", "createdAt", "modifiedAt", "deletedAt", "instanceId",
		"lang", "objectType", "valueType", "previousValue", "previousObject", "previousLanguageMap":
		f.meta++
	case "key":
		f.pair = value[0] == '"'
		f.others++
	default:
		f.others++
	}
}

func (f *fields) setMain(value []byte, kind Kind, wrapped bool) {
	f.twice = f.twice || f.main != nil
	f.main, f.mainKind, f.wrapped = value, kind, wrapped
}

// kindOf reads the type of an attribute, text or a list of one.
func kindOf(value []byte) (kind Kind, known bool) {
	if value[0] == '[' {
		list := itemsOf(value)
		item, ok := list.next()
		if !ok {
			return KindUnknown, false
		}
		value = item
	}
	if value[0] != '"' {
		return KindUnknown, false
	}
	name := bytes.TrimPrefix(value[1:len(value)-1], []byte("https://uri.etsi.org/ngsi-ld/"))
	switch string(name) {
	case "Property":
		return Property, true
	case "Relationship", "ListRelationship":
		return Relationship, true
	case "GeoProperty":
		return GeoProperty, true
	case "LanguageProperty":
		return LanguageProperty, true
	case "VocabProperty", "JsonProperty", "ListProperty":
		return OtherProperty, true
	default:
		return KindUnknown, false
	}
}

// instance reports an object that can only be an attribute instance. In a list
// anything less may be an item of a simplified value, as in `cliArgs`.
func (f *fields) instance() bool {
	return f.kind != KindUnknown || f.dataset || f.main != nil && f.others == 0 && !f.otherType
}

// concise reports an object without a kind that reads as an attribute all the
// same (concise representation, NGSI-LD 1.6.1, 4.5.0). A pair of key and value
// is what is left of a list of one pair after the broker's array reduction; an
// object under `object` is somebody's JSON value.
func (f *fields) concise() bool {
	switch {
	case f.main == nil || f.otherType || f.pair:
		return false
	case f.mainKind == Relationship:
		return f.main[0] == '"' || f.main[0] == '['
	default:
		return true
	}
}

// attribute reads one attribute in any form. ok is false for a JSON null, which
// JSON-LD treats as absent.
func (r *valueReader) attribute(text []byte) (a Attribute, ok bool) {
	r.dotted, r.twice = false, false
	switch text[0] {
	case 'n':
		return Attribute{}, false
	case '{':
		a = r.single(text, fieldsOf(text))
	case '[':
		a = r.several(text)
	default:
		a.Value = r.read(text)
	}
	a.Malformed = a.Malformed || r.dotted || r.twice
	return a, true
}

// single reads an object that is an attribute, or a value in simplified form.
func (r *valueReader) single(text []byte, f fields) Attribute {
	switch {
	case f.kind != KindUnknown || f.concise():
		return r.instance(f)
	case f.meta > 0 && f.main == nil && f.others == 0 && !f.otherType:
		return Attribute{Malformed: true}
	default:
		return Attribute{Value: r.read(text)}
	}
}

// instance reads an attribute instance. What it declares goes before what its
// value is called; where the two disagree the value is kept as a guess.
func (r *valueReader) instance(f fields) Attribute {
	a := Attribute{Kind: f.kind, Malformed: f.twice}
	r.observe(f.observed)
	if a.Kind == KindUnknown {
		a.Kind = f.mainKind
	}
	if f.main == nil {
		a.Malformed = true
		return a
	}
	a.Value = r.read(f.main)
	if list, isList := a.Value.([]any); isList && f.wrapped && len(list) == 1 {
		a.Value = list[0]
	}
	if (a.Kind == Relationship) != (f.mainKind == Relationship) || a.Value == nil {
		a.Malformed = true
	}
	if a.Kind == Relationship {
		targets, clean := targetsOf(a.Value)
		a.Value, a.Malformed = targets, a.Malformed || !clean
	}
	return a
}

// targetsOf returns the ids in the value of a Relationship, which may be
// objects with an id inside, and whether there was nothing else in it.
func targetsOf(value any) (targets any, clean bool) {
	list, isList := value.([]any)
	if !isList {
		id, ok := targetOf(value)
		if !ok {
			return nil, false
		}
		return id, true
	}
	clean = true
	ids := make([]any, 0, len(list))
	for _, item := range list {
		id, ok := targetOf(item)
		if !ok {
			clean = false
			continue
		}
		ids = append(ids, id)
	}
	return ids, clean
}

func targetOf(value any) (id string, ok bool) {
	if object, isObject := value.(map[string]any); isObject {
		for _, key := range [...]string{"object", "id", "@id"} {
			if id, ok = object[key].(string); ok {
				return id, id != ""
			}
		}
	}
	id, ok = value.(string)
	return id, ok && id != ""
}
