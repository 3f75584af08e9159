package llo

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// untyped is how the API server begins what it says of an object that does not fit
// the schema: an undeclared field, or a value of another type. It comes as a 500.
const untyped = "failed to create typed patch object"

// classify turns what went wrong with a request into an *Error. sent says whether that
// was an object; nothing of hidden may show.
func classify(verb string, key Key, err error, sent bool, hidden Texts) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		return err
	}
	result := &Error{Verb: verb, Key: key, Err: ErrRetry}
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		result.Message, result.cause = err.Error(), err // of the network: it knows the URL, not the body
		return result
	}
	status := answer.Status()
	result.Message = messageOf(status, hidden)
	switch {
	case isOtherUID(err):
	case status.Code == http.StatusUnprocessableEntity, status.Code == http.StatusBadRequest,
		status.Code == http.StatusRequestEntityTooLarge, strings.HasPrefix(status.Message, untyped):
		if sent {
			result.Err = ErrInvalid
		}
	case status.Code == http.StatusNotFound && verb == "apply" && !isNamespace(status):
		result.Err = ErrNoKind
	}
	return result
}

// isAbsent reports whether the API server says that the very object is not there,
// and not that it does not know the path.
func isAbsent(err error) bool {
	var answer apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &answer) &&
		answer.Status().Details != nil && answer.Status().Details.Name != "" && !isNamespace(answer.Status())
}

func isNamespace(status metav1.Status) bool {
	return status.Details != nil && status.Details.Kind == "namespaces"
}

// isOtherUID reports whether the object that was meant is gone, or another one has
// its name. The first is a conflict, the second an attempt to change the UID.
func isOtherUID(err error) bool {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return false
	}
	status := answer.Status()
	if status.Code == http.StatusConflict {
		return len(conflicts(err)) == 0
	}
	return status.Code == http.StatusUnprocessableEntity && status.Details != nil &&
		slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}
