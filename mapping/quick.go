package mapping

import (
	"errors"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// quick computes an expression as the interpreter would, an error being a value too. Most expressions of a
// mapping read an attribute or two, and the interpreter's machinery costs several times what that takes.
// What a quick way has no answer for is slow, and left to the interpreter. A test holds the two against each other.
type quick func(e *evaluation) ref.Val

// slow is the value of what the interpreter has to compute after all.
var slow = types.WrapErr(errSlow)

var errSlow = errors.New("not quick")

// quickly is nil for an expression that has no quick way. brief ones may hold loops and additions.
func quickly(x ast.Expr) quick {
	switch x.Kind() {
	case ast.LiteralKind:
		value := x.AsLiteral()
		return func(*evaluation) ref.Val { return value }
	case ast.IdentKind:
		name := x.AsIdent()
		return func(e *evaluation) ref.Val { return e.value(name) }
	case ast.SelectKind:
		return quickSelect(x.AsSelect())
	case ast.CallKind:
		return quickCall(x.AsCall())
	case ast.MapKind:
		return quickMap(x.AsMap())
	case ast.ComprehensionKind:
		return quickLoop(x.AsComprehension())
	}
	return nil
}

// value is that of the variable of a loop, of a variable or of a let.
func (e *evaluation) value(name string) ref.Val {
	if e.inLoop && e.loopName == name {
		return e.loopValue
	}
	value, found := e.ResolveName(name)
	if !found {
		return slow
	}
	return adapter{}.NativeToValue(value)
}

// quickSelect reads an attribute of an entity by its name, or asks whether it is there.
func quickSelect(x ast.SelectExpr) quick {
	if x.Operand().Kind() != ast.IdentKind {
		return nil
	}
	variable, field, asks := x.Operand().AsIdent(), types.String(x.FieldName()), x.IsTestOnly()
	return func(e *evaluation) ref.Val {
		entity, isEntity := e.value(variable).(*entityValue)
		switch {
		case !isEntity:
			return slow
		case asks:
			return entity.Contains(field)
		}
		return entity.Get(field)
	}
}

func quickCall(x ast.CallExpr) quick {
	args := make([]quick, 0, 1+len(x.Args()))
	if x.IsMemberFunction() {
		args = append(args, quickly(x.Target()))
	}
	for _, arg := range x.Args() {
		args = append(args, quickly(arg))
	}
	for _, arg := range args {
		if arg == nil {
			return nil
		}
	}
	switch name := x.FunctionName(); name {
	case operators.Conditional, operators.LogicalAnd:
		return quickCondition(args)
	case operators.LogicalNot:
		return strict(args, func(values []ref.Val) ref.Val { return not(values[0]) })
	case operators.Add:
		return strict(args, func(values []ref.Val) ref.Val { return added(values[0], values[1]) })
	case operators.OptSelect:
		return strict(args, func(values []ref.Val) ref.Val { return optionalField(values[0], values[1]) })
	case "or":
		return quickOr(args, func(optional *types.Optional) ref.Val { return optional })
	case "orValue":
		return quickOr(args, (*types.Optional).GetValue)
	case "optional.of":
		return strict(args, func(values []ref.Val) ref.Val { return types.OptionalOf(values[0]) })
	case "optional.ofNonZeroValue":
		return strict(args, func(values []ref.Val) ref.Val { return optionalList(values[0]) })
	case "optional.none":
		return func(*evaluation) ref.Val { return types.OptionalNone }
	default:
		return quickFunction(name, args)
	}
}

// strict is a function that is not called with an error: that is its value then.
func strict(args []quick, f func(values []ref.Val) ref.Val) quick {
	return func(e *evaluation) ref.Val {
		var few [3]ref.Val
		values := few[:0]
		for _, arg := range args {
			value := arg(e)
			if types.IsError(value) {
				return value
			}
			values = append(values, value)
		}
		return f(values)
	}
}

func not(v ref.Val) ref.Val {
	if b, isBool := v.(types.Bool); isBool {
		return !b
	}
	return slow
}

// quickCondition is a ? b : c, or a && b.
func quickCondition(args []quick) quick {
	return func(e *evaluation) ref.Val {
		switch holds := args[0](e); {
		case holds == types.True:
			return args[1](e)
		case holds == types.False && len(args) == 3:
			return args[2](e)
		case holds == types.False:
			return holds
		default:
			return slow
		}
	}
}

func optionalField(operand, name ref.Val) ref.Val {
	if optional, isOptional := operand.(*types.Optional); isOptional {
		if !optional.HasValue() {
			return optional
		}
		operand = optional.GetValue()
	}
	entity, isMap := operand.(traits.Mapper)
	if !isMap {
		return slow
	}
	switch value, found := entity.Find(name); {
	case found:
		return types.OptionalOf(value)
	case value != nil:
		return value
	default:
		return types.OptionalNone
	}
}

// quickOr is the optional itself, by taken, or the other thing.
func quickOr(args []quick, taken func(*types.Optional) ref.Val) quick {
	return func(e *evaluation) ref.Val {
		optional, isOptional := args[0](e).(*types.Optional)
		switch {
		case !isOptional:
			return slow
		case optional.HasValue():
			return taken(optional)
		}
		return args[1](e)
	}
}

// quickFunction calls one of our own functions: of a text, or a reader's hidden one.
func quickFunction(name string, args []quick) quick {
	if f := textFunctions()[name]; f != nil {
		return strict(args, func(values []ref.Val) ref.Val { return applyText(f, values[0]) })
	}
	switch name {
	case "lowerAscii":
		return strict(args, func(values []ref.Val) ref.Val { return applyText(lowerASCII, values[0]) })
	case "knownProtocol":
		return strict(args, func(values []ref.Val) ref.Val { return isKnownProtocol(values[0]) })
	case "show":
		return strict(args, func(values []ref.Val) ref.Val { return showValue(values[0]) })
	}
	for _, r := range readers() {
		switch name {
		case r.name + ofAttribute:
			return strict(args, func(values []ref.Val) ref.Val { return valueOr(r.attribute(values[0], values[1]))(nil) })
		case r.name + orDefault:
			return strict(args, func(values []ref.Val) ref.Val { return valueOr(r.attribute(values[0], values[1]))(values[2]) })
		case r.name + ofOptional:
			return strict(args, func(values []ref.Val) ref.Val { return optionalOf(r.attribute(values[0], values[1])) })
		}
	}
	return nil
}
