// Command release makes what is handed to others out of built programs: a container image without a container engine,
// its software bill of materials, both sent to a registry, and what CHANGELOG.md says of the version. The same programs give the same bytes, on any machine
// and at any time. The Makefile calls it; it is a module of its own.
package main
