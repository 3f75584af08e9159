package orchestrator

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// writeStatus replaces the whole status of this very object, unless it says the same already.
func (o *Orchestrators) writeStatus(ctx context.Context, c component, s state) error {
	status := statusOf(s, c)
	if reflect.DeepEqual(c.status, status) {
		return nil
	}
	patch := []map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": c.GetUID()},
		{"op": "add", "path": "/status", "value": status},
	}
	return o.send(ctx, c, types.JSONPatchType, patch, "status")
}

// writeFinalizers replaces the finalizers, unless the object has changed since it was read.
func (o *Orchestrators) writeFinalizers(ctx context.Context, c component, finalizers []string) error {
	patch := map[string]any{"metadata": map[string]any{
		"finalizers": finalizers, "uid": c.GetUID(), "resourceVersion": c.GetResourceVersion(),
	}}
	return o.send(ctx, c, types.MergePatchType, patch)
}

// send gives no error when the object is gone or another one has its name, since the watch tells what to do
// then, nor when the API server finds the patch invalid, which trying again does not change.
func (o *Orchestrators) send(ctx context.Context, c component, kind types.PatchType, patch any, subresource ...string) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	options := metav1.PatchOptions{FieldManager: fieldManager}
	_, err = c.client.Patch(ctx, c.GetName(), kind, body, options, subresource...)
	switch {
	case errors.IsNotFound(err):
		return nil
	case errors.IsInvalid(err):
		o.log.Warn("patch refused", "object", c.GetName(), "err", err)
		return nil
	case err != nil:
		return fmt.Errorf("patch %s: %w", c.GetName(), err)
	}
	return nil
}
