package llo

import (
	"context"
	"encoding/json"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Release takes our owner label off that very object, so that it is nobody's: it
// stays as it is, and no agent changes or deletes it any more. The other marks stay,
// to tell where it came from. It is nil as well when the object is gone, another one
// has its name, or it is on its way out. Errors are those of Delete. ctx and 30 s
// bound the call.
func (c *Cluster) Release(ctx context.Context, l *Live) error {
	now, k := c.sighting(l.Key), c.kind(l.GVK)
	switch {
	case now == nil && k != nil && !k.settled():
		return &Error{Verb: "release", Key: l.Key, Err: ErrRetry, Message: "the kind was not listed yet"}
	case now == nil, now.UID != l.UID, now.Deleting:
		return nil
	case !now.ours:
		return &ForeignError{Key: l.Key, Owner: now.owner, Entity: now.entity}
	}
	if err := k.silent("release", l.Key); err != nil {
		return err
	}
	r := k.known()
	if r == nil {
		return &Error{Verb: "release", Key: l.Key, Err: ErrRetry, Message: "the kind is not followed"}
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": string(l.UID), "labels": map[string]any{Owner: nil},
	}})
	if err != nil {
		return err
	}
	answer, err := c.conn().do(ctx, request{
		verb: "release", kind: l.GVK.Kind, method: http.MethodPatch, patch: types.MergePatchType,
		path: r.path(l.GVK, l.Namespace, l.Name), body: body, hidden: l.hidden, options: &metav1.PatchOptions{FieldManager: c.manager},
	})
	if isAbsent(err) || isOtherUID(err) || apierrors.IsConflict(err) {
		return nil
	}
	if err != nil {
		return classify("release", l.Key, err, false, l.hidden())
	}
	released, err := c.sight(l.GVK, string(answer))
	if err != nil {
		return &Error{Verb: "release", Key: l.Key, Err: ErrRetry, Message: "the answer cannot be read"}
	}
	c.store(l.Key).put(released)
	return nil
}
