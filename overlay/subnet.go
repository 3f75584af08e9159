package overlay

import (
	"errors"
	"net/netip"
	"strings"
)

// ErrFull is a subnet without a free address.
var ErrFull = errors.New("the overlay network has no free address")

// SubnetOf is the network that an address of a component is in: always a /24.
func SubnetOf(address netip.Addr) netip.Prefix { return netip.PrefixFrom(address, 24).Masked() }

// ServerOf is the address of the server and name server of a network.
func ServerOf(subnet netip.Prefix) netip.Addr { return subnet.Masked().Addr().Next() }

// ParseAddress reads an address with or without /32.
func ParseAddress(text string) (netip.Addr, bool) {
	text, _, _ = strings.Cut(text, "/")
	address, err := netip.ParseAddr(strings.TrimSpace(text))
	return address, err == nil && address.Is4()
}

// NextFree is the lowest address for a component that is not taken.
func NextFree(subnet netip.Prefix, taken map[netip.Addr]bool) (netip.Addr, error) {
	for a := ServerOf(subnet).Next(); subnet.Contains(a.Next()); a = a.Next() { // not the last one
		if !taken[a] {
			return a, nil
		}
	}
	return netip.Addr{}, ErrFull
}
