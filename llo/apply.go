package llo

import (
	"context"
	"errors"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// What Apply did.
const (
	ActionNone    = "none"    // everything was as it should be
	ActionCreated = "created" // the object was not there
	ActionUpdated = "updated" // fields that differed were set, those no longer rendered removed
	ActionAdopted = "adopted" // the object was nobody's and is ours now
)

// Result is what Apply did and the object as it is now.
type Result struct {
	Action          string
	UID             types.UID
	Generation      int64
	ResourceVersion string
	// TakenOver holds the paths of fields that another manager had set otherwise.
	TakenOver []string
}

// neverThere is a resourceVersion that no object can have: etcd counts up from 1
// before anything is stored. An apply that carries it is taken for an object that
// does not exist, and refused as a conflict for any that does.
const neverThere = "1"

// Apply makes o so in the cluster, with our owner label and a digest of what was
// rendered. It writes nothing if the cache shows the object as it is to be. Fields
// that we do not render stay others'; fields that we rendered before and no longer
// do go; fields that another manager set otherwise are taken back, logged, and
// counted.
//
// Errors unwrap to ErrForeign (the name is held: a *ForeignError; OnChange tells
// when the holder changes), ErrInvalid (the same o is refused for ever, unless the
// kind changes), ErrNoKind, or ErrRetry (all else; an object that is being deleted
// is one case). A write whose answer was lost may be repeated: it is not done
// twice.
//
// o is not changed; it must carry the entity annotation. ctx and 30 s for each
// request bound the call. Two calls for one name must not run at once.
func (c *Cluster) Apply(ctx context.Context, o *unstructured.Unstructured) (Result, error) {
	w, err := c.want(o)
	if err != nil {
		return Result{}, err
	}
	t, err := c.target(w)
	if err != nil {
		return Result{}, err
	}
	// A create may find that the name is held, and then knows by whom: once more.
	for range 3 {
		result, err := t.apply(ctx)
		if !errors.Is(err, errLookAgain) {
			return result, err
		}
	}
	return Result{}, w.fail(ErrRetry, "others are changing it at the same time")
}

// errLookAgain: the cache knows something now that the decision was not based on.
var errLookAgain = errors.New("look again")

// target is a wanted object and where it goes.
type target struct {
	*Cluster
	*wanted
	kind  *kind
	store *store
	path  []string
}

func (c *Cluster) target(w *wanted) (*target, error) {
	k := c.kind(w.key.GVK)
	if k == nil || !k.wanted() {
		return nil, w.fail(ErrNoKind, "not a configured kind")
	}
	r := k.known()
	if r == nil || !k.settled() {
		if err := k.state(); errors.Is(err, ErrNoKind) {
			return nil, w.fail(ErrNoKind, "")
		}
		return nil, w.fail(ErrRetry, "the kind was not listed yet")
	}
	if !r.namespaced {
		w.key.Namespace = ""
		delete(w.body["metadata"].(map[string]any), "namespace") // as want has made it
	} else if problem := pathError(w.key.Namespace); problem != "" {
		return nil, w.fail(ErrInvalid, "metadata.namespace: "+problem)
	}
	store := c.store(w.key)
	if store == nil {
		return nil, w.fail(ErrInvalid, "metadata.namespace: not one of the configured namespaces")
	}
	return &target{c, w, k, store, r.path(w.key.GVK, w.key.Namespace, w.key.Name)}, nil
}

func (t *target) apply(ctx context.Context) (Result, error) {
	now := t.store.get(t.key)
	switch {
	case now == nil:
		return t.create(ctx)
	case !now.ours && now.owner == "" && len(t.adopt) > 0:
		return t.adoptFrom(ctx, now)
	case !now.ours, now.entity != "" && now.entity != t.entity:
		return Result{}, t.foreign(now)
	case now.Deleting:
		return Result{}, t.fail(ErrRetry, "the object is being deleted")
	case t.same(now):
		return resultOf(ActionNone, now), nil
	}
	return t.update(ctx, now)
}

func (t *target) foreign(now *sighting) error {
	if !t.store.refuse(now, t.entity) {
		return errLookAgain
	}
	return &ForeignError{Key: t.key, Owner: now.owner, Entity: now.entity}
}

// create never changes what is there, not even an object with the same content:
// see neverThere.
func (t *target) create(ctx context.Context) (Result, error) {
	answer, err := t.write(ctx, map[string]any{"resourceVersion": neverThere}, false)
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return Result{}, t.lookUp(ctx)
	}
	if err != nil {
		return Result{}, t.classify("apply", err)
	}
	return resultOf(ActionCreated, answer), nil
}

// update carries the UID, so that an object that took the place of the one that
// was looked at is not touched.
func (t *target) update(ctx context.Context, now *sighting) (Result, error) {
	guard := map[string]any{"uid": string(now.UID)}
	answer, err := t.write(ctx, guard, false)
	taken := conflicts(err)
	if len(taken) > 0 {
		t.log.Info("taking fields back", "object", t.key.String(), "entity", t.entity, "fields", taken, "managers", managers(err))
		answer, err = t.write(ctx, guard, true)
	}
	if isOtherUID(err) {
		return Result{}, t.lookUp(ctx)
	}
	if err != nil {
		return Result{}, t.classify("apply", err)
	}
	if len(taken) > 0 {
		t.takenOver(t.key.GVK.Kind)
	}
	action := ActionUpdated
	if answer.ResourceVersion == now.ResourceVersion {
		action = ActionNone // it was as it should be after all, as the API server compares
	}
	result := resultOf(action, answer)
	result.TakenOver = taken
	return result, nil
}

// write sends the wanted object and takes the answer into the cache.
func (t *target) write(ctx context.Context, guard map[string]any, force bool) (answer *sighting, err error) {
	body, err := t.text(guard)
	if err != nil {
		return nil, err
	}
	place := types.NamespacedName{Namespace: t.key.Namespace, Name: t.key.Name}
	t.store.begin(place)
	defer func() { t.store.end(place, answer) }()
	answer, err = t.send(ctx, request{
		verb: "apply", patch: types.ApplyPatchType, method: http.MethodPatch, body: body,
		// What the schema does not know is refused without strict validation, too:
		// that would only read everything twice.
		options: &metav1.PatchOptions{
			FieldManager: t.manager, Force: &force, FieldValidation: metav1.FieldValidationIgnore,
		},
	})
	if err == nil {
		t.store.settle(answer)
	}
	return answer, err
}

// lookUp asks for the object by its name, so that the cache knows of it before
// the watch does.
func (t *target) lookUp(ctx context.Context) error {
	_, err := t.send(ctx, request{verb: "get"})
	if err != nil && !isAbsent(err) {
		return t.classify("get", err)
	}
	return errLookAgain
}

// send fills in the rest of r and takes the object that is answered into the cache.
func (t *target) send(ctx context.Context, r request) (*sighting, error) {
	if err := t.kind.silent(r.verb, t.key); err != nil {
		return nil, err
	}
	r.kind, r.path, r.hidden = t.key.GVK.Kind, t.path, t.hidden
	body, err := t.conn().do(ctx, r)
	if err != nil {
		return nil, err
	}
	answer, err := t.sight(t.key.GVK, string(body))
	if err != nil {
		return nil, err
	}
	t.store.put(answer)
	return answer, nil
}

func (t *target) classify(verb string, err error) error {
	return classify(verb, t.key, err, true, t.hidden())
}

// hidden are the texts in what is wanted and in what is there.
func (t *target) hidden() Texts {
	body, err := t.rendered()
	if err != nil {
		body = t.body
	}
	now := t.store.get(t.key)
	if now == nil {
		return contentOf(body)
	}
	return contentOf(body, now.content())
}

func resultOf(action string, s *sighting) Result {
	return Result{Action: action, UID: s.UID, Generation: s.Generation, ResourceVersion: s.ResourceVersion}
}

// conflicts gives the paths of the fields that other managers have set otherwise,
// empty if err is not about that.
func conflicts(err error) []string {
	return causes(err, func(cause metav1.StatusCause) string { return plainPath(cause.Field) })
}

// managers gives who they are.
func managers(err error) []string {
	return causes(err, func(cause metav1.StatusCause) string { return cause.Message })
}

func causes(err error, of func(metav1.StatusCause) string) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var found []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			found = append(found, of(cause))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
