package llo

import (
	"errors"
	"fmt"
)

// What an error of this package means for the caller; told apart with errors.Is.
var (
	// ErrRetry: nothing is wrong with the object; the same call may succeed later.
	ErrRetry = errors.New("try again")
	// ErrForeign: another object, agent, or entity holds the name. See ForeignError.
	ErrForeign = errors.New("name is held")
	// ErrInvalid: the API server will not take this object, whenever it is asked.
	ErrInvalid = errors.New("invalid")
	// ErrNoKind: the cluster does not know the kind (yet).
	ErrNoKind = errors.New("no such kind in the cluster")
)

// Error says what could not be done, to which object, and why. It unwraps to one
// of the sentinels above, and to the error of the context if that ended the call.
type Error struct {
	Verb    string // apply, adopt, delete, release, get, list, watch, discover, follow
	Key     Key    // Name is empty where the whole kind is meant
	Message string // for people; free of values of the object
	Err     error  // one of the sentinels

	cause error // an error of the network or the context, nil if there is an answer
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Verb, e.Key, e.Err)
	if e.Message == "" {
		return text
	}
	return text + ": " + e.Message
}

// Unwrap gives the sentinel and, where no answer came, the reason.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.cause}
}

// ForeignError says who holds a name that was to be applied. Owner is the value
// of the holder's owner label, empty if it has none; Entity is its entity
// annotation. Where Owner is our own, the name belongs to another entity of ours.
type ForeignError struct {
	Key    Key
	Owner  string
	Entity string
}

// Error implements error.
func (e *ForeignError) Error() string {
	switch {
	case e.Owner == "":
		return fmt.Sprintf("%s: %v by an object that is nobody's", e.Key, ErrForeign)
	case e.Entity == "":
		return fmt.Sprintf("%s: %v by an object of owner %s", e.Key, ErrForeign, e.Owner)
	}
	return fmt.Sprintf("%s: %v by an object of owner %s for %s", e.Key, ErrForeign, e.Owner, e.Entity)
}

// Unwrap gives ErrForeign.
func (e *ForeignError) Unwrap() error { return ErrForeign }
