package mapping

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// evaluation holds the variables of one rendering or observation. It serves one goroutine.
type evaluation struct {
	variables map[string]any
	// lets are the names that the mapping in use defines; each is computed when it is first asked for.
	lets     []let
	computed map[string]any
	// trace, if set, is told of every expression that was computed.
	trace func(x *expression, value ref.Val, err error)
}

// let is a name that a mapping gives to an expression.
type let struct {
	name  string
	value *expression
}

// ResolveName implements CEL's activation.
func (e *evaluation) ResolveName(name string) (any, bool) {
	if value, found := e.variables[name]; found {
		return value, true
	}
	if value, found := e.computed[name]; found {
		return value, true
	}
	for _, l := range e.lets {
		if l.name == name {
			value := l.resolve(e)
			if e.computed == nil {
				e.computed = make(map[string]any, len(e.lets))
			}
			e.computed[name] = value
			return value, true
		}
	}
	return nil, false
}

// Parent implements CEL's activation.
func (e *evaluation) Parent() cel.Activation { return nil }

// resolve computes a name: a value or an error, each as CEL wants it.
func (l let) resolve(e *evaluation) any {
	optional := l.value.result.Kind() == types.OpaqueKind && l.value.result.TypeName() == "optional_type"
	value, err := l.value.eval(e)
	switch {
	case err == nil && optional:
		return types.OptionalOf(value)
	case err == nil:
		return value
	case optional && isAbsent(err):
		return types.OptionalNone
	}
	return types.WrapErr(err)
}

// use makes the names of a mapping those of the evaluation.
func (e *evaluation) use(lets []let) {
	e.lets, e.computed = lets, nil
}
