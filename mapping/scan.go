package mapping

import (
	"errors"
	"strings"
)

// part of a text: plain text, or the source of an expression.
type part struct {
	text       string
	expression bool
}

var errUnclosed = errors.New("${ without its }")

// split takes a text apart at its ${ … }. $${ stands for a plain ${.
func split(text string) ([]part, error) {
	var parts []part
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			parts = append(parts, part{text: plain.String()})
			plain.Reset()
		}
	}
	for text != "" {
		at := strings.Index(text, "${")
		if at < 0 {
			plain.WriteString(text)
			break
		}
		if at > 0 && text[at-1] == '$' {
			plain.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		plain.WriteString(text[:at])
		length := expressionLength(text[at+2:])
		if length < 0 {
			return nil, errUnclosed
		}
		flush()
		parts = append(parts, part{text: text[at+2 : at+2+length], expression: true})
		text = text[at+2+length+1:]
	}
	flush()
	return parts, nil
}

// expressionLength is where the expression at the start of text ends, before its closing brace; -1 if
// it does not. Braces in CEL's strings and comments do not count.
func expressionLength(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case '"', '\'':
			raw := i > 0 && (text[i-1] == 'r' || text[i-1] == 'R')
			end := stringEnd(text[i:], raw)
			if end < 0 {
				return -1
			}
			i += end - 1
		case '/':
			if strings.HasPrefix(text[i:], "//") {
				end := strings.IndexByte(text[i:], '\n')
				if end < 0 {
					return -1
				}
				i += end
			}
		}
	}
	return -1
}

// stringEnd is the length of the CEL string that text begins with, quotes included; -1 if it is open.
func stringEnd(text string, raw bool) int {
	quote := text[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text, triple) {
		quote = triple
	}
	for i := len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote)
		}
	}
	return -1
}
