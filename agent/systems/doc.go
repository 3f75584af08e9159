// Package systems asks the systems that homing templates rely on: controllers of
// clouds and services, providers of licences and of network links. Each is an HTTP
// endpoint or a query for entities, named in a file (Load). Systems answers all
// questions of one solve at once, every system in a single goroutine and within a
// single timeout, and remembers nothing. A rule easy to break: a system that is
// not configured, does not answer or answers nonsense is an error, never a yes.
package systems
