package mapping

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/api/resource"
)

// functions of the language that do not read an attribute.
func functions() []cel.EnvOption {
	text, dyn, whole := cel.StringType, cel.DynType, cel.IntType
	condition := cel.MapType(text, dyn)
	var options []cel.EnvOption
	for name, f := range textFunctions() {
		options = append(options, cel.Function(name, cel.Overload(name+"_string", []*cel.Type{text}, text,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return applyText(f, v) }))))
	}
	return append(options,
		cel.Function("dnsLabel", cel.Overload("dnsLabel_string_int", []*cel.Type{text, whole}, text, cel.BinaryBinding(dnsLabelOf))),
		cel.Function("json", cel.Overload("json_dyn", []*cel.Type{dyn}, text, cel.UnaryBinding(jsonText))),
		cel.Function("show", cel.Overload("show_dyn", []*cel.Type{dyn}, text, cel.UnaryBinding(showValue))),
		cel.Function("typeName", cel.Overload("typeName_dyn", []*cel.Type{dyn}, text, cel.UnaryBinding(showType))),
		cel.Function("firstText", cel.Overload("firstText_list", []*cel.Type{cel.ListType(dyn)}, text, cel.UnaryBinding(firstTextOf))),
		cel.Function("knownProtocol", cel.Overload("knownProtocol_dyn", []*cel.Type{dyn}, cel.BoolType, cel.UnaryBinding(isKnownProtocol))),
		cel.Function("conditionTypes", cel.MemberOverload("object_conditionTypes", []*cel.Type{entityType()}, cel.ListType(text), cel.UnaryBinding(conditionTypes))),
		cel.Function("condition", cel.MemberOverload("object_condition", []*cel.Type{entityType(), text}, condition, cel.BinaryBinding(conditionOf))),
	)
}

// textFunctions make a text of a text.
func textFunctions() map[string]func(string) string {
	return map[string]func(string) string{
		"aerosName": aerosName, "aerosLabel": aerosLabel, "hash": shortHash, "registryHost": registryHost,
	}
}

func applyText(f func(string) string, v ref.Val) ref.Val {
	text, isText := v.(types.String)
	if !isText {
		return types.MaybeNoSuchOverloadErr(v)
	}
	return types.String(f(string(text)))
}

func dnsLabelOf(id, limit ref.Val) ref.Val {
	text, isText := id.(types.String)
	n, isNumber := limit.(types.Int)
	if !isText || !isNumber {
		return types.MaybeNoSuchOverloadErr(id)
	}
	if n < 16 || n > maxNameLength {
		return types.WrapErr(errLabelLimit)
	}
	return types.String(dnsLabel(string(text), int(n)))
}

var errLabelLimit = errors.New("the limit of dnsLabel is not between 16 and 253")

func jsonText(v ref.Val) ref.Val {
	plain, _, err := toJSON(v, 0)
	if err != nil {
		return types.WrapErr(err)
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(plain); err != nil {
		return types.WrapErr(err)
	}
	return types.String(strings.TrimSuffix(b.String(), "\n"))
}

func showValue(v ref.Val) ref.Val {
	plain, _, err := toJSON(v, 0)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.String(quoted(plain))
}

func showType(v ref.Val) ref.Val {
	plain, _, err := toJSON(v, 0)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.String(typeName(plain))
}

// firstTextOf is the first text of a list that is not empty, or the empty text.
func firstTextOf(v ref.Val) ref.Val {
	list, isList := v.(traits.Lister)
	if !isList {
		return types.MaybeNoSuchOverloadErr(v)
	}
	for it := list.Iterator(); it.HasNext() == types.True; {
		if text, isText := it.Next().(types.String); isText && text != "" {
			return text
		}
	}
	return types.String("")
}

func isKnownProtocol(v ref.Val) ref.Val {
	text, isText := v.(types.String)
	_, known := knownProtocol(string(text))
	return types.Bool(isText && known)
}

// conditionOf is a condition of an object's status, with texts status, reason and message, all empty
// when there is none of that name. A condition that speaks of an older generation is Unknown.
func conditionOf(object, name ref.Val) ref.Val {
	word, isText := name.(types.String)
	root, isObject := object.Value().(map[string]any)
	if !isText || !isObject {
		return types.MaybeNoSuchOverloadErr(name)
	}
	status, _ := root["status"].(map[string]any)
	metadata, _ := root["metadata"].(map[string]any)
	c := conditionsOf(status)[string(word)]
	if c.observed != 0 && c.observed < integer(metadata["generation"]) {
		c = condition{status: "Unknown", reason: reasonNotObserved}
	}
	return adapter{}.NativeToValue(map[string]any{"status": c.status, "reason": c.reason, "message": c.message})
}

// conditionTypes are the names of an object's conditions, sorted.
func conditionTypes(object ref.Val) ref.Val {
	root, isObject := object.Value().(map[string]any)
	if !isObject {
		return types.MaybeNoSuchOverloadErr(object)
	}
	status, _ := root["status"].(map[string]any)
	return types.NewStringList(adapter{}, slices.Sorted(maps.Keys(conditionsOf(status))))
}

func readNumber(value any, at place) (ref.Val, error) {
	switch v := value.(type) {
	case float64:
		return types.Double(v), nil
	case int64:
		return types.Double(v), nil
	case string:
		var n float64
		if err := json.Unmarshal([]byte(strings.TrimSpace(v)), &n); err == nil {
			return types.Double(n), nil
		}
	}
	return nil, at.wrongType(value, " that is not a number")
}

// readQuantity reads a Kubernetes quantity ("512Mi", 2, "0.5") and writes it in its canonical form.
func readQuantity(value any, at place) (ref.Val, error) {
	text, _ := asText(value)
	q, err := resource.ParseQuantity(strings.TrimSpace(text))
	if err != nil {
		return nil, at.wrongType(value, " that is not a quantity")
	}
	return types.String(q.String()), nil
}
