// Package broker is an embedded NGSI-LD context broker that behaves like
// Orion-LD (a build of October 2024, after 1.7.0) wherever a client or the
// receiver of its notifications can notice: status codes, bodies and headers,
// what notifies and with what body, how a subscription is paused and revived,
// and the malformed echoes of a merge. It stands in the sandbox in the place of
// the real one and imports nothing of the product.
//
// A request is read (request.go, route.go), changes the store (entity.go and
// the files named for the operations), and each change is described as an echo
// (echo.go): the entity as a notification shows it, which is not always how it
// is stored. Echoes are matched with subscriptions (match.go) under the lock of
// the tenant and sent after the client has its answer, from the goroutine of
// its connection (notify.go, send.go): a slow receiver slows that client's next
// request, as it does in the real broker.
//
// The recorded exchanges in testdata/captures are replayed by a test; what
// differs from them, and why, is listed in replay_table_test.go.
//
// Stored entities are never changed in place: a change puts a new one there, so
// whatever holds an old one may go on reading it without the lock.
package broker
