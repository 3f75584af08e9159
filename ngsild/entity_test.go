package ngsild

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// view is what all accessors say of one attribute.
type view struct {
	Text   string
	IsText bool
	List   []any
	Links  []EntityID
	Enum   string
	Bool   bool
	IsBool bool
	Has    bool
}

func TestAccessors(t *testing.T) {
	t.Parallel()
	object := map[string]any{"k": int64(1)}
	for name, c := range map[string]struct {
		value any
		want  view
	}{
		"text":             {"urn:a:B", view{Text: "urn:a:B", IsText: true, List: []any{"urn:a:B"}, Links: []EntityID{"urn:a:B"}, Enum: "B", Has: true}},
		"bare word":        {"Starting", view{Text: "Starting", IsText: true, List: []any{"Starting"}, Links: []EntityID{"Starting"}, Enum: "Starting", Has: true}},
		"empty text":       {"", view{IsText: true, List: []any{""}, Has: true}},
		"list of one":      {[]any{"urn:a:B"}, view{Text: "urn:a:B", IsText: true, List: []any{"urn:a:B"}, Links: []EntityID{"urn:a:B"}, Enum: "B", Has: true}},
		"list of two":      {[]any{"urn:a", "urn:b"}, view{List: []any{"urn:a", "urn:b"}, Links: []EntityID{"urn:a", "urn:b"}, Has: true}},
		"empty list":       {[]any{}, view{List: []any{}, Has: true}},
		"removed":          {"urn:ngsi-ld:null", view{Text: "urn:ngsi-ld:null", IsText: true, List: []any{"urn:ngsi-ld:null"}, Enum: "null", Has: true}},
		"none among some":  {[]any{"urn:ngsi-ld:none", "urn:a", int64(4), "urn:ngsi-ld:null"}, view{List: []any{"urn:ngsi-ld:none", "urn:a", int64(4), "urn:ngsi-ld:null"}, Links: []EntityID{"urn:a"}, Has: true}},
		"number":           {int64(5), view{List: []any{int64(5)}, Has: true}},
		"object":           {object, view{List: []any{object}, Has: true}},
		"true":             {true, view{List: []any{true}, Bool: true, IsBool: true, Has: true}},
		"false":            {false, view{List: []any{false}, IsBool: true, Has: true}},
		"true as text":     {"True", view{Text: "True", IsText: true, List: []any{"True"}, Links: []EntityID{"True"}, Enum: "True", Bool: true, IsBool: true, Has: true}},
		"false as text":    {[]any{"false"}, view{Text: "false", IsText: true, List: []any{"false"}, Links: []EntityID{"false"}, Enum: "false", IsBool: true, Has: true}},
		"no value":         {nil, view{Has: true}},
		"ends with colon":  {"urn:a:", view{Text: "urn:a:", IsText: true, List: []any{"urn:a:"}, Links: []EntityID{"urn:a:"}, Has: true}},
		"list of one list": {[]any{[]any{"x"}}, view{List: []any{[]any{"x"}}, Has: true}},
	} {
		for _, kind := range []Kind{KindUnknown, Property, Relationship} {
			e := Entity{Attrs: map[string]Attribute{"a": {Kind: kind, Value: c.value}}}
			if diff := cmp.Diff(c.want, see(&e)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	if diff := cmp.Diff(view{}, see(&Entity{})); diff != "" {
		t.Errorf("absent (-want +got):\n%s", diff)
	}
}

func see(e *Entity) (v view) {
	v.Text, v.IsText = e.Text("a")
	v.List, v.Links, v.Enum, v.Has = e.List("a"), e.Links("a"), e.Enum("a"), e.Has("a")
	v.Bool, v.IsBool = e.Bool("a")
	return v
}

func TestEqual(t *testing.T) {
	t.Parallel()
	object := func(v any) map[string]any { return map[string]any{"a": v, "b": []any{"x", v}} }
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{nil, nil, true}, {nil, false, false}, {nil, "", false}, {nil, 0, false},
		{true, true, true}, {true, false, false}, {true, "true", false}, {true, 1, false},
		{"x", "x", true}, {"x", "y", false}, {"1", 1, false},
		{int64(1), 1.0, true}, {1, int64(1), true}, {uint8(1), 1.0, true}, {1, 1.5, false}, {1.5, 1.5, true},
		{json.Number("1"), 1, true}, {json.Number("1.0"), int64(1), true}, {json.Number("x"), json.Number("x"), false},
		{float32(0.5), 0.5, true}, {0.0, math.Copysign(0, -1), true}, {math.NaN(), math.NaN(), false},
		{int64(9007199254740993), int64(9007199254740992), false},
		{int64(9007199254740993), float64(9007199254740992), false},
		{uint64(math.MaxUint64), float64(math.MaxUint64), true}, {uint64(math.MaxUint64), int64(-1), false},
		{[]any{}, []any{}, true}, {[]any{}, nil, false}, {[]any{1, 2}, []any{2, 1}, false}, {[]any{1}, []any{1, 2}, false},
		{[]any{1}, 1, false}, {map[string]any{}, map[string]any{}, true}, {map[string]any{}, []any{}, false},
		{object(int64(1)), object(1.0), true}, {object(1), object(2), false},
		{map[string]any{"a": nil}, map[string]any{"b": nil}, false}, {map[string]any{"a": nil}, map[string]any{}, false},
		{struct{}{}, struct{}{}, false}, {[]string{"a"}, []string{"a"}, false},
	} {
		if got := Equal(c.a, c.b); got != c.want {
			t.Errorf("Equal(%#v, %#v) = %v", c.a, c.b, got)
		}
		if got := Equal(c.b, c.a); got != c.want {
			t.Errorf("Equal(%#v, %#v) = %v", c.b, c.a, got)
		}
	}
}
