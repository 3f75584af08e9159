package llo

import (
	"context"
	"encoding/json"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Delete asks for the deletion of that very object, by its UID, and of what
// belongs to it in the background. It is nil as soon as the deletion was accepted,
// is under way, or the object is gone; the object leaves the cache, and OnChange
// tells of it, when no finalizer holds it any more. An object that lost our owner
// label is a *ForeignError and stays; other errors unwrap to ErrRetry. ctx and 30 s
// bound the call.
func (c *Cluster) Delete(ctx context.Context, l *Live) error {
	now, k := c.sighting(l.Key), c.kind(l.GVK)
	switch {
	case now == nil && k != nil && !k.settled():
		return &Error{Verb: "delete", Key: l.Key, Err: ErrRetry, Message: "the kind was not listed yet"}
	case now == nil, now.UID != l.UID, now.Deleting:
		return nil
	case !now.ours:
		return &ForeignError{Key: l.Key, Owner: now.owner, Entity: now.entity}
	}
	r := k.known()
	if r == nil {
		return &Error{Verb: "delete", Key: l.Key, Err: ErrRetry, Message: "the kind is not followed"}
	}
	if err := k.silent("delete", l.Key); err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	body, err := json.Marshal(&metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions:     &metav1.Preconditions{UID: &l.UID},
		PropagationPolicy: &background,
	})
	if err != nil {
		return err
	}
	answer, err := c.conn().do(ctx, request{
		verb: "delete", kind: l.GVK.Kind, method: http.MethodDelete,
		path: r.path(l.GVK, l.Namespace, l.Name), body: body, hidden: l.hidden,
	})
	if isAbsent(err) || apierrors.IsConflict(err) {
		return nil // gone, or another one has the name
	}
	if err != nil {
		return classify("delete", l.Key, err, false, l.hidden())
	}
	// Where a finalizer holds it the object is answered, else a status.
	if held, err := c.sight(l.GVK, string(answer)); err == nil {
		c.store(l.Key).put(held)
	}
	return nil
}
