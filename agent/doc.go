// Package agent is the loop: it hears of changes in the broker and in the
// cluster, works on one entity at a time, and writes back what became of it.
// Start reading at reconcile.go. The rules live in the packages that it calls;
// the order of the steps, time limits, and the choice between trying again,
// waiting and giving up live here.
//
// A rule that is easy to break: nothing may be deleted because a list is short
// or a read failed; every such deletion goes through absence.go.
package agent
