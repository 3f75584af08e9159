package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counter hands out tokens that live for a while, and answers who shows one.
type counter struct {
	life time.Duration

	mu      sync.Mutex
	closed  bool
	issued  map[string]time.Time // when it ends
	asked   int
	refused int
	bodies  []string
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := httptest.NewRecorder()
	switch {
	case r.URL.Path != "/token":
		body := ""
		if r.Body != nil {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			body = string(text)
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if ends, known := c.issued[token]; !known || !time.Now().Before(ends) {
			c.refused++
			w.WriteHeader(http.StatusUnauthorized)
			break
		}
		c.bodies = append(c.bodies, body)
	case c.closed:
		return nil, errors.New("the issuer is closed")
	default:
		c.asked++
		token := fmt.Sprintf("token-%d", c.asked)
		c.issued[token] = time.Now().Add(c.life)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, int(c.life.Seconds()))
	}
	return w.Result(), nil
}

func newCounter(life time.Duration) (*counter, *http.Client) {
	c := &counter{life: life, issued: map[string]time.Time{}}
	bearer := &bearerTransport{base: c, now: time.Now, fetch: clientCredentials("CB_OAUTH_TOKEN_URL", c, "http://issuer.invalid/token", "agent", "hush")}
	return c, &http.Client{Transport: bearer}
}

// send sends one request with a body and gives the status, or 0 for none.
func send(t *testing.T, client *http.Client, body string) int {
	t.Helper()
	resp, err := client.Post("http://broker.invalid/x", "text/plain", bytes.NewReader([]byte(body)))
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// With tokens that live for three seconds no request of many callers is ever
// refused, and a token is fetched once for all of them.
func TestTokensAreRenewedInTime(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{3 * time.Second, 60 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c, client := newCounter(life)
			var callers sync.WaitGroup
			for n := range 8 {
				callers.Go(func() {
					for range 300 {
						time.Sleep(life / 20 * time.Duration(n+1) / 8)
						if code := send(t, client, ""); code != http.StatusOK {
							t.Errorf("answered %d", code)
						}
					}
				})
			}
			callers.Wait()
			if c.refused != 0 || c.asked < 15 || c.asked > 25 {
				t.Errorf("life %v: %d requests were refused, %d tokens were fetched, want about 20", life, c.refused, c.asked)
			}
		})
	}
}

// While the issuer does not answer the token goes on counting until its end.
func TestIssuerGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := newCounter(100 * time.Second)
		if code := send(t, client, ""); code != http.StatusOK {
			t.Fatal(code)
		}
		c.closed = true
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{80 * time.Second, http.StatusOK}, {14 * time.Second, http.StatusOK}, {2 * time.Second, 0}, {10 * time.Second, 0}} {
			time.Sleep(step.after)
			if code := send(t, client, ""); code != step.want {
				t.Errorf("%v later: %d, want %d", step.after, code, step.want)
			}
		}
		c.closed = false
		if code := send(t, client, ""); code != http.StatusOK || c.refused != 0 {
			t.Errorf("when it answers again: %d, %d refused", code, c.refused)
		}
	})
}

// A token that is withdrawn is replaced at the first refusal, and the request goes once more, whole.
func TestTokenWithdrawn(t *testing.T) {
	t.Parallel()
	c, client := newCounter(time.Hour)
	first := send(t, client, "one")
	clear(c.issued)
	second := send(t, client, "two")
	if first != http.StatusOK || second != http.StatusOK || c.refused != 1 || strings.Join(c.bodies, " ") != "one two" {
		t.Errorf("%d, %d, %d refused, bodies %q", first, second, c.refused, c.bodies)
	}
}

// A file with a token is read again.
func TestTokenFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		c := &counter{issued: map[string]time.Time{"a": time.Now().Add(time.Hour), "b": time.Now().Add(time.Hour)}}
		client := &http.Client{Transport: &bearerTransport{base: c, now: time.Now, fetch: fileToken("CB_TOKEN_FILE", file, time.Now)}}
		if code := send(t, client, ""); code != 0 {
			t.Errorf("without a file: %d", code)
		}
		for _, token := range []string{"a", "b"} {
			if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if token == "b" {
				delete(c.issued, "a")
			}
			time.Sleep(8 * time.Second)
			if code := send(t, client, ""); code != http.StatusOK || c.refused != 0 {
				t.Errorf("with %s: %d, %d refused", token, code, c.refused)
			}
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if _, err := client.Get("http://broker.invalid/x"); err == nil || !strings.Contains(err.Error(), "CB_TOKEN_FILE: the file that it names is empty") {
			t.Errorf("with an empty file: %v", err)
		}
	})
}

// What comes instead of an answer may show the token; errors do not.
func TestNoAnswerShowsTheToken(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, r.Header.Get("Authorization")+"\r\n\r\n") // the caller went away
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &bearerTransport{base: http.DefaultTransport, now: time.Now, fetch: fixedToken("hush-hush")}}
	if _, err := client.Get(server.URL); err == nil || !strings.Contains(err.Error(), "[redacted]") || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}
