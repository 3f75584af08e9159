package homing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// PathError is one thing wrong with a template or an inventory.
type PathError struct {
	// Path says where, as in `constraints.near.properties.distance` or
	// `demands.vG[0].unique`; empty for the whole document.
	Path string `json:"path"`
	// Message says what, and what would be accepted.
	Message string `json:"message"`
}

// Error returns path and message as one line.
func (e *PathError) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// findings collects everything wrong with a document.
type findings struct{ list []*PathError }

func (f *findings) add(path, format string, args ...any) {
	f.list = append(f.list, &PathError{path, fmt.Sprintf(format, args...)})
}

// sorted returns the findings by path, each once.
func (f *findings) sorted() []*PathError {
	slices.SortStableFunc(f.list, func(a, b *PathError) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(f.list, func(a, b *PathError) bool { return *a == *b })
}

// oneOf lists what would be accepted.
func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

// kindOf names a value's kind for a message.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return fmt.Sprintf("the boolean %v", v)
	case string:
		return fmt.Sprintf("the text %q", v)
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return "a mapping"
	default:
		return fmt.Sprintf("the number %v", v)
	}
}
