package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// TestReadTogether: while a read is under way the others wait for one list; what
// that lacks is asked for by itself.
func TestReadTogether(t *testing.T) {
	t.Parallel()
	under, open := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		first := len(asked) == 0
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		if first {
			close(under)
			<-open
		}
		entity := func(id string) map[string]any { return map[string]any{"id": id, "type": "ServiceComponent"} }
		w.Header().Set("Content-Type", "application/json")
		var body any
		switch id := strings.TrimPrefix(r.URL.Path, "/ngsi-ld/v1/entities/"); {
		case strings.HasSuffix(id, "absent"):
			w.WriteHeader(http.StatusNotFound)
			body = map[string]any{"type": "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound", "title": "Entity Not Found", "detail": id}
		case id != r.URL.Path:
			body = entity(id)
		default:
			var list []any
			for _, id := range strings.Split(r.URL.Query().Get("id"), ",") {
				if strings.HasPrefix(id, "urn:listed") {
					list = append(list, entity(id))
				}
			}
			w.Header().Set("NGSILD-Results-Count", fmt.Sprint(len(list)))
			body = list
		}
		if err := json.NewEncoder(w).Encode(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	read := newTogether(ngsild.NewClient(ngsild.ClientConfig{BaseURL: server.URL}), func() int { return 0 })
	ctx, cancel := context.WithCancel(t.Context())
	var running, asking sync.WaitGroup
	running.Go(func() { _ = read.run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	get := func(id ngsild.EntityID, there bool) {
		e, err := read.read(ctx, id)
		if err != nil || (e != nil) != there || (e != nil && e.ID != id) {
			t.Errorf("%s: %v, %v", id, e, err)
		}
	}
	asking.Go(func() { get("urn:first", true) })
	<-under
	var queued sync.WaitGroup
	for i := range 8 {
		queued.Add(1)
		asking.Go(func() { queued.Done(); get(ngsild.EntityID(fmt.Sprint("urn:listed:", i)), true) })
	}
	asking.Go(func() { get("urn:far", true) })
	asking.Go(func() { get("urn:absent", false) })
	queued.Wait()
	close(open)
	asking.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(asked) > 10 { // one for each would be 11
		t.Errorf("%d requests: %v", len(asked), asked)
	}
}

// TestReadTogetherInACrowd: who comes next is waited for a moment, but only where
// many are about to ask, and until enough have.
func TestReadTogetherInACrowd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		crowd, apart, want int // apart in milliseconds
	}{{crowded, 1, 1}, {crowded + 1, 1, 5}, {crowded + 1, 20, 1}, {100, 0, crowded}} {
		synctest.Test(t, func(t *testing.T) {
			together := newTogether(nil, func() int { return c.crowd })
			ctx, cancel := context.WithCancel(t.Context())
			var asking sync.WaitGroup
			for i := range 20 {
				asking.Go(func() {
					time.Sleep(time.Duration((i+1)*c.apart) * time.Millisecond)
					select {
					case together.ask <- readRequest{}:
					case <-ctx.Done():
					}
				})
			}
			if got := len(together.gather(ctx, readRequest{})); got < c.want || got > c.want+1 && c.apart > 0 {
				t.Errorf("%+v: %d in one request", c, got)
			}
			cancel()
			asking.Wait()
		})
	}
}
