package mapping

import (
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// The work of an expression is counted while it runs, which takes longer than the work itself. What cannot do
// much of it is not counted.

// cheap reports an expression that cannot do more work than its length allows: no loops, and no function
// that makes larger values of smaller ones. Its cost is limited by maxExpression.
func cheap(root ast.Expr) bool {
	plain := true
	ast.PostOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			plain = false
		case ast.CallKind:
			plain = plain && cheapCall(e.AsCall().FunctionName())
		}
	}))
	return plain
}

func cheapCall(name string) bool {
	if at := strings.Index(name, "@"); at > 0 { // a reader's hidden function; `@in` is the library's
		name = name[:at]
	}
	return contains(cheapCalls(), name) || slices.ContainsFunc(readers(), func(r reader) bool { return r.name == name })
}

func cheapCalls() []string {
	return []string{
		operators.Conditional, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot,
		operators.Equals, operators.NotEquals, operators.In, operators.OptSelect, "or", "orValue", "hasValue",
		"optional.of", "optional.none", "optional.ofNonZeroValue", "lowerAscii", "upperAscii", "trim",
		"aerosName", "aerosLabel", "dnsLabel", "hash", "registryHost", "firstText", "knownProtocol", "show", "typeName",
		"condition", "conditionTypes",
	}
}

// Bounds of what is small enough not to be counted: a hundred thousand steps at the worst, or the copying of some
// megabytes.
const (
	maxBrief     = 1 << 10 // of an expression, in characters
	maxFewPorts  = 16
	maxShortText = 256
)

// brief reports an expression that does little as long as there are few ports with short values: cheap but for
// adding texts and for loops over the ports, none inside of another, that read nothing else.
func brief(source string, root ast.Expr) bool {
	little := len(source) <= maxBrief
	var visit func(e ast.Expr, loop []string)
	visit = func(e ast.Expr, loop []string) {
		switch e.Kind() {
		case ast.IdentKind:
			little = little && (e.AsIdent() == portsVariable || slices.Contains(loop, e.AsIdent()))
		case ast.SelectKind:
			visit(e.AsSelect().Operand(), loop)
		case ast.ListKind:
			for _, item := range e.AsList().Elements() {
				visit(item, loop)
			}
		case ast.MapKind:
			for _, entry := range e.AsMap().Entries() {
				visit(entry.AsMapEntry().Key(), loop)
				visit(entry.AsMapEntry().Value(), loop)
			}
		case ast.CallKind:
			name := e.AsCall().FunctionName()
			little = little && (cheapCall(name) || name == operators.Add || name == ordered)
			if e.AsCall().IsMemberFunction() {
				visit(e.AsCall().Target(), loop)
			}
			for _, arg := range e.AsCall().Args() {
				visit(arg, loop)
			}
		case ast.ComprehensionKind:
			c := e.AsComprehension()
			little = little && loop == nil
			visit(c.IterRange(), loop)
			for _, part := range []ast.Expr{c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()} {
				visit(part, []string{c.IterVar(), c.IterVar2(), c.AccuVar()})
			}
		}
	}
	visit(root, nil)
	return little
}

// fewPorts reports that brief expressions need not be counted.
func (e *evaluation) fewPorts() bool {
	v, hasPorts := e.variables.(*entities)
	return hasPorts && v.few()
}

func (v *entities) few() bool {
	if len(v.ports.ports) > maxFewPorts {
		return false
	}
	for i := range v.ports.ports {
		port := v.ports.ports[i].entity
		if len(port.ID) > maxShortText || len(port.Attrs) > maxFewPorts {
			return false
		}
		for _, attribute := range port.Attrs {
			switch value := attribute.Value.(type) {
			case string:
				if len(value) > maxShortText {
					return false
				}
			case []any, map[string]any:
				return false
			}
		}
	}
	return true
}
