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
	read := newTogether(ngsild.NewClient(ngsild.ClientConfig{BaseURL: server.URL}))
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
