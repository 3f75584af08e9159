package llo

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// messageOf says what the API server did not like without quoting what was sent or
// is there: a registry's password is among it. Where the form of a message is known,
// only the field, the sort of error, and what is demanded are taken from it. Every text
// that was sent is cut out of that, since admission says there what it likes.
func messageOf(status metav1.Status, hidden Texts) string {
	switch {
	case strings.HasPrefix(status.Message, untyped):
		return untypedMessage(status.Message)
	case status.Code == http.StatusUnprocessableEntity && status.Details != nil && len(status.Details.Causes) > 0:
		return causesMessage(status.Details.Causes, hidden)
	}
	text := hidden.CutFrom(status.Message)
	if len(text) > maxMessage { // a gateway's page, for one
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return cmp.Or(text, string(status.Reason), fmt.Sprintf("HTTP %d", status.Code))
}

// maxMessage bounds a message of unknown form, in bytes.
const maxMessage = 512

// untypedMessage keeps the fields and what the schema says of them.
func untypedMessage(text string) string {
	form := regexp.MustCompile(`(\.[\w.\[\]="…-]+): (field not declared in schema|expected [a-z ()]+), `)
	var parts []string
	for _, found := range form.FindAllStringSubmatch(strings.ReplaceAll(plainPath(text)+",", "\n", ", ")+" ", -1) {
		parts = append(parts, strings.TrimPrefix(found[1], ".")+": "+found[2])
	}
	if len(parts) == 0 {
		return "does not fit the schema of its kind"
	}
	return joined(parts)
}

func causesMessage(causes []metav1.StatusCause, hidden Texts) string {
	var parts []string
	for _, cause := range causes {
		part := sortOf(cause.Type)
		if demand := hidden.CutFrom(demandOf(cause)); demand != "" {
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
func demandOf(cause metav1.StatusCause) string {
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
			return detail
		}
	}
	return ""
}
