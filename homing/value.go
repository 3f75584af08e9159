package homing

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// unresolved stands where an intrinsic could not be replaced: reported already,
// so nobody complains about it a second time.
type unresolved struct{}

// number reads v as a finite number; numeric text is one.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case string:
		text := strings.TrimSpace(v)
		if strings.ContainsAny(text, "xXpP_nN") {
			return 0, false
		}
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil && !math.IsInf(f, 0)
	}
	return 0, false
}

// measure reads a candidate's figure: a number, numeric text, or a boolean.
func measure(v any) (float64, bool) {
	switch b := v.(type) {
	case bool:
		if b {
			return 1, true
		}
		return 0, true
	case string:
		switch strings.ToLower(b) {
		case "true":
			return 1, true
		case "false":
			return 0, true
		}
	}
	return number(v)
}

// plain is a scalar as text.
func plain(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// equal compares a candidate's value with a wanted one: numbers by value and
// booleans by truth even where one of the two is text, other scalars as text.
func equal(have, want any) bool {
	x, isNumber := number(have)
	y, alsoNumber := number(want)
	if isNumber && alsoNumber {
		return x == y
	}
	if p, ok := ngsild.Truth(have); ok {
		if q, ok := ngsild.Truth(want); ok {
			return p == q
		}
	}
	a, ok := plain(have)
	b, also := plain(want)
	if ok && also {
		return a == b
	}
	return ngsild.Equal(have, want)
}

// listed returns a list, and anything else as a list of one.
func listed(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// among reports whether have, or any member of it, is one of wanted.
func among(have any, wanted []any) bool {
	for _, item := range listed(have) {
		if slices.ContainsFunc(wanted, func(w any) bool { return equal(item, w) }) {
			return true
		}
	}
	return false
}

// empty reports whether v says nothing.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
