package llo_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/hlo-agent/hlo-agent/llo"
)

// An API server that does not answer, or does not know us, is out of reach, and
// nothing is sent to it but by those who follow. One that refuses what is asked is
// not.
func TestReach(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		lost   bool
	}{
		"401": {"HTTP/1.1 401 Unauthorized\r\n\r\n", true},
		"503": {"HTTP/1.1 503 Service Unavailable\r\n\r\n", true},
		"403": {"HTTP/1.1 403 Forbidden\r\n\r\n", false},
		"500": {"HTTP/1.1 500 Internal Server Error\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cluster := w.run()
			w.apply(cluster, w.component("a"), llo.ActionCreated)
			w.wire.answerWith(c.answer)
			w.wire.reset()
			w.wire.cutWatches()
			eventually(t, "tried", func() bool { return len(w.wire.requests()) >= 6 })
			if since, err := cluster.Reach(); (err != nil) != c.lost || since.IsZero() == c.lost {
				t.Errorf("reach: %v, %v; want lost: %v", since, err, c.lost)
			}
			w.wire.reset()
			_, err := cluster.Apply(t.Context(), w.component("b"))
			if !errors.Is(err, llo.ErrRetry) && c.lost {
				t.Errorf("apply: %v, want ErrRetry", err)
			}
			if n := len(w.wire.writes()); (n == 0) != c.lost {
				t.Errorf("%d writes, lost: %v", n, c.lost)
			}
			w.apply(cluster, w.component("a"), llo.ActionNone)
			if len(cluster.All()) != 1 {
				t.Error("the cache did not stay as it was")
			}
			w.wire.answerWith("")
			eventually(t, "followed", func() bool { return cluster.KindState(k8sKind) == nil })
			if since, err := cluster.Reach(); err != nil || !since.IsZero() {
				t.Errorf("reach: %v, %v; want it back", since, err)
			}
		})
	}
}

// Another way to the API server is used at once for everything, and nothing is
// forgotten meanwhile.
func TestReconnect(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	w.apply(c, w.component("a"), llo.ActionCreated)
	other := &wire{}
	config := server(t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &tap{wire: other, next: next} })
	w.wire.reset()
	if err := c.Reconnect(config); err != nil {
		t.Fatal(err)
	}
	if len(c.All()) != 1 {
		t.Error("the cache was emptied")
	}
	w.others("somebody", w.component("held"))
	eventually(t, "watched by the other way", func() bool {
		_, _, exists := c.Holder(w.key("held"))
		return exists
	})
	eventually(t, "applied by the other way", func() bool {
		_, err := c.Apply(t.Context(), w.component("b"))
		return err == nil
	})
	if n := len(w.wire.requests()); n > 0 {
		t.Errorf("%d requests by the old way", n)
	}
	if n := len(other.requests()); n < 3 {
		t.Errorf("%d requests by the other way", n)
	}
	bad := server(t)
	bad.TLSClientConfig.CAData, bad.TLSClientConfig.CAFile = nil, "/nowhere"
	if err := c.Reconnect(bad); err == nil {
		t.Error("a connection that cannot be made was taken")
	}
	w.apply(c, w.component("b"), llo.ActionNone)
}
