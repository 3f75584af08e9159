package mapping

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// evaluation holds the variables of one rendering or observation. It serves one goroutine.
type evaluation struct {
	variables variables
	// lets are the names that the mapping in use defines; each is computed when it is first asked for.
	lets     []let
	computed []any // as lets; nil: not asked for yet
	// The variable of the loop that is being gone through in a quick way.
	inLoop    bool
	loopName  string
	loopValue ref.Val
	// trace, if set, is told of every expression that was computed.
	trace func(x *expression, value ref.Val, err error)
}

// variables are the names that an expression finds.
type variables interface {
	// variable is nil for a name that is none.
	variable(name string) any
}

// let is a name that a mapping gives to an expression.
type let struct {
	name  string
	value *expression
}

// ResolveName implements CEL's activation.
func (e *evaluation) ResolveName(name string) (any, bool) {
	if value := e.variables.variable(name); value != nil {
		return value, true
	}
	for i, l := range e.lets {
		if l.name != name {
			continue
		}
		if e.computed == nil {
			e.computed = make([]any, len(e.lets))
		}
		if e.computed[i] == nil {
			e.computed[i] = l.resolve(e)
		}
		return e.computed[i], true
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

// named are variables by name.
type named map[string]any

func (n named) variable(name string) any { return n[name] }
