package allocation

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed openapi.yaml
var document []byte

// OpenAPI is the description of the interface as JSON, and as the validation
// uses it. It is read once; callers must not change it.
var OpenAPI = sync.OnceValue(func() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		panic(fmt.Sprintf("allocation: the embedded OpenAPI document: %v", err)) // a test reads it before any user does
	}
	return doc
})

// ValidID says whether a text is the id of an entity, as the document wants it:
// this is its pattern, without the cost of one.
func ValidID(text string) bool {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || scheme == "" || rest == "" || len(text) > maxID() {
		return false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !letterOrDigit(c) && (i == 0 || c != '+' && c != '.' && c != '-') {
			return false
		}
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c == 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	return true
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

var maxID = sync.OnceValue(func() int { return int(*OpenAPI().Components.Schemas["Id"].Value.MaxLength) })

// validate checks a body against a schema of the document.
func validate(schema string, value map[string]any) Faults {
	s := OpenAPI().Components.Schemas[schema].Value
	// The schemas use only what both validators know; the one for JSON Schema
	// 2020-12 would be compiled for each request.
	faults := faultsOf(s.VisitJSON(value, openapi3.MultiErrors()), nil)
	slices.SortFunc(faults, func(a, b Fault) int {
		return strings.Compare(a.Path+"\x00"+a.Rule, b.Path+"\x00"+b.Rule)
	})
	return slices.Compact(faults)
}

// faultsOf takes errors apart down to the schema's rules. The library's own
// messages quote values, so nothing of them is used.
func faultsOf(err error, into Faults) Faults {
	var several openapi3.MultiError
	var one *openapi3.SchemaError
	switch {
	case err == nil:
	case errors.As(err, &several):
		for _, e := range several {
			into = faultsOf(e, into)
		}
	case errors.As(err, &one):
		into = append(into, Fault{Path: pointer(one.JSONPointer()), Rule: ruleOf(one)})
	default:
		into = append(into, Fault{Rule: "does not fit the description"})
	}
	return into
}

// most is how many letters of a member's name are told.
const most = 64

func pointer(path []string) string {
	var b strings.Builder
	for _, part := range path {
		part = strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
		if len(part) > most {
			part = strings.ToValidUTF8(part[:most], "") + "…"
		}
		b.WriteString("/" + part)
	}
	return b.String()
}

func ruleOf(e *openapi3.SchemaError) string {
	s := e.Schema
	if s == nil {
		return "does not fit the description"
	}
	switch e.SchemaField {
	case "required":
		return "must be there"
	case "type", "nullable":
		if s.Type == nil {
			break
		}
		return "must be " + strings.Join(s.Type.Slice(), " or ")
	case "pattern":
		return "must match " + s.Pattern
	case "minLength":
		return "must not be empty"
	case "maxLength":
		return "must have at most " + strconv.FormatUint(*s.MaxLength, 10) + " letters"
	case "maxItems":
		return "must have at most " + strconv.FormatUint(*s.MaxItems, 10) + " items"
	case "minimum":
		return fmt.Sprintf("must be at least %v", *s.Min)
	case "maximum":
		return fmt.Sprintf("must be at most %v", *s.Max)
	case "enum":
		return fmt.Sprintf("must be one of %v", s.Enum)
	case "maxProperties":
		return "must have at most " + strconv.FormatUint(*s.MaxProps, 10) + " members"
	}
	return "does not fit the description (" + e.SchemaField + ")"
}
