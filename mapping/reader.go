package mapping

import (
	"errors"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// errAbsent says that a value is not there; its field is dropped.
var errAbsent = errors.New("no such attribute")

// place is where a value came from, for messages.
type place struct {
	entity ngsild.EntityID
	name   string // "the value" where it has none
	of     string // " of " and the entity's id, but for the component's own attributes
}

func (p place) invalid(reason, message string) *Error {
	return &Error{Entity: p.entity, Field: p.name, Reason: reason, Message: message, Err: ErrInvalid}
}

func (p place) wrongType(value any, want string) *Error {
	return p.invalid(ReasonInvalidValue, p.name+p.of+" is "+typeName(value)+want)
}

// reader is a function that reads a value in the way in which entities hold it. It may be called as
// f(x.name), f(x.name, other), where other takes the place of an absent attribute, f(x.?name), which
// is an optional, and f(value).
type reader struct {
	name   string
	result *cel.Type
	// read gets nil for a value that is absent, and returns nil for absent. A list of one has become
	// its item, unless whole is set.
	read  func(value any, at place) (ref.Val, error)
	whole bool
	// wantsAbsent: read is to be asked about an absent value too.
	wantsAbsent bool
}

func (r reader) options() []cel.EnvOption {
	dyn, text := cel.DynType, cel.StringType
	attribute := func(args []ref.Val) (ref.Val, error) { return r.attribute(args[0], args[1]) }
	return []cel.EnvOption{
		cel.Macros(expandReader(r.name)...),
		cel.Function(r.name,
			cel.Overload(r.name+"_value", []*cel.Type{dyn}, r.result, cel.UnaryBinding(func(v ref.Val) ref.Val {
				return valueOr(r.value(v))(nil)
			})),
			cel.Overload(r.name+"_value_default", []*cel.Type{dyn, r.result}, r.result,
				cel.BinaryBinding(func(v, other ref.Val) ref.Val { return valueOr(r.value(v))(other) }))),
		cel.Function(r.name+ofAttribute,
			cel.Overload(r.name+"_attribute", []*cel.Type{dyn, text}, r.result,
				cel.FunctionBinding(func(args ...ref.Val) ref.Val { return valueOr(attribute(args))(nil) }))),
		cel.Function(r.name+orDefault,
			cel.Overload(r.name+"_default", []*cel.Type{dyn, text, r.result}, r.result,
				cel.FunctionBinding(func(args ...ref.Val) ref.Val { return valueOr(attribute(args))(args[2]) }))),
		cel.Function(r.name+ofOptional,
			cel.Overload(r.name+"_optional", []*cel.Type{dyn, text}, cel.OptionalType(r.result),
				cel.FunctionBinding(func(args ...ref.Val) ref.Val { return optionalOf(attribute(args)) }))),
	}
}

// valueOr ends a call: an error, a value, or other in place of an absent one.
func valueOr(value ref.Val, err error) func(other ref.Val) ref.Val {
	return func(other ref.Val) ref.Val {
		switch {
		case err != nil:
			return types.WrapErr(err)
		case value != nil:
			return value
		case other != nil:
			return other
		}
		return types.WrapErr(errAbsent)
	}
}

func optionalOf(value ref.Val, err error) ref.Val {
	switch {
	case err != nil:
		return types.WrapErr(err)
	case value == nil:
		return types.OptionalNone
	}
	return types.OptionalOf(value)
}

// attribute reads operand's attribute.
func (r reader) attribute(operand, field ref.Val) (ref.Val, error) {
	name, _ := field.(types.String)
	at := place{name: string(name)}
	if optional, isOptional := operand.(*types.Optional); isOptional {
		if !optional.HasValue() {
			return r.call(nil, at)
		}
		operand = optional.GetValue()
	}
	switch x := operand.(type) {
	case *entityValue:
		at.entity = x.entity.ID
		if x.kind != componentKind {
			at.of = " of " + string(x.entity.ID)
		}
		value, err := x.raw(at.name)
		if err != nil {
			return nil, err
		}
		return r.call(value, at)
	case traits.Mapper:
		value, found := x.Find(field)
		if !found {
			return r.call(nil, at)
		}
		return r.convert(value, at)
	}
	return nil, errors.New("no such overload")
}

func (r reader) value(value ref.Val) (ref.Val, error) {
	return r.convert(value, place{name: "the value"})
}

func (r reader) convert(value ref.Val, at place) (ref.Val, error) {
	plain, _, err := toJSON(value, 0)
	if err != nil {
		return nil, err
	}
	return r.call(plain, at)
}

func (r reader) call(value any, at place) (ref.Val, error) {
	if list, isList := value.([]any); isList && len(list) == 1 && !r.whole {
		value = list[0]
	}
	if blank(value) && !r.wantsAbsent {
		return nil, nil
	}
	return r.read(value, at)
}

// readers are the functions that read attributes.
func readers() []reader {
	dyn := cel.DynType
	return []reader{
		{name: "text", result: cel.StringType, read: readText},
		{name: "integer", result: cel.IntType, read: readInteger},
		{name: "number", result: cel.DoubleType, read: readNumber},
		{name: "boolean", result: cel.BoolType, read: readBoolean},
		{name: "enum", result: cel.StringType, read: readEnum},
		{name: "items", result: cel.ListType(dyn), read: readItems, whole: true},
		{name: "links", result: cel.ListType(cel.StringType), read: readLinks, whole: true},
		{name: "pairs", result: cel.ListType(entityType()), read: readPairs, whole: true},
		{name: "port", result: cel.IntType, read: readPort, wantsAbsent: true},
		{name: "protocol", result: cel.StringType, read: readProtocol},
		{name: "quantity", result: cel.StringType, read: readQuantity},
	}
}

func readText(value any, at place) (ref.Val, error) {
	text, ok := asText(value)
	if !ok {
		return nil, at.wrongType(value, ", not a text")
	}
	return types.String(text), nil
}

func readInteger(value any, at place) (ref.Val, error) {
	n, ok := asInt(value)
	if !ok {
		return nil, at.wrongType(value, " that is not a whole number")
	}
	return types.Int(n), nil
}

func readBoolean(value any, at place) (ref.Val, error) {
	b, ok := ngsild.Truth(value)
	if !ok {
		return nil, at.wrongType(value, " that is neither true nor false")
	}
	return types.Bool(b), nil
}

// readEnum reads the value of an enumeration in either dialect.
func readEnum(value any, at place) (ref.Val, error) {
	text, ok := asText(value)
	if !ok {
		return nil, at.wrongType(value, ", not a text")
	}
	return types.String(strings.TrimSpace(text[strings.LastIndexByte(text, ':')+1:])), nil
}

// readItems reads a list; a single item is a list of one.
func readItems(value any, _ place) (ref.Val, error) {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	return adapter{}.NativeToValue(list), nil
}

func readLinks(value any, _ place) (ref.Val, error) {
	e := ngsild.Entity{Attrs: map[string]ngsild.Attribute{"x": {Value: value}}}
	links := []any{}
	for _, id := range e.Links("x") {
		links = append(links, string(id))
	}
	return adapter{}.NativeToValue(links), nil
}

// readPairs reads variables or arguments as a list of {key, value}; without any it is absent.
func readPairs(value any, at place) (ref.Val, error) {
	pairs, wrong := pairsOf(value, at.name)
	if wrong != nil {
		at.name = wrong.field
		return nil, at.invalid(ReasonInvalidValue, wrong.message)
	}
	if len(pairs) == 0 {
		return nil, nil
	}
	list := make([]any, len(pairs))
	for i, p := range pairs {
		item := map[string]any{"key": p.key}
		if p.value != "" {
			item["value"] = p.value
		}
		list[i] = item
	}
	return &fresh{Lister: types.NewDynamicList(adapter{}, list), list: list}, nil
}
