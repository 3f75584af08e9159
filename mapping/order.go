package mapping

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// ordered is a hidden function around what a loop goes over. The library walks the maps that an
// expression makes in Go's order, which is another one each time.
const ordered = "@ordered"

func orderedFunction() cel.EnvOption {
	a, b := cel.TypeParamType("A"), cel.TypeParamType("B")
	list, dictionary := cel.ListType(a), cel.MapType(a, b)
	return cel.Function(ordered,
		cel.Overload("ordered_list", []*cel.Type{list}, list, cel.UnaryBinding(inOrder)),
		cel.Overload("ordered_map", []*cel.Type{dictionary}, dictionary, cel.UnaryBinding(inOrder)),
	)
}

func inOrder(v ref.Val) ref.Val {
	switch m := v.(type) {
	case sortedMap, *entityValue:
		return v
	case traits.Mapper:
		return sortedMap{m}
	}
	return v
}

// orderLoops puts the function around the range of every loop.
func orderLoops(parsed *ast.AST) {
	factory := ast.NewExprFactory()
	next := ast.MaxID(parsed)
	ast.PostOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.ComprehensionKind || e.AsComprehension().IterRange().Kind() == ast.ListKind {
			return
		}
		over := e.AsComprehension().IterRange()
		next++
		inner, id := factory.CopyExpr(over), over.ID()
		inner.RenumberIDs(func(old int64) int64 {
			if old == id {
				return next
			}
			return old
		})
		if place, known := parsed.SourceInfo().GetOffsetRange(id); known {
			parsed.SourceInfo().SetOffsetRange(next, place)
		}
		over.SetKindCase(factory.NewCall(id, ordered, inner))
	}))
}

// unordered sees through the function.
func unordered(e ast.NavigableExpr) ast.NavigableExpr {
	for e.Kind() == ast.CallKind && e.AsCall().FunctionName() == ordered {
		e = e.Children()[0]
	}
	return e
}
