// Package llo owns one Kubernetes cluster: it applies the objects that it is
// given, knows which objects there are ours, watches them, and deletes them. In
// the path of a change it is "apply" and the source of "observe". It does not
// know what an entity is: the id is an opaque text in an annotation of the
// object.
//
// Three rules are easy to break by accident. A create never touches an object
// that is there already, not even one with the same content: see create in
// apply.go. A change and a deletion carry the UID of the object that was looked
// at, so that they never hit another one of the same name. And a message of the
// API server is never passed on as it is, since it quotes the values that it
// does not like, and some of them are secret: see message.go.
package llo
