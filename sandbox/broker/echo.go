package broker

import "slices"

// echo is a change of one entity as notifications show it.
type echo struct {
	entity            *entity // as stored after the change, or before its deletion
	attrs             []shown
	created, modified instant  // of the entity; 0 is not shown
	touched           []string // attributes that count for watchedAttributes
	deleted           instant
}

// shown is an attribute in an echo or an answer. Its body need not be as
// stored, nor a valid attribute.
type shown struct {
	name, body        string
	created, modified instant // 0 is not shown
	previous          string  // the body before the change, for showChanges
}

// whole shows an entity as it is stored, with the times.
func whole(e *entity) []shown {
	out := make([]shown, len(e.attrs))
	for i, a := range e.attrs {
		out[i] = shown{name: a.name, body: a.body, created: a.created, modified: a.modified}
	}
	return out
}

// untimed is the echo without any times: batch operations and merges know none.
func (e *echo) untimed() *echo {
	e.created, e.modified = 0, 0
	for i := range e.attrs {
		e.attrs[i].created, e.attrs[i].modified = 0, 0
	}
	return e
}

// toEnd moves the attribute behind the others and puts a in its place.
func toEnd(attrs []shown, a shown) []shown {
	attrs = slices.DeleteFunc(attrs, func(s shown) bool { return s.name == a.name })
	return append(attrs, a)
}

// inPlace puts a in the place of the attribute of its name, or at the end.
func inPlace(attrs []shown, a shown) []shown {
	if i := slices.IndexFunc(attrs, func(s shown) bool { return s.name == a.name }); i >= 0 {
		attrs[i] = a
		return attrs
	}
	return append(attrs, a)
}
