package broker

import "strings"

// checkURI is the broker's idea of a valid URI: a colon, and none of the
// characters that it refuses. The detail names the field.
func checkURI(uri, field string) *problem {
	if !strings.Contains(uri, ":") {
		return badRequest("Invalid URI - no colon found", field)
	}
	if !cleanURI(uri) {
		return badRequest("Invalid URI - invalid character", field)
	}
	return nil
}

func validURI(uri string) bool { return strings.Contains(uri, ":") && cleanURI(uri) }

func cleanURI(uri string) bool {
	for i := 0; i < len(uri); i++ {
		if c := uri[i]; c <= ' ' || c == '"' || c == '<' || c == '>' || c == 0x7f {
			return false
		}
	}
	return true
}

// unescape decodes percent-encoding; a broken escape stays as it is.
func unescape(s string, plus bool) string {
	if !strings.Contains(s, "%") && (!plus || !strings.Contains(s, "+")) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			c = byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		case c == '+' && plus:
			c = ' '
		}
		out = append(out, c)
	}
	return string(out)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
