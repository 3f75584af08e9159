package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// captureLines is a capture file, read line by line.
type captureLines struct {
	name string
	text string
	at   int // byte offset
	line int // number of the line last read
}

func openCapture(t *testing.T, name string) *captureLines {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "captures", name))
	if err != nil {
		t.Fatal(err)
	}
	return &captureLines{name: name, text: strings.ReplaceAll(string(raw), "\r", "")}
}

func (c *captureLines) more() bool { return c.at < len(c.text) }

func (c *captureLines) peek() string {
	line, _, _ := strings.Cut(c.text[c.at:], "\n")
	return line
}

func (c *captureLines) next() string {
	line := c.peek()
	c.at = min(c.at+len(line)+1, len(c.text))
	c.line++
	return line
}

// where names the line last read, for messages.
func (c *captureLines) where() string { return fmt.Sprintf("%s:%d", c.name, c.line) }

// head is the first line and the headers of a message, body what follows.
type message struct {
	first   string
	headers []header
	body    string
}

func (m *message) get(name string) (string, bool) {
	for _, h := range m.headers {
		if strings.EqualFold(h.key, name) {
			return h.value, true
		}
	}
	return "", false
}

// message reads an HTTP message; the length of its body is in its headers.
func (c *captureLines) message() (*message, error) {
	m := &message{first: c.next()}
	for c.more() && c.peek() != "" {
		if strings.HasPrefix(c.peek(), "!!!") {
			return m, nil
		}
		name, in, ok := strings.Cut(c.next(), ":")
		if !ok {
			return nil, fmt.Errorf("%s: not a header", c.where())
		}
		m.headers = append(m.headers, header{name, strings.TrimPrefix(in, " ")})
	}
	if c.more() {
		c.next()
	}
	length, ok := m.get("Content-Length")
	if !ok {
		return m, nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n > len(c.text)-c.at {
		return nil, fmt.Errorf("%s: bad Content-Length %q", c.where(), length)
	}
	m.body = c.text[c.at : c.at+n]
	c.line += strings.Count(m.body, "\n")
	c.at += n
	return m, nil
}

// exchange is a request with its answer; lost when there was none.
type exchange struct {
	t       float64 // seconds since the start; negative if unknown
	request *message
	answer  *message
	lost    bool
}

var offsetPattern = regexp.MustCompile(`\(t=\+([0-9.]+)s\)`)

// exchange reads the request that follows a REQUEST line and what came of it.
func (c *captureLines) exchange(title string) (*exchange, error) {
	x := &exchange{t: -1}
	if m := offsetPattern.FindStringSubmatch(title); m != nil {
		x.t, _ = strconv.ParseFloat(m[1], 64)
	}
	var err error
	if x.request, err = c.message(); err != nil {
		return nil, err
	}
	for c.more() {
		switch line := c.next(); {
		case line == "":
		case strings.HasPrefix(line, "!!! connection lost"):
			x.lost = true
		case strings.HasPrefix(line, "!!! THE BROKER PROCESS DIED"):
			return x, nil
		case strings.HasPrefix(line, "--- RESPONSE"):
			x.answer, err = c.response(x.request)
			return x, err
		default:
			return nil, fmt.Errorf("%s: %q after a request", c.where(), line)
		}
	}
	return nil, fmt.Errorf("%s: request without a response", c.where())
}

// response is a message, but that of HEAD has no body.
func (c *captureLines) response(request *message) (*message, error) {
	if !strings.HasPrefix(request.first, "HEAD ") {
		return c.message()
	}
	at := c.at
	end := strings.Index(c.text[at:], "\n\n")
	if end < 0 {
		return nil, fmt.Errorf("%s: response does not end", c.where())
	}
	head := &captureLines{name: c.name, text: strings.ReplaceAll(c.text[at:at+end+1], "Content-Length", "X-Content-Length")}
	c.at, c.line = at+end+2, c.line+strings.Count(c.text[at:at+end], "\n")+2
	return head.message()
}
