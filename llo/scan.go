package llo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The watch brings every object with its managedFields, which are as long as the
// rest and of which almost nothing is needed. Decoding all of it into maps cost
// more than the rest of a pass, so the few fields that are wanted are cut out of
// the text. The text comes from an API server; what is kept of it is validated
// by the caller, what is skipped is not.

var errNotJSON = errors.New("not the expected JSON")

// members calls visit for every member of the object at the start of text, with
// key and value as they are written: plain gives the text of the key. It stops
// at the first error of visit. A text that ends too early is io.ErrUnexpectedEOF.
func members(text string, visit func(key, value string) error) error {
	return items(text, '{', '}', func(i int) (int, error) {
		end, err := skipString(text, i)
		if err != nil {
			return 0, err
		}
		key := text[i:end]
		if i = space(text, end); i >= len(text) {
			return 0, io.ErrUnexpectedEOF
		}
		if text[i] != ':' {
			return 0, unexpected(text, i)
		}
		i = space(text, i+1)
		if end, err = skip(text, i); err != nil {
			return 0, err
		}
		return end, visit(key, text[i:end])
	})
}

// member gives the value under one key as it is written, empty if it is not there.
func member(text, wanted string) (found string, err error) {
	err = members(text, func(key, value string) error {
		if plain(key) == wanted {
			found = value
		}
		return nil
	})
	return found, err
}

// elements calls visit for every element of the array at the start of text.
func elements(text string, visit func(value string) error) error {
	return items(text, '[', ']', func(i int) (int, error) {
		end, err := skip(text, i)
		if err != nil {
			return 0, err
		}
		return end, visit(text[i:end])
	})
}

// items walks over what stands between brackets, separated by commas. item is
// given where one begins and answers where it ends.
func items(text string, opening, closing byte, item func(i int) (int, error)) error {
	i := space(text, 0)
	if i >= len(text) {
		return io.ErrUnexpectedEOF
	}
	if text[i] != opening {
		return unexpected(text, i)
	}
	i = space(text, i+1)
	for first := true; i < len(text); first = false {
		if text[i] == closing {
			return nil
		}
		if !first {
			if text[i] != ',' {
				return unexpected(text, i)
			}
			i = space(text, i+1)
		}
		end, err := item(i)
		if err != nil {
			return err
		}
		i = space(text, end)
	}
	return io.ErrUnexpectedEOF
}

// skip gives the end of the value that begins at i.
func skip(text string, i int) (int, error) {
	if i >= len(text) {
		return 0, io.ErrUnexpectedEOF
	}
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '{', '[':
		return skipNested(text, i)
	}
	end := i
	for end < len(text) && !strings.ContainsRune(",]} \t\r\n", rune(text[end])) {
		end++
	}
	if end == i {
		return 0, unexpected(text, i)
	}
	return end, nil
}

// skipNested counts brackets; strings may hold any of them.
func skipNested(text string, i int) (int, error) {
	for depth := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end, err := skipString(text, i)
			if err != nil {
				return 0, err
			}
			i = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
	}
	return 0, io.ErrUnexpectedEOF
}

func skipString(text string, i int) (int, error) {
	if i >= len(text) {
		return 0, io.ErrUnexpectedEOF
	}
	if text[i] != '"' {
		return 0, unexpected(text, i)
	}
	for i++; ; {
		quote := strings.IndexByte(text[i:], '"')
		if quote < 0 {
			return 0, io.ErrUnexpectedEOF
		}
		escape := strings.IndexByte(text[i:i+quote], '\\')
		if escape < 0 {
			return i + quote + 1, nil
		}
		if i += escape + 2; i >= len(text) {
			return 0, io.ErrUnexpectedEOF
		}
	}
}

func space(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// plain is the string that a JSON string stands for; anything else, null
// included, is the empty string. It is a part of literal where nothing in it is
// escaped, and valid UTF-8, as the decoder would make it.
func plain(literal string) string {
	if len(literal) < 2 || literal[0] != '"' {
		return ""
	}
	if inner := literal[1 : len(literal)-1]; strings.IndexByte(inner, '\\') < 0 && utf8.ValidString(inner) {
		return inner
	}
	var s string
	if err := json.Unmarshal([]byte(literal), &s); err != nil {
		return ""
	}
	return s
}

func unexpected(text string, i int) error {
	return fmt.Errorf("%w: byte %q at %d", errNotJSON, text[i], i)
}
