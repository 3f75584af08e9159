// Package allocation owns what others ask us to run: the bodies of the HLO_AL
// REST interface in all three forms that are in use, its OpenAPI document, the
// validation against it, and the one type that all of them, and messages,
// become.
//
// It stands before the path of a change: an [Allocation] turns into the entity
// that is placed, rendered and applied like one of the broker's. It does no I/O
// and decides nothing.
//
// Two rules are easy to break by accident. What is told to a caller about a body
// holds places and rules, never a value: some are secret. And [Allocation.Record]
// is kept where many can read it, so credentials and keys must not get into it.
package allocation
