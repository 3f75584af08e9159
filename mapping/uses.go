package mapping

import (
	"maps"
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// Attributes are the names of the attributes that rendering with the set can read, sorted, for each
// role: component, element, orchestrator, domain, service and port. They hold the links between the
// entities too. nil means all of them: an expression reads names that only its values tell.
func (s *Set) Attributes() map[string][]string {
	u := uses{attrs: map[entityKind]map[string]bool{}, all: map[entityKind]bool{}}
	for kind := componentKind; kind <= portKind; kind++ {
		u.attrs[kind] = map[string]bool{}
	}
	for kind, names := range alwaysRead() {
		for _, name := range names {
			u.read(kind, name)
		}
	}
	for _, m := range s.mappings {
		m.eachExpression(u.add)
	}
	byRole := map[string][]string{}
	for kind, names := range u.attrs {
		role := kind.variableName()
		if kind == portKind {
			role = "port"
		}
		byRole[role] = slices.AppendSeq([]string{}, maps.Keys(names))
		slices.Sort(byRole[role])
		if u.all[kind] {
			byRole[role] = nil
		}
	}
	return byRole
}

// alwaysRead are the attributes that are read whatever the mappings say.
func alwaysRead() map[entityKind][]string {
	return map[entityKind][]string{
		componentKind:    {attrElement, attrService, attrPorts},
		elementKind:      {attrOrchestrator, attrDomain, "containerTechnology"},
		orchestratorKind: {"orchestrationType"},
	}
}

// uses gathers what expressions read.
type uses struct {
	attrs map[entityKind]map[string]bool
	all   map[entityKind]bool
}

func (u uses) read(kind entityKind, name string) {
	if name == "id" || name == "type" {
		return // of the entity itself, not attributes
	}
	u.attrs[kind][name] = true
	if alias := portAlias(name); alias != "" && kind == portKind {
		u.attrs[kind][alias] = true
	}
}

// add looks at each entity, and each list of ports, in an expression. One that stands anywhere but
// where an attribute of it is named may be read as a whole.
func (u uses) add(x *expression) {
	for _, e := range ast.MatchDescendants(ast.NavigateAST(x.checked), ast.AllMatcher()) {
		if kind := kindOf(e); kind != noKind {
			name, known := attributeRead(e)
			switch {
			case known && name != "":
				u.read(kind, name)
			case !known:
				u.all[kind] = true
			}
		} else if isPorts(e) && !portsUnderstood(e) {
			u.all[portKind] = true
		}
	}
}

// attributeRead is the attribute of the entity e that the expression around e reads; none where it only
// hands e on within a selection of ports.
func attributeRead(e ast.NavigableExpr) (name string, known bool) {
	parent, has := e.Parent()
	if !has {
		return "", false
	}
	if operand, name := attributeOf(parent); operand != nil && operand.ID() == e.ID() {
		return name, true
	}
	if parent.Kind() == ast.CallKind && parent.AsCall().FunctionName() == operators.In {
		if text, isText := literalText(parent.AsCall().Args()[0]); isText && parent.Children()[1].ID() == e.ID() {
			return text, true
		}
	}
	return "", handedOn(parent)
}

// handedOn reports the list around the item that filter adds to its result.
func handedOn(list ast.NavigableExpr) bool {
	if list.Kind() != ast.ListKind {
		return false
	}
	child := list
	for parent, has := list.Parent(); has; parent, has = child.Parent() {
		if parent.Kind() == ast.ComprehensionKind {
			return parent.Children()[0].ID() != child.ID() && isPorts(parent) && isStepOf(parent, list)
		}
		child = parent
	}
	return false
}

// isStepOf reports the list that the steps `condition ? result + list : result` of a loop add.
func isStepOf(loop, list ast.NavigableExpr) bool {
	step := loop.AsComprehension().LoopStep()
	if step.Kind() != ast.CallKind || len(step.AsCall().Args()) != 3 {
		return false
	}
	sum := step.AsCall().Args()[1]
	if sum.Kind() != ast.CallKind || len(sum.AsCall().Args()) != 2 {
		return false
	}
	return sum.AsCall().Args()[1].ID() == list.ID()
}

// portsUnderstood reports a list of ports that is counted, looped over, or asked for one port.
func portsUnderstood(e ast.NavigableExpr) bool {
	parent, has := e.Parent()
	if !has {
		return false
	}
	switch parent.Kind() {
	case ast.ComprehensionKind:
		return parent.Children()[0].ID() == e.ID()
	case ast.CallKind:
		switch parent.AsCall().FunctionName() {
		case "size":
			return true
		case ordered:
			return portsUnderstood(parent)
		case operators.Index, operators.OptIndex:
			return parent.Children()[0].ID() == e.ID() && isNumber(parent.AsCall().Args()[1])
		}
	}
	return false
}

func isNumber(e ast.Expr) bool {
	if e.Kind() != ast.LiteralKind {
		return false
	}
	_, isInt := e.AsLiteral().(types.Int)
	return isInt
}

// eachExpression tells visit of all expressions that render, those of the status rules left out.
func (m *definition) eachExpression(visit func(*expression)) {
	for _, l := range m.lets {
		visit(l.value)
	}
	for _, x := range m.when {
		visit(x)
	}
	for _, r := range m.requires {
		visit(r.that)
		eachOf(r.message, visit)
	}
	for _, t := range m.warnings {
		eachOf(t, visit)
	}
	for _, o := range m.objects {
		if o.when != nil {
			visit(o.when)
		}
		eachOf(o.body, visit)
	}
}

func eachOf(t template, visit func(*expression)) {
	switch t := t.(type) {
	case whole:
		visit(t.expression)
	case mixed:
		for _, x := range t.expressions {
			if x != nil {
				visit(x)
			}
		}
	case object:
		for _, value := range t.values {
			eachOf(value, visit)
		}
	case sequence:
		for _, item := range t {
			eachOf(item, visit)
		}
	}
}
