package llo

import (
	"reflect"

	"k8s.io/apimachinery/pkg/util/json"
)

// same reports whether the object is as it is to be, and remembers a yes. The
// same input hash says that this was applied last. Then either every rendered
// value is there unchanged, or the API server still books every rendered field on
// us: it does not when somebody else changed one. The second is needed where
// lists are filled up with defaults or by admission, the first where somebody set
// a field to the value that it has to have.
func (t *target) same(now *sighting) bool {
	if now.Annotations[InputHash] != t.hash {
		return false
	}
	settled, fields := t.store.verdict(now)
	if settled {
		return true
	}
	body, err := t.rendered()
	if err != nil {
		return false // then writing it says why
	}
	delete(body, "apiVersion") // the items of a list come without
	delete(body, "kind")
	if live := now.content(); !contains(live, body) && !owned(body, live, fields) {
		return false
	}
	t.store.settle(now)
	return true
}

// rendered is the wanted object with the types that decoding gives.
func (t *target) rendered() (map[string]any, error) {
	text, err := t.text(nil)
	if err != nil {
		return nil, err
	}
	var body map[string]any
	err = json.Unmarshal(text, &body)
	return body, err
}

// contains reports whether live has all that want has: maps by key, lists as a
// whole, numbers by value. Absent, null, and empty are the same.
func contains(live, want any) bool {
	if isEmpty(want) {
		return isEmpty(live)
	}
	switch want := want.(type) {
	case map[string]any:
		live, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range want {
			if !contains(live[key], value) {
				return false
			}
		}
		return true
	case []any:
		live, ok := live.([]any)
		if !ok || len(live) != len(want) {
			return false
		}
		for i := range want {
			if !equal(live[i], want[i]) {
				return false
			}
		}
		return true
	}
	return equalScalars(live, want)
}

// equal is contains both ways: in a list that is ours nobody else adds anything.
func equal(a, b any) bool {
	if isEmpty(a) || isEmpty(b) {
		return isEmpty(a) && isEmpty(b)
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return false
		}
		for key := range a {
			if !equal(a[key], b[key]) {
				return false
			}
		}
		for key, value := range b {
			if _, seen := a[key]; !seen && !isEmpty(value) {
				return false
			}
		}
		return true
	case []any:
		return contains(a, b)
	}
	return equalScalars(a, b)
}

func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return false
}

// equalScalars knows the two types of numbers that decoding gives.
func equalScalars(a, b any) bool {
	if x, ok := a.(int64); ok {
		if y, ok := b.(float64); ok {
			return float64(x) == y
		}
	}
	if x, ok := a.(float64); ok {
		if y, ok := b.(int64); ok {
			return x == float64(y)
		}
	}
	return reflect.DeepEqual(a, b)
}
