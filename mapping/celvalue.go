package mapping

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// adapter makes CEL values of Go values. It differs from the library's in that maps are walked in the
// order of their keys, so that no expression depends on Go's order.
type adapter struct{}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case ref.Val:
		return v
	case map[string]any:
		return sortedMap{types.NewStringInterfaceMap(a, v)}
	case map[ref.Val]ref.Val:
		return sortedMap{types.NewRefValMap(a, v)}
	case []any:
		return types.NewDynamicList(a, v)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// fresh is a list that was made for one rendering, so that its JSON need not be copied the first time it
// is put into an object.
type fresh struct {
	traits.Lister
	list  []any
	taken bool
}

// sortedMap is a map that is walked in the order of its keys.
type sortedMap struct{ traits.Mapper }

// Iterator implements traits.Iterable.
func (m sortedMap) Iterator() traits.Iterator {
	return types.NewRefValList(adapter{}, sortedKeys(m.Mapper)).Iterator()
}

// ConvertToType implements ref.Val.
func (m sortedMap) ConvertToType(to ref.Type) ref.Val {
	if to == types.MapType {
		return m
	}
	return m.Mapper.ConvertToType(to)
}

func sortedKeys(m traits.Mapper) []ref.Val {
	var keys []ref.Val
	for it := m.Iterator(); it.HasNext() == types.True; {
		keys = append(keys, it.Next())
	}
	slices.SortFunc(keys, func(a, b ref.Val) int {
		return cmp.Or(cmp.Compare(a.Type().TypeName(), b.Type().TypeName()), compareKeys(a, b))
	})
	return keys
}

func compareKeys(a, b ref.Val) int {
	comparer, comparable := a.(traits.Comparer)
	if !comparable {
		return 0
	}
	order, _ := comparer.Compare(b).(types.Int)
	return int(order)
}

// What is in a value that JSON cannot hold. Bounds keep a hostile entity from exhausting the stack.
const maxJSONDepth = 64

var (
	errDepth = errors.New("the value is nested too deeply")
	errKey   = errors.New("a key of the map is not a text")
)

// toJSON makes a JSON value of a CEL value; nothing in it is shared with the value. present is false
// for null and an empty optional, which are left out of maps and lists too.
func toJSON(value ref.Val, depth int) (result any, present bool, err error) {
	if depth > maxJSONDepth {
		return nil, false, errDepth
	}
	switch v := value.(type) {
	case types.String:
		return string(v), true, nil
	case types.Bool:
		return bool(v), true, nil
	case types.Int:
		return int64(v), true, nil
	case types.Double:
		return jsonNumber(float64(v))
	case types.Uint:
		return jsonNumber(float64(v))
	case types.Null:
		return nil, false, nil
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), true, nil
	case *types.Optional:
		if !v.HasValue() {
			return nil, false, nil
		}
		return toJSON(v.GetValue(), depth)
	case *entityValue:
		return nil, false, errors.New("a whole entity is no value, name its attribute")
	case *fresh:
		if !v.taken {
			v.taken = true
			return v.list, true, nil
		}
		return copyJSON(v.list), true, nil
	case traits.Lister:
		return listToJSON(v, depth)
	case traits.Mapper:
		return mapToJSON(v, depth)
	case types.Timestamp, types.Duration:
		text, _ := value.ConvertToType(types.StringType).(types.String)
		return string(text), true, nil
	}
	return nil, false, fmt.Errorf("a value of type %s is not JSON", value.Type().TypeName())
}

// jsonNumber is a whole number where that is exact: as which the cluster gives it back.
func jsonNumber(f float64) (any, bool, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, false, errors.New("the number is not finite")
	}
	if n, whole := asInt(f); whole {
		return n, true, nil
	}
	return f, true, nil
}

func listToJSON(list traits.Lister, depth int) (any, bool, error) {
	size, _ := list.Size().(types.Int)
	result := make([]any, 0, size)
	for i := range size {
		item, present, err := toJSON(list.Get(i), depth+1)
		if err != nil {
			return nil, false, err
		}
		if present {
			result = append(result, item)
		}
	}
	return result, true, nil
}

func mapToJSON(m traits.Mapper, depth int) (any, bool, error) {
	if sorted, wrapped := m.(sortedMap); wrapped {
		m = sorted.Mapper // the order of the keys is of no matter here
	}
	size, _ := m.Size().(types.Int)
	into := &jsonMap{result: make(map[string]any, size), depth: depth}
	types.ToFoldableMap(m).Fold(into)
	if into.err != nil {
		return nil, false, into.err
	}
	return into.result, true, nil
}

// jsonMap takes the entries of a CEL map.
type jsonMap struct {
	result map[string]any
	depth  int
	err    error
}

// FoldEntry implements traits.Folder.
func (m *jsonMap) FoldEntry(key, value any) bool {
	a := adapter{}
	name, isText := a.NativeToValue(key).(types.String)
	if !isText {
		m.err = errKey
		return false
	}
	item, present, err := toJSON(a.NativeToValue(value), m.depth+1)
	if err != nil {
		m.err = err
		return false
	}
	if present {
		m.result[string(name)] = item
	}
	return true
}

// copyJSON copies a JSON value.
func copyJSON(value any) any {
	switch v := value.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, item := range v {
			m[key] = copyJSON(item)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = copyJSON(item)
		}
		return list
	}
	return value
}
