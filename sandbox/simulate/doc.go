// Package simulate is a made-up world in which the real agent runs: several
// copies of it, the sandbox's broker in memory, a model of an API server, and
// orchestrators, on virtual time and without a socket. A seed decides everything
// that happens: what people order, what breaks, how long each message takes.
// When it grows quiet the world is checked against what the entities order.
//
// The tests run one world for each seed in a bubble of testing/synctest, with one
// worker for each agent and one thread, so that a seed that fails fails again.
// Nothing may depend on the order in which goroutines run at one instant: every
// random choice of a transport is a digest of the seed and of what is sent (see
// dice.go), and every message takes a time of its own, because the bubble's timers
// that end at the same instant run in no fixed order.
//
// The model of the API server (kube*.go) uses the API server's own code for
// server-side apply; a test runs the same operations against it and against a real
// one and compares. The broker is the one of package broker, which is compared
// with recordings of Orion-LD.
package simulate
