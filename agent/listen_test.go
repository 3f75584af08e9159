package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// street is a listener without sockets, so that time can be virtual.
type street struct {
	comes  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newStreet() *street { return &street{comes: make(chan net.Conn), closed: make(chan struct{})} }

func (s *street) Accept() (net.Conn, error) {
	select {
	case c := <-s.comes:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *street) Close() error   { s.once.Do(func() { close(s.closed) }); return nil }
func (s *street) Addr() net.Addr { return &net.TCPAddr{} }

// walker is a connection from an address.
type walker struct {
	net.Conn
	from string
}

func (w walker) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(w.from), 1000))
}

// walkUp connects from an address. What it gives reads "EOF" once it was turned away.
func (s *street) walkUp(t *testing.T, from string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	go func() {
		select {
		case s.comes <- walker{theirs, from}:
		case <-s.closed:
			_ = theirs.Close()
		}
	}()
	synctest.Wait()
	return ours
}

// inside is the number of connections that are held.
func (d *doorkeeper) inside() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, count := range d.of {
		n += count
	}
	return n
}

// doorstepOf serves a handler behind a doorkeeper in a bubble until the test ends.
func doorstepOf(t *testing.T, from []string, most int, h http.Handler) (*street, *doorkeeper, map[string]int) {
	t.Helper()
	allowed, err := ranges(from)
	if err != nil {
		t.Fatal(err)
	}
	s, turned := newStreet(), map[string]int{}
	face := withDoorkeeper(tcpFace{Listener: s}, allowed, most, func(reason string) { turned[reason]++ }).(tcpFace)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- face.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, face.Listener.(*doorkeeper), turned
}

func teapot(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusTeapot)
}

// request sends text and gives the status of the answer.
func request(c net.Conn, text string) string {
	_ = c.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		return "closed"
	}
	return codeOf(c)
}

func codeOf(c net.Conn) string {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "closed"
	}
	_ = resp.Body.Close()
	return resp.Status[:3]
}

const plainGet = "GET / HTTP/1.1\r\nHost: a\r\n"

func TestOnlySomeAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _, turned := doorstepOf(t, []string{"10.1.0.0/16", "fd00::/8", "192.0.2.7"}, 10, http.HandlerFunc(teapot))
		for from, want := range map[string]string{
			"10.1.2.3": "418", "::ffff:10.1.2.3": "418", "192.0.2.7": "418", "fd00::7": "418",
			"10.2.2.3": "closed", "192.0.2.8": "closed", "fe00::7": "closed", "::1": "closed",
		} {
			if got := request(s.walkUp(t, from), plainGet+"\r\n"); got != want {
				t.Errorf("%s: %s, want %s", from, got, want)
			}
		}
		if turned["address"] != 4 {
			t.Errorf("turned away: %v", turned)
		}
	})
}

// At most so many connections are held; who comes then waits, and one address
// cannot keep the others out.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, door, turned := doorstepOf(t, nil, 4, http.HandlerFunc(teapot))
		greedy := []net.Conn{s.walkUp(t, "2001:db8::1"), s.walkUp(t, "2001:db8::2")}
		if got := request(s.walkUp(t, "2001:db8::3"), plainGet+"\r\n"); got != "closed" || turned["share"] != 1 {
			t.Errorf("the third of one network: %s, turned away %v", got, turned)
		}
		first, second := s.walkUp(t, "10.0.0.1"), s.walkUp(t, "10.0.0.2")
		third := s.walkUp(t, "10.0.0.3") // waits
		if n := door.inside(); n != 4 {
			t.Errorf("%d connections are held, want 4", n)
		}
		if got := request(first, plainGet+"\r\n"); got != "418" {
			t.Errorf("the first of the others: %s", got)
		}
		_ = greedy[0].Close()
		if got := request(third, plainGet+"\r\n"); got != "418" {
			t.Errorf("who waited: %s", got)
		}
		if got := request(second, plainGet+"\r\n"); got != "418" {
			t.Errorf("the second of the others: %s", got)
		}
		if n := door.inside(); n != 4 {
			t.Errorf("%d connections are held, want 4", n)
		}
	})
}

// Whoever is slow loses the connection, whether with headers, with the body, with
// reading, or between requests, and none is held for good.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	large := func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		says    string
		within  time.Duration
	}{
		"nothing":       {teapot, "", headerTime},
		"half headers":  {teapot, plainGet, headerTime},
		"half a body":   {teapot, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345", bodyTime},
		"does not read": {large, plainGet + "\r\n", replyTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, door, _ := doorstepOf(t, nil, 4, c.handler)
				conn := s.walkUp(t, "10.0.0.1")
				if _, err := io.WriteString(conn, c.says); err != nil {
					t.Fatal(err)
				}
				if name == "half a body" {
					go func() { _ = codeOf(conn) }() // a pipe has no room for an answer that nobody reads
				}
				time.Sleep(c.within - time.Millisecond)
				synctest.Wait()
				if n := door.inside(); n != 1 {
					t.Errorf("after %v %d connections, want 1", c.within-time.Millisecond, n)
				}
				time.Sleep(2*time.Second + time.Millisecond) // a refused body is read on for a moment
				synctest.Wait()
				if n := door.inside(); n != 0 {
					t.Errorf("after %v %d connections, want none", c.within, n)
				}
			})
		})
	}
	t.Run("between requests", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s, door, _ := doorstepOf(t, nil, 4, http.HandlerFunc(teapot))
			if got := request(s.walkUp(t, "10.0.0.1"), plainGet+"\r\n"); got != "418" {
				t.Fatal(got)
			}
			time.Sleep(idleTime + time.Millisecond)
			synctest.Wait()
			if n := door.inside(); n != 0 {
				t.Errorf("%d connections, want none", n)
			}
		})
	})
}

func TestHeadersAreLimited(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ headers, want string }{
		"as many as may be": {strings.Repeat("X-A: b\r\n", mostHeaders), "418"},
		"one more":          {strings.Repeat("X-A: b\r\n", mostHeaders+1), "431"},
		"other names":       {names(mostHeaders + 1), "431"},
		"large":             {"X-A: " + strings.Repeat("b", mostHeaderSize) + "\r\n", "418"},
		"too large":         {"X-A: " + strings.Repeat("b", mostHeaderSize+8<<10) + "\r\n", "431"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, _, _ := doorstepOf(t, nil, 4, http.HandlerFunc(teapot))
				conn := s.walkUp(t, "10.0.0.1")
				go func() { _, _ = io.WriteString(conn, plainGet+c.headers+"\r\n") }() // the answer may come before the end
				if got := codeOf(conn); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		})
	}
}

func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-%d: b\r\n", i)
	}
	return b.String()
}

// The listener of operators takes no bodies, and frees no memory unless that is asked for.
func TestOpsHandler(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  Config
		says string
		want string
	}{
		{Config{}, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
		{Config{}, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
		{Config{}, "POST /debug/free-memory HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "404"},
		{Config{OpsDebug: true}, "POST /debug/free-memory HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "204"},
		{Config{OpsDebug: true}, "GET /debug/free-memory HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
		{Config{OpsClientCAFile: "x"}, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "401"},
		{Config{OpsClientCAFile: "x", OpsDebug: true}, "POST /debug/free-memory HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "401"},
		{Config{OpsClientCAFile: "x"}, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "200"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, _, _ := doorstepOf(t, nil, 4, opsHandler(prometheus.NewRegistry(), newHealth(), &c.cfg))
			if got := request(s.walkUp(t, "10.0.0.1"), c.says); got != c.want {
				t.Errorf("%+v %.30s: %s, want %s", c.cfg, c.says, got, c.want)
			}
		})
	}
}

// A listener that is closed while it is full does not hang.
func TestDoorkeeperCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		door := withDoorkeeper(tcpFace{Listener: s}, nil, 1, func(string) {}).(tcpFace).Listener
		go func() { s.comes <- walker{from: "10.0.0.1"} }()
		if _, err := door.Accept(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { _, err := door.Accept(); ended <- err }()
		synctest.Wait()
		if err := door.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
