package ngsild

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Limits against hostile input, of one entity and of all in one text: a value
// of three bytes may cost a hundred times as much once it is decoded. Nothing
// sane comes near them.
const (
	maxAttributes = 1000
	maxValues     = 1 << 16
	maxAllValues  = 1 << 20
)

var (
	errTooLarge = errors.New("too many values or nested too deep")
	errNumber   = errors.New("a number is out of range")
)

// EntityError is what DecodeEntities reports: which entity, and what is wrong.
// Index counts from 0 in the input and is -1 where the whole input is at fault;
// ID is empty if it could not be read.
type EntityError struct {
	ID    EntityID
	Index int
	Err   error
}

// Error names the entity by its id, else by its place.
func (e EntityError) Error() string {
	switch {
	case e.ID != "":
		return fmt.Sprintf("entity %s: %v", e.ID, e.Err)
	case e.Index >= 0:
		return fmt.Sprintf("entity %d: %v", e.Index, e.Err)
	default:
		return fmt.Sprintf("entities: %v", e.Err)
	}
}

// Unwrap returns the reason.
func (e EntityError) Unwrap() error { return e.Err }

// DecodeEntities reads one entity or a list of them: normalized, concise,
// simplified or expanded JSON-LD, mixed even attribute by attribute, names
// short or expanded. An @context is ignored and never fetched. An entity that
// cannot be read costs itself only, and is one EntityError; text that is not
// JSON gives one EntityError with Index -1. The result shares no memory with
// data.
func DecodeEntities(data []byte) ([]Entity, []error) {
	data, err := validJSON(data)
	if err != nil {
		return nil, []error{EntityError{Index: -1, Err: err}}
	}
	return decodeEntities(data, false)
}

// validJSON returns data without surroundings, or why it is not JSON.
func validJSON(data []byte) ([]byte, error) {
	data = bytes.Trim(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	if json.Valid(data) {
		return data, nil
	}
	var discard json.RawMessage
	return nil, json.Unmarshal(data, &discard)
}

// decodeEntities expects valid JSON. In a notification an entity without
// attributes is a deletion notice.
func decodeEntities(text []byte, notified bool) ([]Entity, []error) {
	var room [24]named
	r := entityReader{attrs: room[:0], allowance: maxAllValues}
	switch text[0] {
	case '{':
		r.add(text, 0, notified)
	case '[':
		list := itemsOf(text)
		for i := 0; ; i++ {
			item, ok := list.next()
			if !ok {
				break
			}
			r.add(item, i, notified)
		}
	default:
		r.errs = append(r.errs, EntityError{Index: -1, Err: fmt.Errorf("want an object or a list of objects, have %s", shapeOf(text))})
	}
	return r.entities, r.errs
}

func shapeOf(text []byte) string {
	switch text[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// entityReader reads entities one after the other and reuses its memory.
type entityReader struct {
	valueReader
	allowance int // values that all entities together may still have
	attrs     []named
	entities  []Entity
	errs      []error
}

// named is an attribute under its short name, with the key it was read from.
type named struct {
	name string
	key  []byte
	Attribute
}

func (r *entityReader) add(text []byte, index int, notified bool) {
	clear(r.attrs)
	r.attrs, r.err, r.newest = r.attrs[:0], nil, moments{}
	r.left = min(maxValues, r.allowance)
	before := r.left
	entity, err := r.entity(text)
	r.allowance -= before - max(r.left, 0)
	if err != nil {
		r.errs = append(r.errs, EntityError{ID: entity.ID, Index: index, Err: err})
		return
	}
	entity.Deleted = entity.Deleted || notified && len(entity.Attrs) == 0
	r.entities = append(r.entities, entity)
}

func (r *entityReader) entity(text []byte) (Entity, error) {
	if text[0] != '{' {
		return Entity{}, fmt.Errorf("want an object, have %s", shapeOf(text))
	}
	var e Entity
	for m := membersOf(text); ; {
		key, value, ok := m.next()
		if !ok {
			break
		}
		r.member(&e, key, value)
	}
	switch {
	case r.err != nil:
		return e, r.err
	case e.ID == "":
		return e, errors.New("no id")
	case e.Type == "":
		return e, errors.New("no type")
	}
	e.Attrs, e.Observed = r.attributes(), r.newest.latest()
	return e, nil
}

// member takes one member of an entity: what names it, what is about it, or an
// attribute.
func (r *entityReader) member(e *Entity, key, value []byte) {
	switch string(key) {
	case `"id"`, `"@id"`:
		if value[0] == '"' {
			e.ID = EntityID(unquote(value))
		}
		return
	case `"type"`, `"@type"`:
		e.Type = r.typeName(value)
		return
	case `"@context"`:
		return
	}
	name := shorten(unquote(key))
	switch name {
	case "createdAt", "modifiedAt":
		return
	case "deletedAt":
		e.Deleted = true
		return
	}
	attribute, ok := r.attribute(value)
	if ok && r.err == nil {
		r.put(named{name, key, attribute})
	}
}

// typeName returns the short type, of several the first.
func (r *entityReader) typeName(value []byte) string {
	if value[0] == '[' {
		list := itemsOf(value)
		item, ok := list.next()
		if !ok {
			return ""
		}
		value = item
	}
	if value[0] != '"' {
		return ""
	}
	return shorten(unquote(value))
}

// put adds an attribute, or settles what is there under its name already. The
// same key twice is a malformed attribute; a short and a long name of one
// attribute are, if they differ, and then the short one is kept.
func (r *entityReader) put(a named) {
	for i := range r.attrs {
		old := &r.attrs[i]
		if old.name != a.name {
			continue
		}
		differ := bytes.Equal(old.key, a.key) || !Equal(old.Value, a.Value)
		if len(a.key) <= len(old.key) {
			a.Malformed = a.Malformed || differ
			*old = a
		} else {
			old.Malformed = old.Malformed || differ
		}
		return
	}
	if len(r.attrs) == maxAttributes {
		r.fail(fmt.Errorf("more than %d attributes", maxAttributes))
		return
	}
	r.attrs = append(r.attrs, a)
}

func (r *entityReader) attributes() map[string]Attribute {
	if len(r.attrs) == 0 {
		return nil
	}
	attrs := make(map[string]Attribute, len(r.attrs))
	for i := range r.attrs {
		attrs[r.attrs[i].name] = r.attrs[i].Attribute
	}
	return attrs
}
