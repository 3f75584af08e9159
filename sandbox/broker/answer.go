package broker

import (
	"net/http"
	"strconv"
)

// answer is what a request gets. What is nil or empty is not sent.
type answer struct {
	status   int
	headers  []header
	body     []byte
	mime     string // of the body; application/json if empty
	deliver  []delivery
	loseConn bool // the connection ends without an answer
}

func (p *problem) answer() answer { return answer{status: p.status, body: p.body()} }

func done(d []delivery) answer { return answer{status: http.StatusNoContent, deliver: d} }

func created(location string, d []delivery) answer {
	return answer{status: http.StatusCreated, headers: []header{{"Location", location}}, deliver: d}
}

// with adds a header.
func (a answer) with(key, value string) answer {
	a.headers = append(a.headers, header{key, value})
	return a
}

// write sends the answer. Header names keep their case: the broker's are not in
// Go's canonical form.
func (a *answer) write(w http.ResponseWriter) {
	h := w.Header()
	for _, o := range a.headers {
		h[o.key] = append(h[o.key], o.value)
	}
	if a.body != nil {
		if a.mime == "" {
			a.mime = "application/json"
		}
		h["Content-Type"] = []string{a.mime}
	}
	if a.status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that went away needs no answer
}
