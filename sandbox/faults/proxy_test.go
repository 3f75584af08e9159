package faults_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// counting is a server that counts what reaches it, and a proxy before it.
func counting(t *testing.T) (*faults.Proxy, *atomic.Int32) {
	t.Helper()
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		body, _ := io.ReadAll(r.Body) // in memory
		_, _ = io.WriteString(w, "got "+string(body))
	}))
	t.Cleanup(server.Close)
	proxy, err := faults.Start(freeAddress(t), server.URL, nil)
	must(t, err)
	t.Cleanup(proxy.Close)
	return proxy, &reached
}

func ask(t *testing.T, proxy *faults.Proxy) (int, string, error) {
	t.Helper()
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(proxy.URL()+"/x?y=1", "text/plain", strings.NewReader("this"))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// Each effect does to the client and to the server what it says, as often as it
// was told, and then the proxy forwards again.
func TestEffects(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	close(open)
	for name, c := range map[string]struct {
		do      faults.Effect
		cut     bool
		status  int
		body    string
		reaches int32
	}{
		"pass":       {faults.Pass, false, 200, "got this", 1},
		"cut before": {faults.CutBefore, true, 0, "", 0},
		"cut after":  {faults.CutAfter, true, 0, "", 1},
		"hang":       {faults.Hang, true, 0, "", 0},
		"twice":      {faults.Twice, false, 200, "got this", 2},
		"answer":     {faults.Answer(418, nil, "tea"), false, 418, "tea", 0},
		"after":      {faults.After(time.Millisecond, faults.Pass), false, 200, "got this", 1},
		"hold":       {faults.Hold(open), false, 200, "got this", 1},
		"rewrite": {faults.Rewrite(func(_ int, _ http.Header, body []byte) (int, []byte) {
			return 404, append([]byte("not "), body...)
		}), false, 404, "not got this", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, reached := counting(t)
			proxy.Inject(faults.Fault{Match: about("/x"), Times: 1, Do: c.do})
			status, body, err := ask(t, proxy)
			if (err != nil) != c.cut || status != c.status || body != c.body || reached.Load() != c.reaches {
				t.Errorf("got %d %q %v, %d reached the server; want %+v", status, body, err, reached.Load(), c)
			}
			if status, body, err := ask(t, proxy); status != 200 || body != "got this" || err != nil {
				t.Errorf("the next one: %d %q %v", status, body, err)
			}
			if seen := proxy.Seen(method("POST")); len(seen) != 2 || string(seen[0].Body) != "this" || seen[0].Query != "y=1" || seen[1].Status != 200 {
				t.Errorf("seen %+v", seen)
			}
		})
	}
}

func TestProxyDown(t *testing.T) {
	t.Parallel()
	proxy, reached := counting(t)
	remove := proxy.Inject(faults.Fault{Do: faults.CutBefore})
	if _, _, err := ask(t, proxy); err == nil {
		t.Error("the fault did not strike")
	}
	remove()
	proxy.Down()
	if _, _, err := ask(t, proxy); err == nil {
		t.Error("down, it answers")
	}
	must(t, proxy.Up())
	must(t, proxy.Up())
	for range 5 {
		must(t, proxy.Cut())
	}
	if status, _, err := ask(t, proxy); status != 200 || err != nil || reached.Load() != 1 {
		t.Errorf("up again: %d %v, %d reached the server", status, err, reached.Load())
	}
}
