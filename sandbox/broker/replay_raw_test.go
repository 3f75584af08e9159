package broker

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// doBigPost posts an entity of the size; the recorded answer is a problem or
// nothing.
func (r *replay) doBigPost(m []string) {
	id, size := "urn:ngsi-ld:SC:huge", 1100096
	if m[1] == "0.9" {
		id, size = "urn:ngsi-ld:SC:big", 900096
	}
	body := `{"id":"` + id + `","type":"ServiceComponent","big":{"type":"Property","value":"`
	body += strings.Repeat("x", size-len(body)-3) + `"}}`
	a := r.send("POST", "/entities", body, true)
	if !strings.HasPrefix(a.first, "HTTP/1.1 "+m[2]+" ") {
		r.t.Errorf("%s: got %s, want %s", r.lines.where(), a.first, m[2])
	}
	if m[3] != "" {
		r.compare(m[0], compareJSON(a.body, m[3], -1))
	}
}

func (r *replay) doListSixty(m []string) {
	a := r.send("GET", "/entities"+m[1], "", true)
	if strconv.Itoa(len(a.body)) != m[2] {
		r.t.Errorf("%s: got %d bytes, want %s: %.200s", r.lines.where(), len(a.body), m[2], a.body)
	}
}

func (r *replay) doOrder(m []string) {
	v, err := parse(r.send("GET", "/entities?type=T&limit=1000", "", true).body)
	if err != nil || len(v.members) != 60 {
		r.t.Fatalf("%s: %v, %d entities", r.lines.where(), err, len(v.members))
	}
	for i, e := range v.members {
		if want := fmt.Sprintf("urn:ngsi-ld:T:%03d", i); e.value.textOf("id") != want {
			r.t.Errorf("%s: entity %d is %s, want %s", r.lines.where(), i, e.value.textOf("id"), want)
		}
	}
}

func (r *replay) doLargeBatch(m []string) {
	var items []string
	for i := range 1001 {
		items = append(items, fmt.Sprintf(`{"id":"urn:ngsi-ld:T:b%d","type":"T","n":{"type":"Property","value":%d}}`, i, i))
	}
	a := r.send("POST", "/entityOperations/create", "["+strings.Join(items, ",")+"]", true)
	if !strings.HasPrefix(a.first, "HTTP/1.1 201 ") || strconv.Itoa(len(a.body)) != m[1] {
		r.t.Errorf("%s: got %s and %d bytes, want %s", r.lines.where(), a.first, len(a.body), m[1])
	}
}

var rawPattern = regexp.MustCompile(`^>>> b'(.*)'$`)

// doRaw sends bytes as they are and compares the answers up to <open> or
// <closed>, which says whether the broker kept the connection.
func (r *replay) doRaw(m []string) {
	sent := rawPattern.FindStringSubmatch(r.lines.next())
	if sent == nil {
		r.t.Fatalf("%s: want raw bytes after %q", r.lines.where(), m[0])
	}
	raw := strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(sent[1])
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, raw); err != nil {
		r.t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for ended := false; !ended; {
		want, err := r.rawAnswer()
		if err != nil {
			r.t.Fatal(err)
		}
		got, err := readMessage(in, false)
		if err != nil || got == nil {
			r.compare(m[0], fmt.Sprintf("no answer: %v", err))
			return
		}
		r.compare(m[0], compareAnswers(got, want, -1))
		ended = strings.HasPrefix(r.lines.peek(), "<open>") || strings.HasPrefix(r.lines.peek(), "<closed>")
	}
	r.checkOpen(conn, in, r.lines.next() == "<open>")
}

// rawAnswer reads an answer that begins with <<< or right behind another.
func (r *replay) rawAnswer() (*message, error) {
	c := r.lines
	if rest := c.text[c.at:]; strings.HasPrefix(rest, "<<< ") {
		c.at += len("<<< ")
	}
	return c.message()
}

func (r *replay) checkOpen(conn net.Conn, in *bufio.Reader, want bool) {
	wait := 50 * time.Millisecond
	if !want {
		wait = patience
	}
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		r.t.Fatal(err)
	}
	_, err := in.ReadByte()
	if open := err != io.EOF; open != want {
		r.compare("connection", fmt.Sprintf("open %t, want %t", open, want))
	}
}
