package mapping

import (
	"errors"
	"regexp"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// expression is a compiled CEL expression and where it was written. It is immutable.
type expression struct {
	source       string // as written
	mapping      string
	file         string
	line, column int
	path         string // in the file
	field        string // in the object, or in the mapping
	program      cel.Program
	quick        quick // nil: by the program
	// brief is the program without a limit of its work, for short lists of ports; nil if there is none.
	brief   cel.Program
	checked *ast.AST
	result  *cel.Type
	// strict are the ids of the nodes inside of loops and literals: nothing may be absent there,
	// because it would take the whole list or map with it.
	strict map[int64]bool
}

// compile checks an expression; what is wrong becomes problems of the document and the result nil.
func (c *compiler) compile(env *cel.Env, source string, line, column int, path, field string) *expression {
	x := &expression{
		source: source, mapping: c.mapping.name, file: c.doc.file, line: line, column: column, path: path, field: field,
	}
	checked, issues := env.Parse(source)
	if issues.Err() == nil {
		orderLoops(checked.NativeRep())
		checked, issues = env.Check(checked)
	}
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			at, column := position(source, line, column, e.Location.Line(), e.Location.Column())
			c.doc.problemAt(at, column, path, "%s in ${%s}", c.plainIssue(e.Message), excerpt(source))
		}
		return nil
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if !cheap(checked.NativeRep().Expr()) {
		options = append(options, cel.CostLimit(maxCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		c.doc.problemAt(line, column, path, "%v in ${%s}", oneLine(err.Error()), excerpt(source))
		return nil
	}
	root := checked.NativeRep().Expr()
	if cheap(root) {
		x.quick = quickly(root)
	} else if brief(source, root) {
		x.quick = quickly(root)
		if x.brief, err = env.Program(checked, options[:1]...); err != nil {
			c.doc.problemAt(line, column, path, "%v in ${%s}", oneLine(err.Error()), excerpt(source))
			return nil
		}
	}
	x.program, x.checked, x.result = program, checked.NativeRep(), checked.OutputType()
	x.strict = strictNodes(x.checked.Expr())
	before := len(c.doc.problems)
	c.checkAttributes(x)
	if len(c.doc.problems) > before {
		return nil
	}
	return x
}

// position is where a place within an expression stands in the file. Lines after the first begin
// wherever the file's indentation puts them, so only the line is known there.
func position(source string, line, column, row, offset int) (int, int) {
	if row <= 1 {
		lead := len(source) - len(strings.TrimLeft(source, " "))
		return line, column + max(0, offset-lead)
	}
	return line + row - 1, offset + 1
}

var undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)

// plainIssue takes the checker's own notation out of a message, and names what may have been meant.
func (c *compiler) plainIssue(message string) string {
	message = strings.ReplaceAll(message, " (in container '')", "")
	for _, hidden := range []string{ofAttribute, orDefault, ofOptional} {
		message = strings.ReplaceAll(message, hidden, "")
	}
	if found := undeclared.FindStringSubmatch(message); found != nil {
		words := append([]string{objectVariable}, c.names...)
		for _, r := range readers() {
			words = append(words, r.name)
		}
		if near := nearest(found[1], append(words, append(cheapCalls(), reservedNames()...)...)); near != "" {
			message += `, did you mean "` + near + `"?`
		}
	}
	return oneLine(message)
}

// excerpt is an expression as messages show it: on one line, and not endless.
func excerpt(source string) string {
	const limit = 200
	source = oneLine(source)
	if len(source) > limit {
		source = strings.ToValidUTF8(source[:limit], "") + "…"
	}
	return source
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// strictNodes are the nodes in the bodies of loops and in list and map literals.
func strictNodes(root ast.Expr) map[int64]bool {
	strict := map[int64]bool{}
	mark := func(e ast.Expr) {
		ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) { strict[e.ID()] = true }))
	}
	ast.PostOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			mark(e.AsComprehension().LoopStep())
		case ast.ListKind:
			for _, element := range e.AsList().Elements() {
				mark(element)
			}
		case ast.MapKind:
			for _, entry := range e.AsMap().Entries() {
				mark(entry.AsMapEntry().Value())
			}
		}
	}))
	return strict
}

// eval computes the expression. errAbsent says that its value is not there; any other error is an
// *Error without secrets.
func (x *expression) eval(e *evaluation) (ref.Val, error) {
	value, err := x.compute(e)
	if e.trace != nil {
		e.trace(x, value, err)
	}
	return value, err
}

func (x *expression) compute(e *evaluation) (ref.Val, error) {
	value, err := x.value(e)
	if err == nil {
		if optional, isOptional := value.(*types.Optional); isOptional {
			if !optional.HasValue() {
				return nil, errAbsent
			}
			value = optional.GetValue()
		}
		if value == types.NullValue {
			return nil, errAbsent
		}
		return value, nil
	}
	if isAbsent(err) {
		var at *types.Err
		if errors.As(err, &at) && x.strict[at.NodeID()] {
			return nil, x.fault("a value inside of a list or map is absent: name it as optional")
		}
		return nil, errAbsent
	}
	var known *Error
	if errors.As(err, &known) {
		return nil, known
	}
	return nil, x.fault(safeCause(err))
}

// value is what the expression gives, by the quickest way that there is.
func (x *expression) value(e *evaluation) (ref.Val, error) {
	if x.quick != nil && (x.brief == nil || e.fewPorts()) {
		value := x.quick(e)
		err, failed := value.(*types.Err)
		if !failed {
			return value, nil
		}
		if !errors.Is(err, errSlow) {
			return nil, err
		}
	}
	return x.interpret(e)
}

func (x *expression) interpret(e *evaluation) (ref.Val, error) {
	program := x.program
	if x.brief != nil && e.fewPorts() {
		program = x.brief
	}
	value, _, err := program.Eval(e)
	return value, err
}

// isAbsent reports a value that is not there: one of ours, or a key of a nested value. The library
// tells the latter by its text alone.
func isAbsent(err error) bool {
	return errors.Is(err, errAbsent) || strings.HasPrefix(err.Error(), "no such key: ")
}

// fault is an error of the mapping and the entities together: the expression does not fit the values.
func (x *expression) fault(cause string) *Error {
	return &Error{
		Field: x.field, Reason: ReasonExpressionFailed, Err: ErrInvalid,
		Message: `mapping "` + x.mapping + `" ` + x.field + ": " + cause + ": ${" + excerpt(x.source) + "}",
	}
}

// safeCause names what went wrong where the library's text holds no value; else it says only that.
func safeCause(err error) string {
	text := err.Error()
	for _, known := range []string{
		"no such overload", "division by zero", "modulus by zero", "index out of bounds", "integer overflow",
		"unsigned integer overflow", errDepth.Error(), errKey.Error(), errLabelLimit.Error(),
	} {
		if strings.HasPrefix(text, known) {
			return known
		}
	}
	if strings.Contains(text, "cost limit exceeded") {
		return "the cost limit is exceeded"
	}
	return "it cannot be computed from these values"
}
