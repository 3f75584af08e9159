package homing

import (
	"fmt"
	"slices"
)

// reader looks at one mapping of a template: it hands out values of the kind that
// is asked for, reports those of another, and at the end the keys nobody knows.
type reader struct {
	m     map[string]any
	path  string
	found *findings
}

// open reads v as a mapping; a reader of nothing if it is none.
func open(v any, path, accepted string, found *findings) (*reader, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		if v != (any)(unresolved{}) {
			found.add(path, "%s: accepted is a mapping%s", kindOf(v), accepted)
		}
		return &reader{map[string]any{}, path, found}, false
	}
	return &reader{m, path, found}, true
}

func (r *reader) at(key string) string { return join(r.path, key) }

func (r *reader) has(key string) bool { _, ok := r.m[key]; return ok }

// only reports every key that is not known.
func (r *reader) only(known ...string) {
	for _, key := range sortedKeys(r.m) {
		if !slices.Contains(known, key) {
			r.found.add(r.at(key), "unknown key: accepted is %s", oneOf(known))
		}
	}
}

// need reports a key that is missing or empty, and returns its value otherwise.
func (r *reader) need(key, accepted string) (any, bool) {
	v, ok := r.m[key]
	if !ok || empty(v) {
		r.found.add(r.at(key), "required, and missing or empty: accepted is %s", accepted)
		return nil, false
	}
	return v, v != (any)(unresolved{})
}

// wrong reports that a value is not of the accepted kind.
func (r *reader) wrong(key string, v any, accepted string) {
	if v != (any)(unresolved{}) {
		r.found.add(r.at(key), "%s: accepted is %s", kindOf(v), accepted)
	}
}

// text returns a text that may be absent; scalars are taken as text.
func (r *reader) text(key string) string {
	v, ok := r.m[key]
	if !ok || v == nil {
		return ""
	}
	text, ok := plain(v)
	if !ok {
		r.wrong(key, v, "text")
	}
	return text
}

// word returns one of the accepted words, which has to be there.
func (r *reader) word(key string, accepted ...string) string {
	v, ok := r.need(key, oneOf(accepted))
	if !ok {
		return ""
	}
	text, isText := v.(string)
	if !isText || !slices.Contains(accepted, text) {
		r.wrong(key, v, oneOf(accepted))
		return ""
	}
	return text
}

// number returns a number that may be absent.
func (r *reader) number(key string, otherwise float64) float64 {
	v, ok := r.m[key]
	if !ok {
		return otherwise
	}
	n, ok := number(v)
	if !ok {
		r.wrong(key, v, "a number")
		return otherwise
	}
	return n
}

// list returns a list that may be absent.
func (r *reader) list(key string) []any {
	v, ok := r.m[key]
	if !ok || v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		r.wrong(key, v, "a list")
	}
	return list
}

// mapping returns a mapping that may be absent.
func (r *reader) mapping(key string) map[string]any {
	v, ok := r.m[key]
	if !ok || v == nil {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		r.wrong(key, v, "a mapping")
	}
	return m
}

// amounts returns a mapping of name to number.
func (r *reader) amounts(key string) map[string]float64 {
	m := r.mapping(key)
	if m == nil {
		return nil
	}
	amounts := make(map[string]float64, len(m))
	for _, name := range sortedKeys(m) {
		n, ok := number(m[name])
		if !ok || n < 0 {
			r.wrong(key+"."+name, m[name], "a number that is not negative")
			continue
		}
		amounts[name] = n
	}
	return amounts
}

// words returns one text or a list of texts.
func (r *reader) words(key string) []string {
	v, ok := r.m[key]
	if !ok || v == nil {
		return nil
	}
	var words []string
	for i, item := range listed(v) {
		text, ok := item.(string)
		if !ok || text == "" {
			if item != (any)(unresolved{}) {
				r.found.add(fmt.Sprintf("%s[%d]", r.at(key), i), "%s: accepted is text", kindOf(item))
			}
			continue
		}
		words = append(words, text)
	}
	return words
}
