package agent

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// told is a copy that leads, as another one sees it.
type told struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	words  chan struct{} // that something is missing
	away   bool          // it answers 503 to notifications
}

func newTold(t *testing.T) *told {
	t.Helper()
	l := &told{words: make(chan struct{}, 16)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case req.Header.Get(missedHeader) != "":
			l.words <- struct{}{}
		case l.away:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		default:
			l.bodies = append(l.bodies, string(body))
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(l.Close)
	return l
}

// startFollower makes a copy that follows l, as soon as it is told who leads.
func startFollower(t *testing.T) *service {
	t.Helper()
	s := &service{lead: newLead(true), reconciler: &reconciler{log: slog.New(slog.DiscardHandler)}}
	s.lead.self = "follower@http://127.0.0.1:1"
	secrets := func() []string { return []string{"right"} }
	s.relay = newRelay(s.lead, http.DefaultTransport, secrets, func(string) {})
	s.receiver = ngsild.NewReceiver(ngsild.ReceiverConfig{Secret: secrets, Relay: s.relay.take})
	return s
}

func (s *service) follow(l *told) {
	holder := "leader@" + l.URL
	s.lead.holder.Store(&holder)
}

// answers has a copy answer notifications, which wait then, since nothing hands them on.
func (s *service) answers(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		req := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(body))
		req.Header.Set(ngsild.SecretHeader, "right")
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.receiver.ServeHTTP(w, req)
		if w.Code != http.StatusNoContent {
			t.Fatalf("answered %d", w.Code)
		}
	}
}

// A copy that begins may follow one that was killed with something that it had answered:
// the leader is told that something is missing.
func TestFollowerBeginsWithTheWord(t *testing.T) {
	t.Parallel()
	l, s := newTold(t), startFollower(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.relay.run(ctx) }()
	s.follow(l)
	select {
	case <-l.words:
	case <-time.After(20 * time.Second):
		t.Error("the leader was not told")
	}
	cancel()
	<-ended
}

// What a copy that ends has answered is handed on; where that cannot be, the leader is told
// that something is missing.
func TestFollowerEnds(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]bool{"and hands on": false, "and says what is missing": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, s := newTold(t), startFollower(t)
			s.follow(l)
			if err := s.relay.last(t.Context()); err != nil { // as at the beginning
				t.Fatal(err)
			}
			<-l.words
			s.answers(t, "first", "second")
			l.mu.Lock()
			l.away = away
			l.mu.Unlock()
			s.handOnRest()
			want := 2
			if away {
				want = 0
			}
			if len(l.bodies) != want || (len(l.words) > 0) != away {
				t.Errorf("handed on %q, told %d times that something is missing", l.bodies, len(l.words))
			}
		})
	}
}

// While the secret is changed the copy that leads may still know the one before, or know the next one already.
func TestFollowerHandsOnWhileTheSecretChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		knows string
		asked int
		ok    bool
	}{"the first": {"next", 1, true}, "another": {"before", 2, true}, "none": {"stranger's", 2, false}} {
		asked := 0
		l := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked++
			body, _ := io.ReadAll(req.Body)
			if string(body) != "{}" || req.Header.Get(ngsild.SecretHeader) != c.knows {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		}))
		s := startFollower(t)
		holder := "leader@" + l.URL
		s.lead.holder.Store(&holder)
		s.relay.secret = func() []string { return []string{"next", "before"} }
		err := s.relay.send(t.Context(), []byte("{}"), false)
		l.Close()
		if (err == nil) != c.ok || asked != c.asked {
			t.Errorf("it knows %s: %v after %d requests, want %d", name, err, asked, c.asked)
		}
	}
}
