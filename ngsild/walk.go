package ngsild

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The functions here walk over text that json.Valid has accepted. That keeps
// the judgement of what is JSON with the standard library, and lets us see
// members in order and twice, which a map does not, without a second parse.

// maxDepth bounds the nesting of a value, and with it the recursion.
const maxDepth = 64

// blank reports JSON white space.
func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func skipBlank(text []byte, at int) int {
	for at < len(text) && blank(text[at]) {
		at++
	}
	return at
}

// after returns the index behind the value that starts at at.
func after(text []byte, at int) int {
	switch text[at] {
	case '"':
		return afterString(text, at)
	case '{', '[':
		return afterNested(text, at)
	default:
		for at < len(text) && !blank(text[at]) && text[at] != ',' && text[at] != '}' && text[at] != ']' {
			at++
		}
		return at
	}
}

func afterString(text []byte, at int) int {
	for at++; ; at++ {
		at += bytes.IndexByte(text[at:], '"')
		if text[at-1] != '\\' || !escaped(text, at) {
			return at + 1
		}
	}
}

// escaped reports whether an odd number of backslashes stands before at.
func escaped(text []byte, at int) bool {
	odd := false
	for at--; text[at] == '\\'; at-- {
		odd = !odd
	}
	return odd
}

func afterNested(text []byte, at int) int {
	for depth := 0; ; at++ {
		switch text[at] {
		case '"':
			at = afterString(text, at) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
}

// members walks over the members of an object, in their order.
type members struct {
	text []byte
	at   int
}

// membersOf expects text to start at the opening brace.
func membersOf(text []byte) members { return members{text: text, at: 1} }

// next returns a member's key, still quoted, and the text of its value.
func (m *members) next() (key, value []byte, ok bool) {
	at := skipSeparator(m.text, m.at)
	if m.text[at] == '}' {
		return nil, nil, false
	}
	end := afterString(m.text, at)
	key = m.text[at:end]
	at = skipBlank(m.text, skipBlank(m.text, end)+1)
	m.at = after(m.text, at)
	return key, m.text[at:m.at], true
}

// items walks over the items of a list.
type items struct {
	text []byte
	at   int
}

// itemsOf expects text to start at the opening bracket.
func itemsOf(text []byte) items { return items{text: text, at: 1} }

func (l *items) next() (value []byte, ok bool) {
	at := skipSeparator(l.text, l.at)
	if l.text[at] == ']' {
		return nil, false
	}
	l.at = after(l.text, at)
	return l.text[at:l.at], true
}

func skipSeparator(text []byte, at int) int {
	if at = skipBlank(text, at); text[at] == ',' {
		at = skipBlank(text, at+1)
	}
	return at
}

// unquote returns the text of a JSON string. Well-known text is shared.
func unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if known := wellKnown(inner); known != "" {
		return known
	}
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var text string
	// The text is valid JSON, so this cannot fail; it puts U+FFFD where the
	// bytes are not UTF-8.
	_ = json.Unmarshal(quoted, &text)
	return text
}

// valueReader turns JSON text into Go values and notes what is odd in it.
type valueReader struct {
	stack  []any // items of the lists that are being read
	left   int   // values that may still be read
	dotted bool  // an object holds a key and, dotted, a path into its value
	twice  bool  // an object holds a key twice
	err    error // first reason why the value cannot be used

	newest moments // of the attributes read so far
}

// read returns the value that text holds, nothing before and behind it.
func (r *valueReader) read(text []byte) any {
	value, _ := r.value(text, 0, 0)
	return value
}

func (r *valueReader) value(text []byte, at, depth int) (any, int) {
	if r.left--; r.left < 0 || depth > maxDepth {
		r.fail(errTooLarge)
	}
	if r.err != nil {
		return nil, after(text, at)
	}
	switch text[at] {
	case '"':
		end := afterString(text, at)
		return unquote(text[at:end]), end
	case '{':
		return r.object(text, at, depth)
	case '[':
		return r.list(text, at, depth)
	case 't':
		return true, at + len("true")
	case 'f':
		return false, at + len("false")
	case 'n':
		return nil, at + len("null")
	default:
		end := after(text, at)
		return r.number(text[at:end]), end
	}
}

func (r *valueReader) object(text []byte, at, depth int) (any, int) {
	object := make(map[string]any)
	dots := false
	for at = skipSeparator(text, at+1); text[at] != '}'; at = skipSeparator(text, at) {
		end := afterString(text, at)
		key := unquote(text[at:end])
		var value any
		value, at = r.value(text, skipBlank(text, skipBlank(text, end)+1), depth+1)
		if _, there := object[key]; there {
			r.twice = true
		}
		dots = dots || strings.IndexByte(key, '.') > 0
		object[key] = value
	}
	if dots && reachesInside(object) {
		r.dotted = true
	}
	return plain(object), at + 1
}

// reachesInside reports a dotted key whose first part is a key too. Dotted
// keys alone are legal and common, as in labels of Kubernetes.
func reachesInside(object map[string]any) bool {
	for key := range object {
		parent, _, dotted := strings.Cut(key, ".")
		if _, there := object[parent]; dotted && there {
			return true
		}
	}
	return false
}

// plain takes a value out of its expanded JSON-LD wrapping.
func plain(object map[string]any) any {
	for _, wrapping := range [...]string{"@value", "@list", "@set"} {
		if value, wrapped := object[wrapping]; wrapped {
			return value
		}
	}
	if id, wrapped := object["@id"]; wrapped && len(object) == 1 {
		return id
	}
	return object
}

func (r *valueReader) list(text []byte, at, depth int) (any, int) {
	start := len(r.stack)
	for at = skipSeparator(text, at+1); text[at] != ']'; at = skipSeparator(text, at) {
		var item any
		item, at = r.value(text, at, depth+1)
		r.stack = append(r.stack, item)
	}
	list := make([]any, len(r.stack)-start)
	copy(list, r.stack[start:])
	clear(r.stack[start:])
	r.stack = r.stack[:start]
	return list, at + 1
}

func (r *valueReader) number(text []byte) any {
	if !bytes.ContainsAny(text, ".eE") {
		if i, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return i
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(f, 0) {
		r.fail(errNumber)
		return nil
	}
	if i, exact := integral(f); exact {
		return i
	}
	return f
}

func (r *valueReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}
