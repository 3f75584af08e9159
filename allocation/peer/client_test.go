package peer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/peer"
)

func asked() *allocation.Allocation {
	private := true
	return &allocation.Allocation{Component: "urn:ngsi-ld:Service:s:Component:c", Service: "urn:ngsi-ld:Service:s", Element: "urn:e",
		Image: "i:1", IsPrivate: &private, Username: "hunter", Password: "hunter2", Network: &allocation.Network{Address: "10.0.0.2", PrivateKey: "hunter3"}}
}

const (
	posted  = "POST /hlo_al/services/urn:ngsi-ld:Service:s?placed=true"
	put     = "PUT /hlo_al/services/urn:ngsi-ld:Service:s/service_components/urn:ngsi-ld:Service:s:Component:c/?placed=true"
	deleted = "DELETE /hlo_al/services/urn:ngsi-ld:Service:s/service_components/urn:ngsi-ld:Service:s:Component:c/"
)

// domain answers with the given codes and bodies, one after the other.
func domain(t *testing.T, answers ...any) (url string, calls *[]string) {
	t.Helper()
	calls = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(*calls) * 2
		*calls = append(*calls, strings.TrimSuffix(r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery, "?"))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answers[n].(int))
		_, _ = io.WriteString(w, answers[n+1].(string))
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func TestAllocate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []any
		calls   []string
		err     error
		says    string
	}{
		"flat success":      {[]any{200, ""}, []string{posted}, nil, ""},
		"newer success":     {[]any{201, ""}, []string{posted}, nil, ""},
		"there, otherwise":  {[]any{409, "", 200, ""}, []string{posted, put}, nil, ""},
		"follows it itself": {[]any{409, "", 409, `{"type":"https://x/ordered-by-entity"}`}, []string{posted, put}, nil, ""},
		"is being removed":  {[]any{409, "", 409, `{"type":"https://x/being-removed","title":"It goes"}`}, []string{posted, put}, peer.ErrDenied, "It goes"},
		"placed anew":       {[]any{409, `{"type":"https://x/placed-anew","title":"Elsewhere"}`}, []string{posted}, peer.ErrOvertaken, "Elsewhere"},
		"went between":      {[]any{409, "", 404, `{}`}, []string{posted, put}, peer.ErrRetry, "404"},
		"bad":               {[]any{400, `{"title":"Bad","detail":"no hunter2 and hunter3, hunter","faults":[{"path":"/image"}]}`}, []string{posted}, peer.ErrBad, "Bad: no [redacted] and [redacted], [redacted]"},
		"the older service": {[]any{400, `{"status":"Failed to allocate"}`}, []string{posted}, peer.ErrBad, "Failed to allocate"},
		"unauthenticated":   {[]any{401, "no"}, []string{posted}, peer.ErrDenied, "401: no"},
		"forbidden":         {[]any{403, ""}, []string{posted}, peer.ErrDenied, "403"},
		"busy":              {[]any{429, ""}, []string{posted}, peer.ErrRetry, "429"},
		"broken":            {[]any{500, "<html>" + strings.Repeat("x", 5000)}, []string{posted}, peer.ErrRetry, "…"},
		"redirected":        {[]any{307, ""}, []string{posted}, peer.ErrRetry, "307"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, calls := domain(t, c.answers...)
			err := peer.NewClient(http.DefaultTransport).Allocate(t.Context(), url, asked())
			if !errors.Is(err, c.err) || !strings.Contains(fmt.Sprint(err), c.says) || len(fmt.Sprint(err)) > 500 || strings.Contains(fmt.Sprint(err), "hunter") {
				t.Errorf("got %v, want %v that says %q", err, c.err, c.says)
			}
			if diff := cmp.Diff(c.calls, *calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeallocate(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]error{200: nil, 204: nil, 404: peer.ErrAbsent, 403: peer.ErrDenied, 400: peer.ErrBad, 503: peer.ErrRetry} {
		url, calls := domain(t, code, "")
		err := peer.NewClient(http.DefaultTransport).Deallocate(t.Context(), url, asked().Service, asked().Component, false)
		if !errors.Is(err, want) || len(*calls) != 1 || (*calls)[0] != deleted {
			t.Errorf("%d: got %v after %v, want %v", code, err, *calls, want)
		}
	}
	url, calls := domain(t, 200, "")
	if err := peer.NewClient(http.DefaultTransport).Deallocate(t.Context(), url, asked().Service, asked().Component, true); err != nil || (*calls)[0] != deleted+"?moved=true" {
		t.Errorf("%v after %v", err, *calls)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	err := peer.NewClient(http.DefaultTransport).Allocate(t.Context(), "http://127.0.0.1:1", asked())
	if !errors.Is(err, peer.ErrRetry) || strings.Contains(err.Error(), "hlo_al") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := peer.NewClient(http.DefaultTransport).Allocate(ctx, "http://127.0.0.1:1", asked()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
