package broker

import (
	"io"
	"net"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":                                "",
		"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok":                 "",
		"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n":                          "",
		"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n":                                  "",
		"HTTP/1.1 204 No Content\r\n\r\n":                                             reasonNoLine,
		"HTTP/1.1 200 OK\r\n\r\n":                                                     reasonNoLine,
		"HTTP/1.1 200 OK":                                                             reasonNoLine,
		"nonsense\r\nmore\r\n\r\n":                                                    reasonNot2xx,
		"HTTP/1.1 200 OK\r\nserver: x\r\n\r\n":                                        reasonNoLength,
		"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n":                                reasonNoLength,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":              reasonNoLength,
		"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nContent-Length: 0\r\n":                   reasonNoLength,
		"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n":                             reasonNot2xx,
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n":                         reasonNot2xx,
		"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nX: 200\r\n\r\n":   reasonNot2xx,
		"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nX-Y: 204 x\r\n\r\n": reasonNot2xx,
	} {
		if got := judge(answer); got != want {
			t.Errorf("%q: got %q, want %q", answer, got, want)
		}
	}
}

// TestAwait lets a receiver answer in pieces with pauses between them.
func TestAwait(t *testing.T) {
	t.Parallel()
	limits := timing{inTime: time.Second, giveUp: 1500 * time.Millisecond, next: 200 * time.Millisecond}
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for _, c := range []struct {
		name   string
		pieces []string // "" is a pause longer than any limit
		close  bool
		want   string
		slow   bool
	}{
		{name: "at once", pieces: []string{ok}},
		{name: "in pieces", pieces: []string{ok[:5], ok[5:20], ok[20:]}},
		{name: "closed", close: true, want: reasonUnread},
		{name: "closed in the middle", pieces: []string{ok[:20]}, close: true, want: reasonNoLength},
		{name: "stuck in the middle", pieces: []string{ok[:20], ""}, want: reasonNoLength},
		{name: "silent", pieces: []string{""}, want: reasonTimeout, slow: true},
		{name: "late", pieces: []string{"", ok}, want: reasonTimeout, slow: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			stop := make(chan struct{})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer far.Close()
				request := make([]byte, 4)
				if _, err := io.ReadFull(far, request); err != nil {
					return
				}
				for _, piece := range c.pieces {
					if piece == "" {
						<-stop
						continue
					}
					if _, err := io.WriteString(far, piece); err != nil {
						return
					}
				}
				if !c.close {
					<-stop
				}
			}()
			begin := time.Now()
			o, err := newOutgoing(near, []byte("POST"), limits)
			if err != nil {
				t.Fatal(err)
			}
			if got := o.await(limits); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if took := time.Since(begin); (took >= limits.giveUp) != c.slow {
				t.Errorf("it took %s, limit %s", took, limits.giveUp)
			}
			close(stop)
			<-ended
		})
	}
}
