package mapping

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// What an attribute's value is, in words for messages; never the value itself.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "empty"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "of an unknown type"
}

// blank reports an absent value: null, or a text of nothing but space, as aerOS writes for "not
// known yet".
func blank(v any) bool {
	text, isText := v.(string)
	return v == nil || isText && strings.TrimSpace(text) == ""
}

// asInt reads a whole number, or a text that can only be one.
func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		const exact = 1 << 53
		return int64(v), v == math.Trunc(v) && math.Abs(v) <= exact
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// asText reads a text, or a number or boolean as JSON writes it.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// pair is one variable or argument; an empty value is left out.
type pair struct{ key, value string }

// pairsOf reads variables or arguments: a list of {key, value}, a single such object (what a broker
// makes of a list of one), or a map, which is sorted by its keys. field names the attribute in
// problems, which never quote a value.
func pairsOf(v any, field string) ([]pair, *problem) {
	if blank(v) {
		return nil, nil
	}
	switch v := v.(type) {
	case []any:
		pairs := make([]pair, 0, len(v))
		for i, item := range v {
			p, wrong := pairOf(item, field+"["+strconv.Itoa(i)+"]")
			if wrong != nil {
				return nil, wrong
			}
			pairs = append(pairs, p)
		}
		return pairs, nil
	case map[string]any:
		if !isPair(v) {
			return pairsOfMap(v, field)
		}
		p, wrong := pairOf(v, field+"[0]")
		return []pair{p}, wrong
	}
	return nil, &problem{field, field + " is " + typeName(v) + ", not a list of keys and values"}
}

// problem is what is wrong with an attribute: where, and a message without secrets.
type problem struct{ field, message string }

// isPair tells a {key, value} object from a map that happens to have an entry named key.
func isPair(m map[string]any) bool {
	_, hasKey := m["key"]
	_, hasValue := m["value"]
	return hasKey && (hasValue || len(m) == 1)
}

func pairsOfMap(m map[string]any, field string) ([]pair, *problem) {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	pairs := make([]pair, 0, len(m))
	for i, key := range keys {
		at := field + "[" + strconv.Itoa(i) + "]"
		p, wrong := pairOf(map[string]any{"key": key, "value": m[key]}, at)
		if wrong != nil {
			return nil, wrong
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func pairOf(item any, at string) (pair, *problem) {
	m, isObject := item.(map[string]any)
	if !isObject {
		return pair{}, &problem{at, at + " is " + typeName(item) + ", not an object with key and value"}
	}
	key, isText := asText(m["key"])
	if !isText || key == "" {
		return pair{}, &problem{at, at + " has no key"}
	}
	value, isText := asText(m["value"])
	if !isText && m["value"] != nil {
		return pair{}, &problem{at, at + ".value is " + typeName(m["value"]) + ", not a text"}
	}
	return pair{key, value}, nil
}

// quoted shows a value of an entity in a message: as text, at most 64 bytes of it, in quotes if it
// was one.
func quoted(v any) string {
	text, ok := asText(v)
	if !ok {
		return typeName(v)
	}
	const limit = 64
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	if _, isText := v.(string); isText {
		return strconv.Quote(text)
	}
	return text
}
