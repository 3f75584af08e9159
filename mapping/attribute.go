package mapping

import (
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// checkAttributes finds attribute names in an expression that look like misspellings of known ones.
func (c *compiler) checkAttributes(x *expression) {
	root := ast.NavigateAST(x.checked)
	for _, e := range ast.MatchDescendants(root, ast.AllMatcher()) {
		operand, name := attributeOf(e)
		if operand == nil {
			continue
		}
		kind := kindOf(operand)
		if kind == noKind || slices.Contains(c.known[kind], name) {
			continue
		}
		if near := nearest(name, c.known[kind]); near != "" {
			line, column := x.line, x.column
			if _, known := x.checked.SourceInfo().GetOffsetRange(e.ID()); known {
				location := x.checked.SourceInfo().GetStartLocation(e.ID())
				line, column = position(x.source, x.line, x.column, location.Line(), location.Column())
			}
			c.doc.problemAt(line, column, x.path,
				"no attribute %q of %s is known, did you mean %q? (else declare it under spec.attributes.%s) in ${%s}",
				name, kind.variableName(), near, kind.variableName(), excerpt(x.source))
		}
	}
}

// attributeOf is the operand and the attribute's name, where e reads an attribute by name.
func attributeOf(e ast.NavigableExpr) (ast.NavigableExpr, string) {
	switch e.Kind() {
	case ast.SelectKind:
		return e.Children()[0], e.AsSelect().FieldName()
	case ast.CallKind:
		call := e.AsCall()
		name := call.FunctionName()
		reads := name == operators.Index || name == operators.OptIndex || name == operators.OptSelect ||
			strings.HasSuffix(name, ofAttribute) || strings.HasSuffix(name, orDefault) || strings.HasSuffix(name, ofOptional)
		if !reads || len(call.Args()) < 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return nil, ""
		}
		if text, isText := call.Args()[1].AsLiteral().(types.String); isText {
			return e.Children()[0], string(text)
		}
	}
	return nil, ""
}

// kindOf is the kind of entity that an expression stands for, where that can be seen.
func kindOf(e ast.NavigableExpr) entityKind {
	switch e.Kind() {
	case ast.IdentKind:
		name := e.AsIdent()
		if loop, ranged := loopOf(e, name); loop {
			if ranged != nil && isPorts(ranged) {
				return portKind
			}
			return noKind
		}
		return entityVariables()[name]
	case ast.CallKind:
		name := e.AsCall().FunctionName()
		if (name == operators.Index || name == operators.OptIndex) && len(e.Children()) > 0 && isPorts(e.Children()[0]) {
			return portKind
		}
	}
	return noKind
}

// loopOf finds the innermost loop around e whose variable is name, and what it goes over.
func loopOf(e ast.NavigableExpr, name string) (loop bool, ranged ast.NavigableExpr) {
	child := e
	for parent, has := e.Parent(); has; parent, has = child.Parent() {
		if parent.Kind() == ast.ComprehensionKind && parent.AsComprehension().IterVar() == name {
			if over := parent.Children()[0]; over.ID() != child.ID() {
				return true, unordered(over)
			}
		}
		child = parent
	}
	return false, nil
}

// isPorts reports the list of ports, or a selection of it.
func isPorts(e ast.NavigableExpr) bool {
	switch e.Kind() {
	case ast.IdentKind:
		shadowed, _ := loopOf(e, portsVariable)
		return e.AsIdent() == portsVariable && !shadowed
	case ast.ComprehensionKind:
		// filter's step adds the variable itself to the result; map's adds something else.
		loop := e.AsComprehension()
		step := loop.LoopStep()
		if step.Kind() != ast.CallKind || step.AsCall().FunctionName() != operators.Conditional {
			return false
		}
		return isPorts(unordered(e.Children()[0]))
	}
	return false
}
