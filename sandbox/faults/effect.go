package faults

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// Effect is what happens to a request. Its body can be read again from the
// start; forward sends it to the server.
type Effect func(w http.ResponseWriter, r *http.Request, forward http.Handler)

// Pass forwards.
func Pass(w http.ResponseWriter, r *http.Request, forward http.Handler) { forward.ServeHTTP(w, r) }

// CutBefore closes the connection; the server hears nothing.
func CutBefore(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// CutAfter lets the request take effect and closes the connection before the
// client hears of it.
func CutAfter(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(newCaught(), r)
	panic(http.ErrAbortHandler)
}

// Hang answers nothing until the client gives up or the proxy goes down.
func Hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// Twice forwards two times and answers what the second brought.
func Twice(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	body, _ := io.ReadAll(r.Body) // it is in memory
	for _, w := range []http.ResponseWriter{newCaught(), w} {
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	}
}

// Answer answers in the server's place.
func Answer(status int, header http.Header, body string) Effect {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client went away
	}
}

// After does something else once d has passed.
func After(d time.Duration, then Effect) Effect {
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		select {
		case <-time.After(d):
			then(w, r, forward)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// Hold forwards when open is closed. The client may have given up by then.
func Hold(open <-chan struct{}) Effect {
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		select {
		case <-open:
			forward.ServeHTTP(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// Rewrite forwards and changes the answer.
func Rewrite(change func(status int, header http.Header, body []byte) (int, []byte)) Effect {
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		c := newCaught()
		forward.ServeHTTP(c, r)
		status, body := change(c.status, c.header, c.body.Bytes())
		for name, values := range c.header {
			w.Header()[name] = values
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(status)
		_, _ = w.Write(body) // the client went away
	}
}

// caught is an answer that the client does not get as it is.
type caught struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newCaught() *caught { return &caught{header: http.Header{}, status: http.StatusOK} }

func (c *caught) Header() http.Header         { return c.header }
func (c *caught) WriteHeader(status int)      { c.status = status }
func (c *caught) Write(b []byte) (int, error) { return c.body.Write(b) }
func (c *caught) Flush()                      {}
