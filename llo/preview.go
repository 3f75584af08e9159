package llo

import (
	"context"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Preview is an object before and after an apply that was not done. Both are
// complete but for managedFields, and belong to the caller.
type Preview struct {
	Now  *unstructured.Unstructured // nil: it is not there
	Next *unstructured.Unstructured
}

// Preview says what Apply would make of o, as the API server itself answers to a
// dry run: with its defaults, its admission, and what others have set. Errors are
// those of Apply. Nothing is changed, neither there nor in the cache. Of an object
// that would be adopted it does not tell which fields of others would go.
func (c *Cluster) Preview(ctx context.Context, o *unstructured.Unstructured) (Preview, error) {
	w, err := c.want(o)
	if err != nil {
		return Preview{}, err
	}
	t, err := c.target(w)
	if err != nil {
		return Preview{}, err
	}
	now, err := t.read(ctx)
	if err != nil {
		return Preview{}, err
	}
	guard := map[string]any{"resourceVersion": neverThere}
	if now != nil {
		if err := t.mayChange(now); err != nil {
			return Preview{}, err
		}
		guard = map[string]any{"uid": string(now.GetUID())}
	}
	next, err := t.dryRun(ctx, guard, now != nil)
	if err != nil {
		return Preview{}, t.classify("apply", err)
	}
	return Preview{Now: now, Next: next}, nil
}

// read asks for the object itself; nil if it is not there.
func (t *target) read(ctx context.Context) (*unstructured.Unstructured, error) {
	body, err := t.conn().do(ctx, request{verb: "get", kind: t.key.GVK.Kind, path: t.path, hidden: t.hidden})
	if isAbsent(err) || apierrors.IsNotFound(err) && t.store.get(t.key) == nil {
		return nil, nil
	}
	if err != nil {
		return nil, t.classify("get", err)
	}
	return t.plain(body)
}

// mayChange is the ForeignError that Apply would give, or that it is on its way out.
func (t *target) mayChange(now *unstructured.Unstructured) error {
	owner, entity := now.GetLabels()[Owner], now.GetAnnotations()[EntityAnnotation]
	switch {
	case owner == "" && len(t.adopt) > 0 && (entity == "" || entity == t.entity):
		return nil
	case owner != t.owner, entity != "" && entity != t.entity:
		return &ForeignError{Key: t.key, Owner: owner, Entity: entity}
	case now.GetDeletionTimestamp() != nil:
		return t.fail(ErrRetry, "the object is being deleted")
	}
	return nil
}

func (t *target) dryRun(ctx context.Context, guard map[string]any, force bool) (*unstructured.Unstructured, error) {
	text, err := t.text(guard)
	if err != nil {
		return nil, err
	}
	body, err := t.conn().do(ctx, request{
		verb: "preview", kind: t.key.GVK.Kind, path: t.path, method: http.MethodPatch, patch: types.ApplyPatchType, body: text, hidden: t.hidden,
		options: &metav1.PatchOptions{
			DryRun: []string{metav1.DryRunAll}, FieldManager: t.manager, Force: &force, FieldValidation: metav1.FieldValidationIgnore,
		},
	})
	if err != nil {
		return nil, err
	}
	return t.plain(body)
}

func (t *target) plain(body []byte) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(body); err != nil {
		return nil, t.fail(ErrRetry, "the answer cannot be read")
	}
	o.SetManagedFields(nil)
	return o, nil
}
