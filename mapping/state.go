package mapping

import (
	"strings"
	"unicode"
)

// Phase is where a component stands, in one word.
type Phase string

// The phases, as deploymentStatus holds them.
const (
	Unplaced    Phase = "Unplaced"
	Pending     Phase = "Pending"
	Progressing Phase = "Progressing"
	Running     Phase = "Running"
	Succeeded   Phase = "Succeeded"
	Failed      Phase = "Failed"
	Refused     Phase = "Refused"
	Removing    Phase = "Removing"
	Unknown     Phase = "Unknown"
)

// State is what an object says of itself.
type State struct {
	Phase Phase
	// Reason is one word, never empty; Message a single line of at most 1 KiB, or empty.
	Reason, Message string
	// ObservedGeneration is the generation that the status speaks of, 0 if it does not say.
	ObservedGeneration int64
	// Silent is true when the object has no status that tells a state: accepted, no more is known.
	Silent bool
}

const (
	maxReason  = 128
	maxMessage = 1024

	reasonNotObserved = "GenerationNotObserved"
)

type condition struct {
	status, reason, message string
	observed                int64
}

func conditionsOf(status map[string]any) map[string]condition {
	list, _ := status["conditions"].([]any)
	conditions := make(map[string]condition, len(list))
	for _, item := range list {
		m, _ := item.(map[string]any)
		name, _ := m["type"].(string)
		word, _ := m["status"].(string)
		if name == "" || word == "" {
			continue
		}
		conditions[name] = condition{word, firstText(m["reason"]), firstText(m["message"]), integer(m["observedGeneration"])}
	}
	return conditions
}

func integer(v any) int64 {
	n, _ := asInt(v)
	return n
}

func firstText(values ...any) string {
	for _, v := range values {
		if text, ok := v.(string); ok && text != "" {
			return text
		}
	}
	return ""
}

// line makes a single line of at most limit bytes of any text.
func line(text string, limit int) string {
	plain := func(r rune) bool { return r >= ' ' && r < unicode.MaxASCII }
	if len(text) <= limit && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if len(text) > limit {
		const more = "…"
		text = strings.ToValidUTF8(text[:limit-len(more)], "") + more
	}
	return text
}
