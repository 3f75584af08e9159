package overlay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Peer is a member of a network, as the server has to know it.
type Peer struct {
	Name    string
	Public  string
	Address netip.Addr
}

// Shim is the helper that gives out subnets and configures the server. It keeps
// subnets in memory only: after its restart it gives them out again.
type Shim struct {
	base string
	way  http.RoundTripper
}

const timeout = 10 * time.Second // of a call

// NewShim makes a client for the shim at a URL. way adds the token and knows the roots.
// Redirects are not followed.
func NewShim(base string, way http.RoundTripper) *Shim {
	return &Shim{strings.TrimRight(base, "/"), way}
}

// Subnet asks for a subnet for a service. It may be one that was given before,
// to this service or to another one.
func (s *Shim) Subnet(ctx context.Context, service ngsild.EntityID) (netip.Prefix, error) {
	var answer struct {
		Subnet string `json:"assigned_subnet"`
	}
	if err := s.call(ctx, http.MethodPost, "/subnet", map[string]any{"service_id": string(service)}, &answer); err != nil {
		return netip.Prefix{}, err
	}
	subnet, err := netip.ParsePrefix(answer.Subnet)
	if err != nil || !subnet.Addr().Is4() || subnet.Bits() != 24 {
		return netip.Prefix{}, errors.New("what the shim assigns is no IPv4 network of 256 addresses")
	}
	return subnet.Masked(), nil
}

// Configure has the server know exactly these peers of a service.
func (s *Shim) Configure(ctx context.Context, service ngsild.EntityID, subnet netip.Prefix, peers []Peer) error {
	type peer struct {
		Name     string `json:"name"`
		Key      string `json:"peer_public_key"`
		Address  string `json:"peer_overlay_ip"`
		IsMaster bool   `json:"is_master,omitempty"`
	}
	all := []peer{}
	for _, p := range peers {
		all = append(all, peer{Name: p.Name, Key: p.Public, Address: p.Address.String()})
	}
	// The server itself is told by its flag; its key is the shim's own affair.
	all = append(all, peer{Name: "WG server", Key: "we_do_not_care_about_this", Address: ServerOf(subnet).String(), IsMaster: true})
	return s.call(ctx, http.MethodPost, "/service-network-overlay", map[string]any{"service_id": string(service), "peers": all}, nil)
}

// Remove has the server forget a service. It may be repeated.
func (s *Shim) Remove(ctx context.Context, service ngsild.EntityID) error {
	return s.call(ctx, http.MethodDelete, "/service-network-overlay", map[string]any{"service_id": string(service)}, nil)
}

// call makes one request. Its errors quote nothing: the shim's answers hold keys.
func (s *Shim) call(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("shim %s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.way.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("shim %s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("shim %s %s: %w", method, path, err)
	case method == http.MethodDelete && resp.StatusCode == http.StatusNotFound:
		return nil
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return fmt.Errorf("shim %s %s: it answers %d", method, path, resp.StatusCode)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(reply, answer); err != nil {
		return fmt.Errorf("shim %s %s: its answer is not as expected", method, path)
	}
	return nil
}
