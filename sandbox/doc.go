// Package sandbox is the whole thing on one machine: an embedded NGSI-LD
// broker, a real API server, simulated orchestrators, an example world, and the
// agent as the program that ships. Each part also runs alone, so that any of
// them can be swapped for the real thing. It holds no rule of the product.
package sandbox
