package agent

import (
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// How long a caller may take, and how much it may say before it is known what
// for. Bodies have limits of their own where they are read.
const (
	headerTime     = 5 * time.Second  // for the TLS handshake, and then for the headers
	bodyTime       = 20 * time.Second // for the whole request; the webhook allows less
	replyTime      = 60 * time.Second // from the headers to the end of the answer
	idleTime       = 60 * time.Second // between two requests
	mostHeaderSize = 32 << 10         // bytes, with a little more for the first line
	mostHeaders    = 100              // values
	opsConnections = 64
)

// serve answers requests until ctx ends, and then those under way. log hears of
// connections that came to nothing. It is HTTP/1.1 alone: with HTTP/2 these times count for
// requests, and a client that reads nothing, or a byte a minute, keeps its connection.
func serve(ctx context.Context, l net.Listener, h http.Handler, log *log.Logger) error {
	server := &http.Server{Handler: fewHeaders(h), ErrorLog: log, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: replyTime,
		IdleTimeout: idleTime, MaxHeaderBytes: mostHeaderSize, Protocols: &http.Protocols{}}
	server.Protocols.SetHTTP1(true)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		_ = server.Close() // its listener is closed already; what is left is cut
	}
	<-ended
	return nil
}

// fewHeaders refuses requests with more headers than anybody needs.
func fewHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count := 0
		for _, values := range r.Header {
			count += len(values)
		}
		if count > mostHeaders {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// doorkeeper is a listener that lets in only some addresses, and no more
// connections at once than it may hold. When all are taken the next wait in the
// system's queue; one address gets at most half, so that it cannot keep the others
// out. Safe for concurrent use.
type doorkeeper struct {
	net.Listener
	from   []netip.Prefix // none: everybody
	most   int
	turned func(reason string) // hears of each that is not let in: "address" or "share"
	free   chan struct{}
	closed chan struct{}
	close  sync.Once

	mu sync.Mutex
	of map[netip.Prefix]int // connections by who holds them
}

// withDoorkeeper puts a doorkeeper before f. What is no socket is left as it is.
func withDoorkeeper(f Face, from []netip.Prefix, most int, turned func(reason string)) Face {
	socket, ok := f.(tcpFace)
	if !ok {
		return f
	}
	return tcpFace{Listener: &doorkeeper{Listener: socket.Listener, from: from, most: most, turned: turned,
		free: make(chan struct{}, most), closed: make(chan struct{}), of: map[netip.Prefix]int{}}}
}

// withLog has f say in log, with the listener's name, what went wrong on a
// connection, a TLS handshake above all. What is no socket is left as it is.
func withLog(f Face, log *slog.Logger, name string) Face {
	socket, ok := f.(tcpFace)
	if !ok {
		return f
	}
	socket.log = slog.NewLogLogger(log.With("listener", name).Handler(), slog.LevelWarn)
	return socket
}

// Accept implements net.Listener.
func (d *doorkeeper) Accept() (net.Conn, error) {
	for {
		select {
		case d.free <- struct{}{}:
		case <-d.closed:
			return nil, net.ErrClosed
		}
		conn, err := d.Listener.Accept()
		if err != nil {
			<-d.free
			return nil, err
		}
		who, reason := d.admit(conn.RemoteAddr())
		if reason == "" {
			return &guest{Conn: conn, left: func() { d.leave(who) }}, nil
		}
		_ = conn.Close() // it is told nothing
		<-d.free
		d.turned(reason)
	}
}

// Close implements net.Listener.
func (d *doorkeeper) Close() error {
	d.close.Do(func() { close(d.closed) })
	return d.Listener.Close()
}

// admit counts a connection, or says why it is not let in.
func (d *doorkeeper) admit(from net.Addr) (who netip.Prefix, reason string) {
	address, ok := addressOf(from)
	if !ok || !inRanges(address, d.from) {
		return who, "address"
	}
	who = holder(address)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[who] >= max(1, d.most/2) {
		return who, "share"
	}
	d.of[who]++
	return who, ""
}

func (d *doorkeeper) leave(who netip.Prefix) {
	d.mu.Lock()
	if d.of[who]--; d.of[who] == 0 {
		delete(d.of, who)
	}
	d.mu.Unlock()
	<-d.free
}

func addressOf(from net.Addr) (netip.Addr, bool) {
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return tcp.AddrPort().Addr().Unmap().WithZone(""), true
}

// holder is whose connections are counted together: whoever has one IPv6 address
// has the whole network of 64 bits.
func holder(address netip.Addr) netip.Prefix {
	bits := 32
	if address.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(address, bits).Masked()
}

func inRanges(address netip.Addr, ranges []netip.Prefix) bool {
	for _, r := range ranges {
		if r.Contains(address) {
			return true
		}
	}
	return len(ranges) == 0
}

// guest is a connection that was let in.
type guest struct {
	net.Conn
	once sync.Once
	left func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	err := g.Conn.Close()
	g.once.Do(g.left)
	return err
}

// ranges reads the networks of a setting, with single addresses among them.
func ranges(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		one, err := netip.ParsePrefix(text)
		if address, alone := netip.ParseAddr(text); alone == nil {
			one, err = netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// validateDoors checks who may connect to the listeners.
func (c *Config) validateDoors(bad func(name, format string, args ...any)) {
	for name, from := range map[string][]string{"LISTEN_FROM": c.ListenFrom, "OPS_FROM": c.OpsFrom} {
		if _, err := ranges(from); err != nil {
			bad(name, "%q must be addresses or networks such as 10.0.0.0/8: %v", from, err)
		}
	}
	if c.ListenConnections < 2 || c.ListenConnections > 1<<16 {
		bad("LISTEN_MAX_CONNECTIONS", "%d must be from 2 to 65536", c.ListenConnections)
	}
}
