package ngsild

import (
	"strings"
	"time"
)

// EntityID is the URI of an entity, as the broker spells it.
type EntityID string

// Kind says what an attribute declares itself to be (NGSI-LD 1.6.1, 4.5).
type Kind uint8

// The kinds of attributes. KindUnknown is the simplified form, which does not
// tell a Relationship from a text; OtherProperty is VocabProperty,
// JsonProperty or ListProperty. A ListRelationship counts as Relationship.
const (
	KindUnknown Kind = iota
	Property
	Relationship
	GeoProperty
	LanguageProperty
	OtherProperty
)

// Attribute is the default instance of one attribute, without sub-attributes.
type Attribute struct {
	Kind Kind
	// Value is nil, bool, int64 (numbers without a fraction that fit), float64,
	// string, []any or map[string]any, nested likewise. A Relationship's is its
	// target, a string, or its targets, []any of string.
	Value any
	// Malformed is set for what Orion-LD really sends after some merges: a
	// Relationship with `value` (Value is filled from it), no value at all, one
	// key twice, or dotted keys beside the nested object that they change. Value
	// is then a guess and the entity is to be read.
	Malformed bool
}

// Entity is one entity in one shape, whatever form it was read in. It may be
// read by several goroutines; nobody changes it once it is decoded.
type Entity struct {
	ID   EntityID
	Type string // short name; of several types the first
	// Attrs holds the attributes by short name, without id, type, @context,
	// createdAt and modifiedAt. It may be nil.
	Attrs map[string]Attribute
	// Deleted marks a deletion notice: {"id","type","deletedAt"} anywhere, or
	// {"id","type"} alone in a notification.
	Deleted bool
	// Observed is the newest observedAt of the attributes, zero if none has one:
	// the last sign of life of what the entity stands for.
	Observed time.Time
}

// Has reports whether the attribute is there, with whatever value.
func (e *Entity) Has(name string) bool {
	_, ok := e.Attrs[name]
	return ok
}

// Text returns a text property, or the target of a relationship that has one.
// A list of one counts as its item, because brokers store it so. ok is false
// for an absent attribute and for a value that is not text.
func (e *Entity) Text(name string) (text string, ok bool) {
	value := e.Attrs[name].Value
	if list, isList := value.([]any); isList && len(list) == 1 {
		value = list[0]
	}
	text, ok = value.(string)
	return text, ok
}

// List returns a list, and a single item as a list of one (the broker's array
// reduction). It is nil for an absent attribute or one without a value. The
// caller must not change the list.
func (e *Entity) List(name string) []any {
	switch value := e.Attrs[name].Value.(type) {
	case nil:
		return nil
	case []any:
		return value
	default:
		return []any{value}
	}
}

// Links returns the targets of a relationship in their order, also of one read
// in the simplified form. `urn:ngsi-ld:null` and `urn:ngsi-ld:none`, by which
// aerOS says "none", are left out.
func (e *Entity) Links(name string) []EntityID {
	var links []EntityID
	for _, item := range e.List(name) {
		target, ok := item.(string)
		if !ok || target == "" || target == "urn:ngsi-ld:null" || target == "urn:ngsi-ld:none" {
			continue
		}
		links = append(links, EntityID(target))
	}
	return links
}

// Enum returns the part of Text after its last colon: the value of an
// enumeration in either dialect. It is empty if the attribute is absent.
func (e *Entity) Enum(name string) string {
	text, _ := e.Text(name)
	return text[strings.LastIndexByte(text, ':')+1:]
}

// Bool returns a boolean, also one that was sent as the text "true" or
// "false" in any case. ok is false for anything else.
func (e *Entity) Bool(name string) (value, ok bool) {
	if value, ok = e.Attrs[name].Value.(bool); ok {
		return value, true
	}
	text, _ := e.Text(name)
	return Truth(text)
}

// Truth reads a boolean, or a text that can only be one: true or false in any
// case, blanks around it allowed.
func Truth(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}
