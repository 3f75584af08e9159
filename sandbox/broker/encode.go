package broker

import (
	"strconv"
	"strings"
)

// appendValue appends the JSON text of v, compact.
func appendValue(dst []byte, v value) []byte {
	switch v.kind {
	case text:
		return appendText(dst, v.text)
	case number, boolean:
		return append(dst, v.text...)
	case list:
		return appendGroup(dst, v.members, '[', ']')
	case object:
		return appendGroup(dst, v.members, '{', '}')
	default:
		return append(dst, "null"...)
	}
}

func appendGroup(dst []byte, members []member, open, end byte) []byte {
	dst = append(dst, open)
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		if open == '{' {
			dst = appendName(dst, m.name)
		}
		dst = appendValue(dst, m.value)
	}
	return append(dst, end)
}

// appendName appends the name of a member and its colon.
func appendName(dst []byte, name string) []byte {
	return append(appendText(dst, name), ':')
}

// appendText appends s in quotes; everything but quotes, backslashes and
// control characters stays as it is.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	if i := strings.IndexByte("\"\\\b\f\n\r\t", c); i >= 0 {
		return append(dst, '\\', `"\bfnrt`[i])
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// int32Text is how an integer is stored: in 32 bits, what does not fit is cut
// off. Other numbers stay as they are.
func int32Text(s string) string {
	if len(s) < 10 || strings.ContainsAny(s, ".eE") {
		return s
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return s
	}
	return strconv.FormatInt(int64(int32(n)), 10)
}

// cut is v with every integer as it is stored.
func cut(v value) value {
	switch v.kind {
	case number:
		v.text = int32Text(v.text)
	case list, object:
		for i, m := range v.members {
			if c := cut(m.value); !same(c, m.value) {
				v.members = append([]member(nil), v.members...)
				v.members[i].value = c
			}
		}
	}
	return v
}

// same reports that cut has left a value as it was.
func same(a, b value) bool {
	if a.text != b.text || len(a.members) != len(b.members) {
		return false
	}
	return len(a.members) == 0 || &a.members[0] == &b.members[0]
}
