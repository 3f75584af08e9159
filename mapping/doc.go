// Package mapping turns entities into cluster objects and reads the state of such objects back: the
// steps "render" and "observe" of a change's path. It reads and writes nothing but its arguments: the
// same entities always render the same bytes, whatever the clock or the order of a map says.
//
// What is rendered may hold registry credentials in clear, because the operators of the aerOS kinds
// read them there. They must not reach an error, a warning or a log line, so no message of this
// package quotes the value of a variable, an argument or a credential.
package mapping
