package ngsild

import (
	"encoding/json"
	"math"
	"reflect"
)

// Equal reports whether a and b are the same JSON value. Numbers are compared
// by value whatever their Go type, so 1 equals 1.0; order counts in lists and
// not in objects. Values that JSON does not have are never equal.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case string:
		y, ok := b.(string)
		return ok && x == y
	case []any:
		y, ok := b.([]any)
		return ok && equalLists(x, y)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && equalObjects(x, y)
	default:
		return equalNumbers(a, b)
	}
}

func equalLists(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equalObjects(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for key, x := range a {
		y, ok := b[key]
		if !ok || !Equal(x, y) {
			return false
		}
	}
	return true
}

func equalNumbers(a, b any) bool {
	x, y := numberOf(a), numberOf(b)
	if x.integral && y.integral {
		return x.integer == y.integer
	}
	return x.ok && y.ok && x.float == y.float
}

// number is a number of any Go type; integer holds it where that loses nothing.
type number struct {
	integer      int64
	float        float64
	integral, ok bool
}

func numberOf(v any) number {
	switch n := v.(type) {
	case int64:
		return number{integer: n, float: float64(n), integral: true, ok: true}
	case float64:
		return floatNumber(n)
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return numberOf(i)
		}
		f, err := n.Float64()
		if err != nil {
			return number{}
		}
		return floatNumber(f)
	}
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
		return number{}
	case r.CanInt():
		return numberOf(r.Int())
	case r.CanUint() && r.Uint() <= math.MaxInt64:
		return numberOf(int64(r.Uint()))
	case r.CanUint():
		return number{float: float64(r.Uint()), ok: true}
	case r.CanFloat():
		return floatNumber(r.Float())
	default:
		return number{}
	}
}

func floatNumber(f float64) number {
	n := number{float: f, ok: true}
	n.integer, n.integral = integral(f)
	return n
}

// integral returns f as an integer if it has no fraction and fits.
func integral(f float64) (int64, bool) {
	if f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}
