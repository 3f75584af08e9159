package mapping

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
)

const (
	// maxCost bounds the work of one evaluation of one expression, in CEL's units: milliseconds as a rule, a second at the worst.
	maxCost = 1_000_000
	// maxExpression bounds the length of an expression, in characters.
	maxExpression = 8 << 10
	// maxRange bounds what lists.range makes of a number.
	maxRange = 10_000

	namespaceVariable = "targetNamespace"
	objectVariable    = "object"
)

// entityType is what expressions take an entity for.
func entityType() *cel.Type { return cel.MapType(cel.StringType, cel.DynType) }

// environments are what expressions are compiled in: conditions and templates see the entities, status
// rules see the object.
func environments() (render, status *cel.Env, err error) {
	language, err := cel.NewEnv(languageOptions()...)
	if err != nil {
		return nil, nil, fmt.Errorf("make the expression language: %w", err)
	}
	variables := []cel.EnvOption{
		cel.Variable(portsVariable, cel.ListType(entityType())),
		cel.Variable(namespaceVariable, cel.StringType),
	}
	for name := range entityVariables() {
		variables = append(variables, cel.Variable(name, entityType()))
	}
	if render, err = language.Extend(variables...); err != nil {
		return nil, nil, fmt.Errorf("make the variables of mappings: %w", err)
	}
	if status, err = language.Extend(cel.Variable(objectVariable, entityType())); err != nil {
		return nil, nil, fmt.Errorf("make the variables of status rules: %w", err)
	}
	return render, status, nil
}

// policyEnvironment is what the rules of policies are compiled in.
func policyEnvironment() (*cel.Env, error) {
	texts := cel.ListType(cel.StringType)
	within := func(name string, in func(text string, addresses []string) bool) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_dyn_list", []*cel.Type{cel.DynType, texts}, cel.BoolType,
			cel.BinaryBinding(func(value, list ref.Val) ref.Val { return isWithin(value, list, in) })))
	}
	env, err := cel.NewEnv(append(languageOptions(),
		cel.Variable(objectVariable, entityType()), cel.Variable("value", cel.DynType), cel.Variable("field", cel.StringType),
		cel.Variable(namespaceVariable, cel.StringType),
		cel.Variable("registries", texts), cel.Variable("repositories", texts),
		within("imageWithin", imageIn), within("addressWithin", addressIn),
	)...)
	if err != nil {
		return nil, fmt.Errorf("make the variables of policies: %w", err)
	}
	return env, nil
}

func policyNames() []string {
	return []string{objectVariable, "value", "field", namespaceVariable, "registries", "repositories", "imageWithin", "addressWithin"}
}

// isWithin applies a comparison to a text and a list of texts; what is no text is not within.
func isWithin(value, list ref.Val, in func(text string, addresses []string) bool) ref.Val {
	text, isText := value.(types.String)
	items, isList := list.(traits.Lister)
	if !isList {
		return types.MaybeNoSuchOverloadErr(list)
	}
	var addresses []string
	for it := items.Iterator(); it.HasNext() == types.True; {
		if address, isText := it.Next().(types.String); isText {
			addresses = append(addresses, string(address))
		}
	}
	return types.Bool(isText && in(string(text), addresses))
}

// languageOptions hold nothing that reads the clock, draws lots or depends on the order of a map.
func languageOptions() []cel.EnvOption {
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(adapter{}),
		cel.OptionalTypes(),
		cel.EnableMacroCallTracking(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(64),
		ext.Strings(),
		ext.Lists(ext.ListsMaxRangeSize(maxRange)),
		ext.Sets(),
		ext.Math(),
		ext.Encoders(),
		ext.Bindings(),
		cel.Macros(cel.GlobalMacro("when", 2, expandWhen)),
		orderedFunction(),
	}
	for _, r := range readers() {
		options = append(options, r.options()...)
	}
	return append(options, functions()...)
}

// expandWhen makes `condition ? optional.of(value) : optional.none()` of when(condition, value).
func expandWhen(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	optional := func(function string, args ...ast.Expr) ast.Expr {
		return eh.NewMemberCall(function, eh.NewIdent("optional"), args...)
	}
	return eh.NewCall(operators.Conditional, args[0], optional("of", args[1]), optional("none")), nil
}

// The hidden functions behind a reader's name, which know the attribute that they read.
const (
	ofAttribute = "@attribute" // f(x.name)
	orDefault   = "@default"   // f(x.name, other)
	ofOptional  = "@optional"  // f(x.?name)
)

// expandReader turns f(x.name) into a call that gets x and the name, so that the function can say
// whose attribute is wrong. Other arguments are left alone.
func expandReader(name string) []cel.Macro {
	one := func(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		if operand, field, selected := selection(args[0]); selected {
			return eh.NewCall(name+ofAttribute, operand, eh.NewLiteral(types.String(field))), nil
		}
		if call := args[0]; call.Kind() == ast.CallKind && call.AsCall().FunctionName() == operators.OptSelect {
			operands := call.AsCall().Args()
			return eh.NewCall(name+ofOptional, operands[0], operands[1]), nil
		}
		return nil, nil
	}
	two := func(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		if operand, field, selected := selection(args[0]); selected {
			return eh.NewCall(name+orDefault, operand, eh.NewLiteral(types.String(field)), args[1]), nil
		}
		return nil, nil
	}
	return []cel.Macro{cel.GlobalMacro(name, 1, one), cel.GlobalMacro(name, 2, two)}
}

func selection(e ast.Expr) (operand ast.Expr, field string, selected bool) {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() {
		return nil, "", false
	}
	return e.AsSelect().Operand(), e.AsSelect().FieldName(), true
}
