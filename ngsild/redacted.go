package ngsild

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Secret is a text that never prints: not with fmt, not with slog, not as JSON.
// Whoever needs it converts it to string.
type Secret string

// String hides the secret from fmt and slog.
func (s Secret) String() string { return "[redacted]" }

// GoString hides it from %#v.
func (s Secret) GoString() string { return "[redacted]" }

// MarshalText hides it from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Redact is a text without the secrets that somebody may have repeated in it, as they
// are or as JSON, a URL, HTML or base64 write them. Empty texts are no secrets.
func Redact(text string, secrets ...string) string {
	var forms []string
	for _, s := range secrets {
		if s != "" {
			forms = append(forms, formsOf(s)...)
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) }) // one may be in another
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, "[redacted]")
	}
	return text
}

func formsOf(secret string) []string {
	quoted := func(escape bool) string {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(escape)
		_ = e.Encode(secret) // a text can always be encoded
		text := strings.TrimSpace(b.String())
		return text[1 : len(text)-1]
	}
	ascii := strconv.QuoteToASCII(secret)
	return []string{
		secret, quoted(false), quoted(true), ascii[1 : len(ascii)-1], html.EscapeString(secret), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte(secret)),
	}
}

// RedactError is err with a text that Redact has gone over. It unwraps to err.
func RedactError(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := Redact(err.Error(), secrets...)
	if text == err.Error() {
		return err
	}
	return &redactedError{text, err}
}

type redactedError struct {
	text  string
	cause error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.cause }
