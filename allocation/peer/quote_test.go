package peer_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/peer"
)

// The secrets hold what each way of writing them escapes.
const (
	password = `Q6"Q7\Q8ö <&> + Q1`
	key      = "cHJpdmF0ZS1rZXktb2YtdGhlLWNvbXBvbmVudC0wMDA="
	variable = "first line\nvariable-Q2"
	argument = "argument-Q3"
	assigned = "assigned-Q4"
	token    = "token-Q5"
)

func marked() *allocation.Allocation {
	a := asked()
	a.Password, a.Network.PrivateKey = password, key
	a.EnvVars = []allocation.Pair{{Key: "DB_PASSWORD", Value: variable}, {Key: "DEBUG", Value: "true"}}
	a.CLIArgs = []allocation.Pair{{Key: "--secret", Value: argument}, {Key: "--password=" + assigned}}
	return a
}

type way func(*http.Request) (*http.Response, error)

func (w way) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// withToken adds a token on the way, as the agent does.
var withToken = way(func(r *http.Request) (*http.Response, error) {
	with := r.Clone(r.Context())
	with.Header.Set("Authorization", "Bearer "+token)
	return http.DefaultTransport.RoundTrip(with)
})

// clean fails the test if anything secret is in a text, in whatever form.
func clean(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", name)
		return
	}
	for _, part := range []string{"Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8", key[:6], "first", "hunter", "aHVudG", base64.StdEncoding.EncodeToString([]byte(password))[:6]} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q is in %v", name, part, err)
		}
	}
}

// A domain that repeats what it was sent, in whatever form, is quoted without the
// registry's password, keys, values of variables and arguments, and our token.
func TestEchoesAreQuotedWithoutSecrets(t *testing.T) {
	t.Parallel()
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	all := strings.Join([]string{password, key, variable, argument, assigned, token, "hunter"}, "|")
	quotes := strconv.QuoteToASCII(password)
	for name, body := range map[string]func(got string) string{
		"as it came": func(got string) string { return got },
		"plain":      func(string) string { return all },
		"a problem":  func(string) string { return text(map[string]any{"title": "Bad", "detail": all}) },
		"its status": func(string) string { return text(map[string]any{"status": all}) },
		"faults": func(string) string {
			return text(map[string]any{"faults": []any{map[string]any{"value": all}, password}})
		},
		"the input, as lists": func(got string) string { return `{"detail":[{"loc":["body"],"input":` + got + `}]}` },
		"the input, as text":  func(got string) string { return text(map[string]any{"detail": "cannot read " + got}) },
		"of another shape":    func(string) string { return text(map[string]any{"echo": []string{all, password}}) },
		"needless escapes":    func(string) string { return `{"echo":"\u0074oken-Q5 \u0068unter"}` },
		"ascii":               func(string) string { return "cannot use " + quotes },
		"html":                func(string) string { return "<p>" + html.EscapeString(password) + "</p>" },
		"a query":             func(string) string { return "?p=" + url.QueryEscape(password) + "&q=" + url.PathEscape(password) },
		"base64": func(string) string {
			return base64.StdEncoding.EncodeToString([]byte("hunter:"+password)) + " " + base64.StdEncoding.EncodeToString([]byte(password))
		},
	} {
		for _, code := range []int{400, 401, 404, 409, 500} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				w.WriteHeader(code)
				_, _ = io.WriteString(w, body(string(got))) // the caller went away
			}))
			err := peer.NewClient(withToken).Allocate(t.Context(), server.URL, marked())
			clean(t, fmt.Sprintf("%s, %d", name, code), err)
			server.Close()
		}
	}
	// What is asked for a removal is no secret but the token.
	url, _ := domain(t, 403, `{"detail": "Bearer token-Q5 may not"}`)
	err := peer.NewClient(withToken).Deallocate(t.Context(), url, asked().Service, asked().Component, false)
	clean(t, "removal", err)
	if err == nil || !strings.HasSuffix(err.Error(), "403: Bearer [redacted] may not") {
		t.Errorf("removal: got %v", err)
	}
}

// What is no answer at all, or sends us elsewhere, is quoted no otherwise.
func TestEchoesThatAreNoAnswers(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]string{
		"no HTTP":       argument + " " + assigned + "\r\n\r\n",
		"a wrong code":  "HTTP/1.1 " + argument + "\r\n\r\n",
		"a wrong place": "HTTP/1.1 307 Elsewhere\r\nLocation: http://%zz/" + argument + token + "\r\nContent-Length: 0\r\n\r\n",
		"its reason":    "HTTP/1.1 500 " + argument + token + "\r\nContent-Length: 0\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := conn.Read(make([]byte, 64<<10)); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(conn, reply) // the caller went away
		}()
		clean(t, name, peer.NewClient(withToken).Allocate(t.Context(), "http://"+l.Addr().String(), marked()))
		_ = l.Close() // it was listening
		<-done
	}
}
