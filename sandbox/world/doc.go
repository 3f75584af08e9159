// Package world holds the example world of the sandbox, with what is to become of it, and makes worlds of any
// size for measurements. The example has two domains with four elements and three orchestrators, and two
// services whose components are Starting and want an element; words in their images tell the simulated orchestrators
// how each behaves. It is data only: nothing here does I/O.
package world
