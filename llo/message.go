package llo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// messageOf says what the API server did not like without quoting what was sent:
// a registry's password is among it. Where the form of a message is known, only
// the field, the sort of error, and what is demanded are taken from it. From any
// other every text that was sent is cut out.
func messageOf(status metav1.Status, body map[string]any) string {
	switch {
	case strings.HasPrefix(status.Message, untyped):
		return untypedMessage(status.Message)
	case status.Code == http.StatusUnprocessableEntity && status.Details != nil && len(status.Details.Causes) > 0:
		return causesMessage(status.Details.Causes, body)
	}
	text := without(status.Message, body)
	if len(text) > maxMessage { // a gateway's page, for one
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return cmp.Or(text, string(status.Reason), fmt.Sprintf("HTTP %d", status.Code))
}

// maxMessage bounds a message of unknown form, in bytes.
const maxMessage = 512

// untypedMessage keeps the fields and what the schema says of them.
func untypedMessage(text string) string {
	form := regexp.MustCompile(`(\.[\w.\[\]="-]+): (field not declared in schema|expected [a-z ()]+), `)
	var parts []string
	for _, found := range form.FindAllStringSubmatch(strings.ReplaceAll(text+",", "\n", ", ")+" ", -1) {
		parts = append(parts, strings.TrimPrefix(found[1], ".")+": "+found[2])
	}
	if len(parts) == 0 {
		return "does not fit the schema of its kind"
	}
	return joined(parts)
}

func causesMessage(causes []metav1.StatusCause, body map[string]any) string {
	var parts []string
	for _, cause := range causes {
		part := sortOf(cause.Type)
		if demand := demandOf(cause, body); demand != "" {
			part += ": " + demand
		}
		if cause.Field != "" {
			part = cause.Field + ": " + part
		}
		parts = append(parts, part)
	}
	return joined(parts)
}

func joined(parts []string) string {
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), "; ")
}

func sortOf(cause metav1.CauseType) string {
	switch cause {
	case metav1.CauseTypeFieldValueInvalid, metav1.CauseTypeTypeInvalid:
		return "invalid value"
	case metav1.CauseTypeFieldValueRequired:
		return "required value"
	case metav1.CauseTypeFieldValueNotSupported:
		return "unsupported value"
	case metav1.CauseTypeFieldValueDuplicate:
		return "duplicate value"
	case metav1.CauseTypeFieldValueNotFound:
		return "not found"
	case metav1.CauseTypeForbidden:
		return "forbidden"
	case metav1.CauseTypeTooLong:
		return "too long"
	case metav1.CauseTypeTooMany:
		return "too many"
	}
	return cmp.Or(string(cause), "refused")
}

// demandOf is what a cause says after the value, empty if where that begins cannot
// be told. The value may be anything, so what follows it is looked for from the
// end, by words that come from the API server.
func demandOf(cause metav1.StatusCause, body map[string]any) string {
	text := cause.Message
	switch cause.Type {
	case metav1.CauseTypeFieldValueRequired, metav1.CauseTypeTooLong:
		_, detail, _ := strings.Cut(text, ": ") // these come without the value
		return detail
	}
	if names := []string{"metadata.name", "metadata.namespace", "metadata.labels"}; slices.Contains(names, cause.Field) {
		_, detail, _ := strings.Cut(text, ": ") // no secret is put there
		return detail
	}
	inBody := cause.Field + " in body "
	if i := strings.LastIndex(text, inBody); cause.Field != "" && i >= 0 {
		return text[i+len(inBody):]
	}
	if i := strings.LastIndex(text, "supported values: "); i >= 0 {
		return text[i:]
	}
	// A rule of the schema: its type stands where the value would be.
	for _, kind := range []string{"object", "array", "string", "integer", "number", "boolean"} {
		if _, detail, found := strings.Cut(text, "Invalid value: "+strconv.Quote(kind)+": "); found {
			return without(detail, body)
		}
	}
	return ""
}

// cut stands where something was cut out.
const cut = "[…]"

// without cuts every text of body out of text, the metadata excepted. Texts of
// fewer than 4 bytes are cut out where they stand in quotes only.
func without(text string, body map[string]any) string {
	var sent []string
	for key, value := range body {
		if key != "apiVersion" && key != "kind" && key != "metadata" {
			sent = textsIn(value, sent)
		}
	}
	// The longest first, since one may hold another.
	slices.SortFunc(sent, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, value := range slices.Compact(sent) {
		forms := []string{value}
		quoted, err := json.Marshal(value)
		if err == nil {
			forms = append(forms, string(quoted[1:len(quoted)-1]))
		}
		goQuoted := strconv.Quote(value)
		forms = append(forms, goQuoted[1:len(goQuoted)-1])
		for _, form := range forms {
			if len(value) < 4 {
				text = strings.ReplaceAll(text, `"`+form+`"`, `"`+cut+`"`)
				continue
			}
			text = strings.ReplaceAll(text, form, cut)
		}
	}
	return text
}

func textsIn(value any, into []string) []string {
	switch value := value.(type) {
	case string:
		if value != "" {
			into = append(into, value)
		}
	case map[string]any:
		for _, v := range value {
			into = textsIn(v, into)
		}
	case []any:
		for _, v := range value {
			into = textsIn(v, into)
		}
	}
	return into
}
