package broker

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// received is a notification as it came over the wire.
type received struct {
	conn    int // number of the connection, from 1
	line    string
	headers []string
	body    string
}

// tag is the last part of the path, before the query.
func (r received) tag() string {
	path, _, _ := strings.Cut(strings.Fields(r.line)[1], "?")
	return path[strings.LastIndex(path, "/")+1:]
}

// receiver is a notification endpoint that answers as the first part of the
// path says: ok, s500 and other codes, b200, d204, chunked, noclen, lcclen,
// close, slow1000, hang, and gate, which is ok once the gate is open. It speaks
// raw TCP so that it sees what was sent.
type receiver struct {
	listener net.Listener
	faster   time.Duration // by how much delays are shortened
	done     chan struct{}
	gate     chan struct{}
	running  sync.WaitGroup

	mu   sync.Mutex
	got  []received
	news chan struct{} // closed and replaced when something came
}

func newReceiver(t testing.TB, faster time.Duration) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{listener: l, faster: faster, done: make(chan struct{}), gate: make(chan struct{}), news: make(chan struct{})}
	r.running.Go(r.accept)
	t.Cleanup(func() {
		close(r.done)
		_ = l.Close()
		r.running.Wait()
	})
	return r
}

func (r *receiver) accept() {
	for n := 1; ; n++ {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.running.Go(func() {
			defer conn.Close()
			r.serve(n, conn)
		})
	}
}

func (r *receiver) serve(n int, conn net.Conn) {
	head := bufio.NewReader(conn)
	got := received{conn: n}
	for {
		line, err := head.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		if line == "" {
			break
		}
		if got.line == "" {
			got.line = line
			continue
		}
		got.headers = append(got.headers, line)
	}
	length := 0
	for _, h := range got.headers {
		if rest, ok := strings.CutPrefix(h, "Content-Length: "); ok {
			length, _ = strconv.Atoi(rest)
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(head, body); err != nil {
		return
	}
	got.body = string(body)
	r.mu.Lock()
	r.got = append(r.got, got)
	close(r.news)
	r.news = make(chan struct{})
	r.mu.Unlock()
	r.reply(conn, strings.Split(strings.Fields(got.line)[1], "/")[1])
}

// take waits until n notifications are there that were not taken before, and
// takes all there are, in the order of their connections.
func (r *receiver) take(n int, patience time.Duration) []received {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		r.mu.Lock()
		got, news := r.got, r.news
		if len(got) >= n {
			r.got = nil
			r.mu.Unlock()
			slices.SortStableFunc(got, func(a, b received) int { return a.conn - b.conn })
			return got
		}
		r.mu.Unlock()
		select {
		case <-news:
		case <-timer.C:
			n = 0
		}
	}
}

func (r *receiver) reply(conn net.Conn, mode string) {
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	switch {
	case mode == "close":
		return
	case mode == "hang":
		<-r.done
		return
	case mode == "gate":
		select {
		case <-r.gate:
		case <-r.done:
			return
		}
	case mode == "b200":
		answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	case mode == "d204":
		answer = "HTTP/1.1 204 No Content\r\nDate: Sat, 21 Nov 2026 23:15:30 GMT\r\n\r\n"
	case mode == "s204":
		answer = "HTTP/1.1 204 No Content\r\n\r\n"
	case mode == "lcclen":
		answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
	case mode == "noclen":
		answer = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"
	case mode == "chunked":
		answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	case strings.HasPrefix(mode, "slow"):
		ms, _ := strconv.Atoi(mode[len("slow"):])
		timer := time.NewTimer(time.Duration(ms) * time.Millisecond / r.faster)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.done:
			return
		}
	case len(mode) == 4 && mode[0] == 's':
		answer = fmt.Sprintf("HTTP/1.1 %s X\r\nContent-Length: 0\r\n\r\n", mode[1:])
	}
	_, _ = io.WriteString(conn, answer)
}
