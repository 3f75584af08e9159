package ngsild

import (
	"errors"
	"testing"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	secrets := []string{"", "s3", `a"b<ö`, "s3cr3t", "~~~", "p q"}
	for text, want := range map[string]string{
		"s3cr3t, s3":              "[redacted], [redacted]",
		`a"b<ö`:                   "[redacted]",
		`{"x":"a\"b<ö"}`:          `{"x":"[redacted]"}`,
		`{"x":"a\"b\u003cö"}`:     `{"x":"[redacted]"}`,
		`'a\"b<\u00f6'`:           `'[redacted]'`,
		"a&#34;b&lt;ö":            "[redacted]",
		"x=a%22b%3C%C3%B6&y":      "x=[redacted]&y",
		"basic czNjcjN0 is wrong": "basic [redacted] is wrong",
		"fn5+ or fn5-":            "[redacted] or [redacted]",
		"/p%20q?x=p+q":            "/[redacted]?x=[redacted]",
		"nothing of it":           "nothing of it",
	} {
		if got := Redact(text, secrets...); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	err := RedactError(errors.Join(ErrRetry, errors.New("s3cr3t")), secrets...)
	if !errors.Is(err, ErrRetry) || err.Error() != "try again\n[redacted]" {
		t.Errorf("got %v", err)
	}
	if RedactError(nil, "x") != nil || RedactError(ErrRetry, "x") != ErrRetry {
		t.Error("what holds no secret is another error")
	}
}
