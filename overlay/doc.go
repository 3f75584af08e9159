// Package overlay is what there is to know of the overlay network of a service:
// a WireGuard subnet in which the domain that handles the service holds the
// first address, and each component one of the others. It makes keys, gives out
// addresses, and speaks to the shim, which runs the server; who is in which
// network is the loop's to say.
//
// Keys are derived, not kept: from one secret of the domain and the names of
// service and component the same key comes out at any time, so a restart or a
// move to another domain changes none, and no store can lose one. Whoever has
// the secret has all keys.
package overlay
