package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Proxy stands on loopback between a client and an HTTP server. It forwards
// every request and notes it, unless a Fault takes it. Its methods may be called
// from several goroutines.
type Proxy struct {
	forward *httputil.ReverseProxy
	address string
	busy    sync.WaitGroup // requests and the accepting goroutine

	mu     sync.Mutex
	server *http.Server // nil while nobody listens
	listen net.Listener
	faults []*Fault
	seen   []*Exchange
}

// Exchange is a request as it came to a proxy.
type Exchange struct {
	Method, Path, Query string
	Body                []byte
	Header              http.Header // as it came
	At                  time.Time
	Status              int // what was answered; 0: nothing, or not yet
}

// Match selects requests by what has come of them. nil is every request.
type Match func(Exchange) bool

// Fault takes requests away from the server.
type Fault struct {
	Match Match
	Times int // how many requests; 0: until it is removed
	Do    Effect

	taken int
}

// Start opens a proxy at a loopback address for the server at target, a URL
// without a path. transport carries what is forwarded; nil is a plain one. Close
// ends it.
func Start(address, target string, transport http.RoundTripper) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	}
	p := &Proxy{address: address}
	p.forward = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:     transport,
		FlushInterval: -1, // a watch is read while it is written
		ErrorLog:      log.New(io.Discard, "", 0),
		// A server that is not there looks like one that cuts.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	return p, p.Up()
}

// URL is where the proxy listens. It stays the same over Down and Up.
func (p *Proxy) URL() string { return "http://" + p.address }

// Up listens again after Down; it does nothing while the proxy listens.
func (p *Proxy) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", p.address)
	for end := time.Now().Add(10 * time.Second); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(end); {
		// A process that this one has just forked holds what listened until it has
		// begun its own program.
		time.Sleep(10 * time.Millisecond)
		l, err = net.Listen("tcp", p.address)
	}
	if err != nil {
		return fmt.Errorf("fault proxy: %w", err)
	}
	p.address = l.Addr().String()
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	p.server, p.listen = server, l
	p.busy.Go(func() { _ = server.Serve(l) }) // ends with Down
	return nil
}

// Down cuts every connection and refuses new ones.
func (p *Proxy) Down() {
	p.mu.Lock()
	server, l := p.server, p.listen
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		_ = l.Close()      // the server may not know of it yet
		_ = server.Close() // nothing is left to be saved
	}
}

// Cut ends every connection at once; new ones are accepted.
func (p *Proxy) Cut() error {
	p.Down()
	return p.Up()
}

// Close ends the proxy for good and returns when nothing of it runs any more.
func (p *Proxy) Close() {
	p.Down()
	p.busy.Wait()
	if idle, ok := p.forward.Transport.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
}

// Inject puts a fault before all that are there, and gives what removes it.
func (p *Proxy) Inject(f Fault) (remove func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = slices.Insert(p.faults, 0, &f)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = slices.DeleteFunc(p.faults, func(other *Fault) bool { return other == &f })
	}
}

// Seen lists the matching requests so far, in the order in which they came.
func (p *Proxy) Seen(match Match) []Exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Exchange
	for _, e := range p.seen {
		if match == nil || match(*e) {
			found = append(found, *e)
		}
	}
	return found
}

// ServeHTTP forwards a request or lets a fault have it.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.busy.Add(1)
	defer p.busy.Done()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	e := &Exchange{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: body, Header: r.Header.Clone(), At: time.Now()}
	effect := p.note(e)
	effect(&noting{ResponseWriter: w, proxy: p, exchange: e}, r, p.forward)
}

// note remembers a request and says what happens to it.
func (p *Proxy) note(e *Exchange) Effect {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, e)
	for i, f := range p.faults {
		if f.Match != nil && !f.Match(*e) {
			continue
		}
		if f.taken++; f.taken == f.Times {
			p.faults = slices.Delete(slices.Clone(p.faults), i, i+1)
		}
		return f.Do
	}
	return Pass
}

// noting remembers the status that is answered.
type noting struct {
	http.ResponseWriter
	proxy    *Proxy
	exchange *Exchange
}

func (n *noting) WriteHeader(status int) {
	n.proxy.mu.Lock()
	n.exchange.Status = status
	n.proxy.mu.Unlock()
	n.ResponseWriter.WriteHeader(status)
}

func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }
