package llo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// adoptFrom makes an object ours that carries no owner label, if one of the
// managers that may be taken over has written it. Their fields are booked on us
// first, so that applying removes those that we do not render. Both steps refer to
// the version that was looked at. After a stop between them our own name is among
// the managers, and the adoption goes on.
func (t *target) adoptFrom(ctx context.Context, now *sighting) (Result, error) {
	if err := t.kind.silent("adopt", t.key); err != nil {
		return Result{}, err
	}
	body, err := t.conn().do(ctx, request{verb: "get", kind: t.key.GVK.Kind, path: t.path, hidden: t.hidden})
	if isAbsent(err) {
		return Result{}, t.fail(ErrRetry, "the object to adopt has gone")
	}
	if err != nil {
		return Result{}, t.classify("get", err)
	}
	found := &unstructured.Unstructured{}
	if err := found.UnmarshalJSON(body); err != nil {
		return Result{}, t.fail(ErrRetry, "the answer cannot be read")
	}
	seen, err := t.sight(t.key.GVK, string(body))
	if err != nil {
		return Result{}, t.fail(ErrRetry, "the answer cannot be read")
	}
	t.store.put(seen)
	if seen.owner != "" || seen.UID != now.UID {
		return Result{}, errLookAgain
	}
	if !t.mayAdopt(found) || seen.entity != "" && seen.entity != t.entity {
		return Result{}, t.foreign(seen)
	}
	if found.GetDeletionTimestamp() != nil {
		return Result{}, t.fail(ErrRetry, "the object to adopt is being deleted")
	}
	version, err := t.takeFields(ctx, found)
	if err != nil {
		return Result{}, err
	}
	answer, err := t.write(ctx, map[string]any{"uid": string(seen.UID), "resourceVersion": version}, true)
	if err != nil {
		return Result{}, t.classify("adopt", err)
	}
	t.log.Info("adopted", "object", t.key.String(), "entity", t.entity)
	return resultOf(ActionAdopted, answer), nil
}

// mayAdopt looks for a manager that may be taken over, or for our own.
func (t *target) mayAdopt(found *unstructured.Unstructured) bool {
	return slices.ContainsFunc(found.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Subresource == "" && (t.takes(entry) || entry.Manager == t.manager)
	})
}

func (t *target) takes(entry metav1.ManagedFieldsEntry) bool {
	return entry.Subresource == "" && entry.Manager != t.manager &&
		(slices.Contains(t.adopt, "*") || slices.Contains(t.adopt, entry.Manager))
}

// takeFields books the fields of the managers that may be taken over on us and
// gives the version of the object after that.
func (t *target) takeFields(ctx context.Context, found *unstructured.Unstructured) (string, error) {
	before := found.GetResourceVersion()
	entries, taken, err := t.split(found.GetManagedFields())
	if err != nil {
		return "", t.fail(ErrRetry, "read its field managers: "+err.Error())
	}
	found.SetManagedFields(entries)
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(found, taken, t.manager)
	if err != nil {
		return "", t.fail(ErrRetry, "take over its fields: "+err.Error())
	}
	if patch == nil {
		return before, nil // done before
	}
	answer, err := t.conn().do(ctx, request{
		verb: "adopt", kind: t.key.GVK.Kind, method: http.MethodPatch, patch: types.JSONPatchType,
		path: t.path, body: patch, hidden: t.hidden, options: &metav1.PatchOptions{FieldManager: t.manager},
	})
	if err != nil {
		return "", t.classify("adopt", err)
	}
	var after metav1.PartialObjectMetadata
	if err := json.Unmarshal(answer, &after); err != nil {
		return "", t.fail(ErrRetry, "the answer cannot be read")
	}
	return after.ResourceVersion, nil
}

// split gives what is to be taken over names of its own, one for each entry,
// booked as an update: that is all that csaupgrade moves. Finalizers and owner
// references stay with who set them; without them deletions go wrong.
func (t *target) split(entries []metav1.ManagedFieldsEntry) ([]metav1.ManagedFieldsEntry, sets.Set[string], error) {
	var result []metav1.ManagedFieldsEntry
	taken := sets.New[string]()
	for i, entry := range entries {
		if !t.takes(entry) || entry.FieldsV1 == nil {
			result = append(result, entry)
			continue
		}
		left, moved, err := splitFields(entry.FieldsV1)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("manager %q", entry.Manager), err)
		}
		if left != nil {
			stays := entry
			stays.FieldsV1 = left
			result = append(result, stays)
		}
		entry.Manager = fmt.Sprintf("%s taken over %d", t.manager, i)
		entry.Operation, entry.FieldsV1 = metav1.ManagedFieldsOperationUpdate, moved
		taken.Insert(entry.Manager)
		result = append(result, entry)
	}
	return result, taken, nil
}

func splitFields(fields *metav1.FieldsV1) (left, moved *metav1.FieldsV1, err error) {
	all := &fieldpath.Set{}
	if err := all.FromJSON(fields.GetRawReader()); err != nil {
		return nil, nil, err
	}
	keep := all
	for _, field := range []string{"finalizers", "ownerReferences"} {
		path := fieldpath.MakePathOrDie("metadata", field)
		keep = keep.RecursiveDifference(fieldpath.NewSet(path))
	}
	stays := all.Difference(keep)
	if moved, err = fieldsOf(keep); err != nil || stays.Empty() {
		return nil, moved, err
	}
	left, err = fieldsOf(stays)
	return left, moved, err
}

func fieldsOf(set *fieldpath.Set) (*metav1.FieldsV1, error) {
	text, err := set.ToJSON()
	if err != nil {
		return nil, err
	}
	fields := &metav1.FieldsV1{}
	fields.SetRawBytes(bytes.Clone(text))
	return fields, nil
}
