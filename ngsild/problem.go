package ngsild

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What went wrong with a call to the broker, told apart with errors.Is.
var (
	// ErrNotFound: the broker said that it does not hold the entity or the
	// subscription. Nothing else is proof of absence.
	ErrNotFound = errors.New("not found")
	// ErrRetry: the same call may succeed later. Network, timeouts, 5xx, 408,
	// 429, refused credentials, redirects, answers that are not NGSI-LD, and 404
	// for anything but an absent entity or subscription (a wrong path, tenant or
	// gateway).
	ErrRetry = errors.New("try again")
	// ErrInvalid: the broker refused what was sent; the same call fails again.
	ErrInvalid = errors.New("refused by the broker")
	// ErrShortList: a list does not hold what the broker counted, or the count
	// moved while it was read. Nothing may be concluded from what is missing.
	ErrShortList = errors.New("list differs from its count")
)

// maxDetail bounds what an error repeats of an answer, in bytes.
const maxDetail = 300

// ProblemError is an answer other than success (NGSI-LD 1.6.1, 5.5.2). It
// unwraps to ErrNotFound, ErrRetry or ErrInvalid.
type ProblemError struct {
	Status              int    // HTTP status
	Type, Title, Detail string // empty where the answer has none; secrets are masked
	RetryAfter          time.Duration
	kind                error
}

// Error gives status, title and detail.
func (e *ProblemError) Error() string {
	text := fmt.Sprintf("broker answered %d %s", e.Status, http.StatusText(e.Status))
	if e.Title != "" {
		text = fmt.Sprintf("broker answered %d %q", e.Status, e.Title)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Unwrap returns one of the sentinels.
func (e *ProblemError) Unwrap() error { return e.kind }

// problemOf reads an answer that is not the success that was expected.
func problemOf(status int, header http.Header, body []byte, mask func(string) string) *ProblemError {
	var document struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Detail any    `json:"detail"`
	}
	// A body that is no problem document leaves the fields empty.
	_ = json.Unmarshal(body, &document)
	detail, _ := document.Detail.(string)
	e := &ProblemError{
		Status:     status,
		Type:       clean(mask(document.Type)),
		Title:      clean(mask(document.Title)),
		Detail:     clean(mask(detail)),
		RetryAfter: retryAfter(header),
	}
	e.kind = kindOfStatus(status)
	return e
}

func kindOfStatus(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusMisdirectedRequest,
		http.StatusTooEarly, http.StatusTooManyRequests:
		return ErrRetry
	}
	if status >= 400 && status < 500 {
		return ErrInvalid
	}
	return ErrRetry
}

// resourceNotFound reports a 404 by which the broker says that it does not hold
// what was asked for. Orion-LD gives a wrong path the same type, so the title
// decides.
func (e *ProblemError) resourceNotFound(titles ...string) bool {
	if e.Status != http.StatusNotFound || !strings.HasSuffix(e.Type, "/ResourceNotFound") {
		return false
	}
	for _, title := range titles {
		if e.Title == title {
			return true
		}
	}
	return false
}

// retryAfter reads the header, seconds or a date; a date counts from the
// answer's own.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	then, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, then.Sub(now))
}

// clean makes text from outside fit for one line of a log.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	return text
}
