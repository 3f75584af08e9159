package broker

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"time"
)

const (
	reasonTimeout  = "Timeout awaiting response from notification endpoint"
	reasonUnread   = "Unable to read from notification endpoint"
	reasonNoLine   = "Can't find the end of the Start-Line"
	reasonNot2xx   = "non 2xx response to notification"
	reasonNoLength = "Content-Length not found but the status code is not a 204"
)

// outgoing is a notification that has been sent on a connection of its own and
// waits for its answer. The answer is read by hand: the broker minds the case
// of header names and much else that net/http evens out.
type outgoing struct {
	conn net.Conn
	sent time.Time
}

func newOutgoing(conn net.Conn, request []byte, t timing) (*outgoing, error) {
	o := &outgoing{conn, time.Now()} // deadlines are of the real clock
	if err := conn.SetDeadline(o.sent.Add(t.giveUp)); err == nil {
		_, err = conn.Write(request)
		if err == nil {
			return o, nil
		}
	}
	_ = conn.Close() // it is of no more use
	return nil, errors.New("write notification")
}

// await reads the answer and judges it: "" is success, else the reason that the
// subscription will show.
func (o *outgoing) await(t timing) string {
	defer func() { _ = o.conn.Close() }() // the answer is judged, nothing depends on it
	answer := make([]byte, 0, 2048)
	wait := o.sent.Add(t.inTime)
	for !complete(answer) && len(answer) < cap(answer) {
		err := o.conn.SetReadDeadline(wait)
		n := 0
		if err == nil {
			n, err = o.conn.Read(answer[len(answer):cap(answer)])
		}
		answer = answer[:len(answer)+n]
		if err != nil && len(answer) == 0 {
			return o.silent(err, t)
		}
		if err != nil {
			break
		}
		wait = time.Now().Add(t.next)
	}
	return judge(string(answer))
}

// silent tells why no answer came. One that is late is not read any more, but
// is noted only when the broker gives up.
func (o *outgoing) silent(err error, t timing) string {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return reasonUnread
	}
	timer := time.NewTimer(time.Until(o.sent.Add(t.giveUp)))
	defer timer.Stop()
	<-timer.C
	return reasonTimeout
}

func complete(answer []byte) bool { return bytes.Contains(answer, []byte("\r\n\r\n")) }

// judge applies the broker's rules to the head of an answer.
func judge(answer string) string {
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	line, headers, ok := strings.Cut(head, "\r\n")
	if !ok {
		return reasonNoLine // also when there is not a single header
	}
	_, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	switch {
	case len(code) != 3 || code[0] != '2':
		return reasonNot2xx
	case code == "204":
		return ""
	}
	for h := range strings.SplitSeq(headers, "\r\n") {
		if strings.HasPrefix(h, "Content-Length:") {
			return ""
		}
	}
	return reasonNoLength
}
