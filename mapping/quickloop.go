package mapping

import (
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// Loops, maps and additions have a quick way in brief expressions only: see brief. Whatever goes wrong in one is left
// to the interpreter, which knows how to say it.

// quickLoop is list.map(x, …) or list.filter(x, …).
func quickLoop(loop ast.ComprehensionExpr) quick {
	over := loop.IterRange()
	if over.Kind() == ast.CallKind && over.AsCall().FunctionName() == ordered {
		over = over.AsCall().Args()[0] // a list is in order, and nothing else is gone over here
	}
	list, wanted, item := quickly(over), quick(nil), ast.Expr(nil)
	step := loop.LoopStep()
	if isCall(step, operators.Conditional, 3) && isName(step.AsCall().Args()[2], loop.AccuVar()) {
		if wanted = quickly(step.AsCall().Args()[0]); wanted == nil {
			return nil
		}
		step = step.AsCall().Args()[1]
	}
	if isCall(step, operators.Add, 2) && isName(step.AsCall().Args()[0], loop.AccuVar()) && step.AsCall().Args()[1].Kind() == ast.ListKind {
		if items := step.AsCall().Args()[1].AsList(); items.Size() == 1 && len(items.OptionalIndices()) == 0 {
			item = items.Elements()[0]
		}
	}
	empty := loop.AccuInit().Kind() == ast.ListKind && loop.AccuInit().AsList().Size() == 0
	whole := loop.LoopCondition().Kind() == ast.LiteralKind && loop.LoopCondition().AsLiteral() == types.True
	if list == nil || item == nil || !empty || !whole || !isName(loop.Result(), loop.AccuVar()) || loop.HasIterVar2() {
		return nil
	}
	body := quickly(item)
	if body == nil {
		return nil
	}
	name := loop.IterVar()
	return func(e *evaluation) ref.Val {
		items, isList := list(e).(traits.Lister)
		if !isList || e.inLoop {
			return slow
		}
		return e.loop(name, items, wanted, body)
	}
}

func isCall(x ast.Expr, name string, args int) bool {
	return x.Kind() == ast.CallKind && x.AsCall().FunctionName() == name && len(x.AsCall().Args()) == args
}

func isName(x ast.Expr, name string) bool { return x.Kind() == ast.IdentKind && x.AsIdent() == name }

// loop gathers what body makes of the items that are wanted.
func (e *evaluation) loop(name string, items traits.Lister, wanted, body quick) ref.Val {
	e.inLoop, e.loopName = true, name
	defer func() { e.inLoop, e.loopValue = false, nil }()
	size, _ := items.Size().(types.Int)
	made := make([]ref.Val, 0, size)
	for i := range size {
		e.loopValue = items.Get(i)
		if wanted != nil {
			switch wanted(e) {
			case types.True:
			case types.False:
				continue
			default:
				return slow
			}
		}
		value := body(e)
		if types.IsError(value) {
			return slow
		}
		made = append(made, value)
	}
	return types.NewRefValList(adapter{}, made)
}

// quickMap is a map with plain keys; an optional entry without a value is left out.
func quickMap(x ast.MapExpr) quick {
	type entry struct {
		key      string
		value    quick
		optional bool
	}
	entries := make([]entry, 0, x.Size())
	for _, one := range x.Entries() {
		key, isText := literalText(one.AsMapEntry().Key())
		value := quickly(one.AsMapEntry().Value())
		if !isText || value == nil {
			return nil
		}
		for _, before := range entries {
			if before.key == key {
				return nil
			}
		}
		entries = append(entries, entry{key, value, one.AsMapEntry().IsOptional()})
	}
	return func(e *evaluation) ref.Val {
		made := make(map[string]any, len(entries))
		for _, one := range entries {
			value := one.value(e)
			if types.IsError(value) {
				return slow
			}
			if one.optional {
				optional, isOptional := value.(*types.Optional)
				if !isOptional {
					return slow
				}
				if !optional.HasValue() {
					continue
				}
				value = optional.GetValue()
			}
			made[one.key] = value
		}
		return adapter{}.NativeToValue(made)
	}
}

func added(a, b ref.Val) ref.Val {
	left, isText := a.(types.String)
	right, areTexts := b.(types.String)
	if !isText || !areTexts {
		return slow
	}
	return left + right
}

// optionalList is none for a list without items.
func optionalList(v ref.Val) ref.Val {
	list, isList := v.(traits.Lister)
	switch {
	case !isList:
		return slow
	case list.Size() == types.IntZero:
		return types.OptionalNone
	}
	return types.OptionalOf(v)
}
