package agent

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func init() { mindSilence(func(string) string { return "" }) } // before any test connects

// A connection that went silent, as when the other machine has lost its power, is given up
// soon enough for an election.
func TestSilentConnectionsAreGivenUp(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	way, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer way.Close()
	var silent atomic.Int32 // so many connections, the oldest first
	go func() {
		for n := int32(1); ; n++ {
			in, err := way.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "https://"))
			if err != nil {
				in.Close()
				continue
			}
			go pipe(out, in, func() bool { return n <= silent.Load() })
			go pipe(in, out, func() bool { return n <= silent.Load() })
		}
	}()
	client, err := rest.HTTPClientFor(identified(&rest.Config{Host: "https://" + way.Addr().String(), TLSClientConfig: rest.TLSClientConfig{Insecure: true}}))
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), leaseCall)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+way.Addr().String(), nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	silent.Store(1)
	for began := time.Now(); ask() != nil; time.Sleep(leaseRetry) {
		if took := time.Since(began); took > leaseTime+leaseCall {
			t.Fatalf("still on a connection that has been silent for %v", took)
		}
	}
}

// pipe carries what comes to the other end, and swallows it while that is silent.
func pipe(from, to net.Conn, silent func() bool) {
	defer to.Close()
	text := make([]byte, 4096)
	for {
		n, err := from.Read(text)
		if silent() {
			if err != nil {
				return
			}
			continue
		}
		if _, wrong := to.Write(text[:n]); err != nil || wrong != nil {
			return
		}
	}
}
