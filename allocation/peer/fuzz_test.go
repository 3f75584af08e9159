package peer_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hlo-agent/hlo-agent/allocation/peer"
)

// FuzzAnswer: whatever another domain answers, it comes to one of the five outcomes, and what is
// quoted of it is short, is text in one line, and repeats no secret.
func FuzzAnswer(f *testing.F) {
	for status, body := range map[int]string{
		200: ``, 409: `{"type":"https://x/ordered-by-entity"}`, 404: "\xff\x00", 503: `{"title":"Down","detail":"later","status":503}`,
		400: `{"title":"Bad","faults":[{"field":"image"},"` + argument + `"]}`, 403: "Bearer " + token + " may not",
		422: `{"echo":"\u0074oken-Q5"} ` + token, 301: strings.Repeat("ö", 400), 500: assigned + "\n\t" + key,
	} {
		f.Add(status, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		client := peer.NewClient(way(func(r *http.Request) (*http.Response, error) {
			r.Header.Set("Authorization", "Bearer "+token)
			return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
		}))
		for call, err := range map[string]error{
			"allocate":   client.Allocate(t.Context(), "https://b", marked()),
			"deallocate": client.Deallocate(t.Context(), "https://b", asked().Service, asked().Component, false),
		} {
			if err == nil {
				if followed := call == "allocate" && status == http.StatusConflict; status/100 != 2 && !followed {
					t.Errorf("%s: %d is no error", call, status)
				}
				continue
			}
			kinds := 0
			for _, kind := range []error{peer.ErrRetry, peer.ErrAbsent, peer.ErrDenied, peer.ErrBad} {
				if errors.Is(err, kind) {
					kinds++
				}
			}
			said := err.Error()
			if status/100 == 2 || kinds != 1 {
				t.Errorf("%s: %d is an error of %d kinds: %v", call, status, kinds, err)
			}
			if len(said) > 400 || !utf8.ValidString(said) || strings.ContainsAny(said, "\r\n\t") {
				t.Errorf("%s: %d bytes: %q", call, len(said), said)
			}
			if call == "deallocate" { // that sends the token, and nothing else that is secret
				if strings.Contains(said, token) {
					t.Errorf("the token is in %q", said)
				}
				continue
			}
			for _, secret := range []string{token, key, argument, assigned} {
				if strings.Contains(said, secret) {
					t.Errorf("%q is in %q", secret, said)
				}
			}
		}
	})
}
