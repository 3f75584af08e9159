package mapping

import (
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"
)

// choice finds the mappings that may be for a component without asking each one, so that many mappings
// cost next to nothing. Most have a condition that compares something with a text, or asks for an
// attribute; those with the same subject share a question: it is answered once, and the answer leads
// to the mappings that wait for it. Mappings are numbers into Set.mappings.
type choice struct {
	questions []*question
	presences []*presence
	// asked are the mappings without such a condition.
	asked []int
}

// question is a subject that conditions compare with texts.
type question struct {
	probe   *expression
	lets    []let
	answers map[string][]int
	all     []int
}

// presence is an entity of which conditions want attributes to be there.
type presence struct {
	variable string
	waiting  map[string][]int // by attribute
	all      []int
}

// discriminator is what a mapping's condition asks: one of subject and attribute is set.
type discriminator struct {
	key                 string
	subject             *expression
	lets                []let
	answers             []string
	variable, attribute string
	// decides is the number of the condition that says nothing but this, -1 if there is more to it.
	decides int
}

func newChoice(mappings []*definition) *choice {
	c := &choice{}
	questions, presences := map[string]*question{}, map[string]*presence{}
	for i, m := range mappings {
		d := m.discriminator
		switch {
		case d == nil:
			c.asked = append(c.asked, i)
		case d.subject != nil:
			q := questions[d.key]
			if q == nil {
				q = &question{probe: d.subject, lets: d.lets, answers: map[string][]int{}}
				questions[d.key], c.questions = q, append(c.questions, q)
			}
			q.all = append(q.all, i)
			for _, answer := range d.answers {
				q.answers[answer] = append(q.answers[answer], i)
			}
		default:
			p := presences[d.variable]
			if p == nil {
				p = &presence{variable: d.variable, waiting: map[string][]int{}}
				presences[d.variable], c.presences = p, append(c.presences, p)
			}
			p.all = append(p.all, i)
			p.waiting[d.attribute] = append(p.waiting[d.attribute], i)
		}
	}
	return c
}

// candidate is a mapping whose conditions may hold. sure: the one that it was found by does.
type candidate struct {
	mapping int
	sure    bool
}

func appendCandidates(to []candidate, sure bool, mappings ...int) []candidate {
	for _, i := range mappings {
		to = append(to, candidate{i, sure})
	}
	return to
}

// candidates are the mappings whose conditions may hold, in the order of the set.
func (c *choice) candidates(e *evaluation) []candidate {
	candidates := appendCandidates(make([]candidate, 0, len(c.asked)+4), false, c.asked...)
	for _, q := range c.questions {
		e.use(q.lets)
		value, err := q.probe.compute(e)
		switch text, isText := value.(types.String); {
		case err != nil && !isAbsent(err):
			candidates = appendCandidates(candidates, false, q.all...) // each says so itself, if it comes to that
		case err == nil && isText:
			candidates = appendCandidates(candidates, true, q.answers[string(text)]...)
		}
	}
	for _, p := range c.presences {
		candidates = p.candidates(e, candidates)
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return a.mapping - b.mapping })
	return slices.Compact(candidates)
}

func (p *presence) candidates(e *evaluation, candidates []candidate) []candidate {
	entity, isEntity := e.variables.variable(p.variable).(*entityValue)
	if !isEntity || entity.missing != "" {
		return appendCandidates(candidates, false, p.all...)
	}
	if len(p.waiting) > len(entity.entity.Attrs)+2 {
		for name := range entity.entity.Attrs {
			if waiting := p.waiting[name]; waiting != nil {
				candidates = appendCandidates(candidates, false, waiting...) // the attribute may be blank
			}
		}
		return appendCandidates(appendCandidates(candidates, false, p.waiting["id"]...), false, p.waiting["type"]...)
	}
	for name, waiting := range p.waiting {
		if value, err := entity.raw(name); value != nil || err != nil {
			candidates = appendCandidates(candidates, false, waiting...)
		}
	}
	return candidates
}

// discriminate finds what decides most cheaply whether a mapping is for a component; nil if none of
// its conditions has the shape.
func (c *compiler) discriminate() *discriminator {
	for i, x := range c.mapping.when {
		if x == nil {
			continue
		}
		terms := conjuncts(x.checked.Expr())
		for _, term := range terms {
			if d := c.discriminator(x, term); d != nil {
				if d.decides = -1; len(terms) == 1 {
					d.decides = i
				}
				return d
			}
		}
	}
	return nil
}

// conjuncts are the terms of a && b && c.
func conjuncts(e ast.Expr) []ast.Expr {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.LogicalAnd {
		return []ast.Expr{e}
	}
	var terms []ast.Expr
	for _, term := range e.AsCall().Args() {
		terms = append(terms, conjuncts(term)...)
	}
	return terms
}

func (c *compiler) discriminator(x *expression, term ast.Expr) *discriminator {
	if term.Kind() == ast.SelectKind && term.AsSelect().IsTestOnly() && term.AsSelect().Operand().Kind() == ast.IdentKind {
		variable := term.AsSelect().Operand().AsIdent()
		if entityVariables()[variable] != noKind {
			return &discriminator{variable: variable, attribute: term.AsSelect().FieldName()}
		}
	}
	subject, answers := comparison(term)
	if subject == nil {
		return nil
	}
	if subject.Kind() == ast.IdentKind {
		for i, l := range c.mapping.lets {
			if l.name == subject.AsIdent() && !mentions(l.value.checked.Expr(), c.mapping.lets[:i]) {
				return &discriminator{key: oneLine(l.value.source), subject: l.value, answers: answers}
			}
		}
		return nil
	}
	source, err := parser.Unparse(subject, x.checked.SourceInfo())
	if err != nil || mentions(subject, c.mapping.lets) {
		return nil
	}
	quiet := &compiler{doc: &document{file: x.file}, mapping: c.mapping, known: c.known}
	probe := quiet.compile(c.render, source, x.line, x.column, x.path, x.field)
	if probe == nil || !probe.result.IsExactType(cel.StringType) && !probe.result.IsExactType(cel.DynType) {
		return nil
	}
	return &discriminator{key: source, subject: probe, answers: answers}
}

// mentions reports an expression that uses one of the names.
func mentions(e ast.Expr, names []let) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind {
			found = found || slices.ContainsFunc(names, func(l let) bool { return l.name == e.AsIdent() })
		}
	}))
	return found
}

// comparison takes `subject == "text"` and `subject in ["text", …]` apart.
func comparison(e ast.Expr) (subject ast.Expr, answers []string) {
	if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
		return nil, nil
	}
	left, right := e.AsCall().Args()[0], e.AsCall().Args()[1]
	switch e.AsCall().FunctionName() {
	case operators.Equals:
		if left.Kind() == ast.LiteralKind {
			left, right = right, left
		}
		if text, isText := literalText(right); isText {
			return left, []string{text}
		}
	case operators.In:
		if right.Kind() != ast.ListKind {
			return nil, nil
		}
		for _, element := range right.AsList().Elements() {
			text, isText := literalText(element)
			if !isText {
				return nil, nil
			}
			answers = append(answers, text)
		}
		return left, answers
	}
	return nil, nil
}

func literalText(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, isText := e.AsLiteral().(types.String)
	return string(text), isText
}
