package simulate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
)

// group and version of all kinds that the model serves.
var version = schema.GroupVersion{Group: "llo.aeros-project.eu", Version: "v1alpha1"}

// kinds are those that the model serves, by their names in paths.
var kinds = map[string]string{
	"servicecomponentk8s":         "ServiceComponentK8s",
	"servicecomponentdockers":     "ServiceComponentDocker",
	"servicecomponentcontainerds": "ServiceComponentContainerd",
}

// place is where an object is stored.
type place struct{ resource, namespace, name string }

func (p place) String() string { return kinds[p.resource] + " " + p.namespace + "/" + p.name }

// event is one change of the store.
type event struct {
	version int
	kind    string // ADDED, MODIFIED, DELETED
	place   place
	object  *unstructured.Unstructured
	before  *unstructured.Unstructured // nil for ADDED
}

// kube is a model of an API server with three kinds of custom resources, as far as
// the agent can notice. Stored objects are never changed in place. Its methods may
// be called from several goroutines.
type kube struct {
	managers map[string]*managedfields.FieldManager
	// changed hears of every change, with who made it, before anybody who watches.
	// The lock is held.
	changed func(who string, e event)
	// leased hears of every write of a Lease, with who sent it: who held it and who does
	// from now on, and when it would have run out. The lock is held.
	leased func(who, from, to string, until time.Time)

	mu       sync.Mutex
	objects  map[place]*unstructured.Unstructured
	leases   map[place]storedLease
	versions int
	history  []event
	oldest   int // versions up to this one are compacted
	uids     int
	watchers []*watcher
}

func newKube() *kube {
	k := &kube{managers: map[string]*managedfields.FieldManager{}, changed: func(string, event) {},
		leased:  func(who, from, to string, until time.Time) {},
		objects: map[place]*unstructured.Unstructured{}, leases: map[place]storedLease{}, versions: 100}
	for resource, kind := range kinds {
		k.managers[resource] = managedfieldstest.NewFakeFieldManager(managedfields.NewDeducedTypeConverter(), version.WithKind(kind))
	}
	return k
}

// get is the object of a place, nil if there is none.
func (k *kube) get(p place) *unstructured.Unstructured {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.objects[p]
}

// all are the objects, in order.
func (k *kube) all() []*unstructured.Unstructured {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*unstructured.Unstructured
	for _, p := range k.places() {
		out = append(out, k.objects[p])
	}
	return out
}

// What follows down to delete needs the lock.

func (k *kube) places() []place {
	out := make([]place, 0, len(k.objects))
	for p := range k.objects {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b place) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// store puts a new version of an object there.
func (k *kube) store(who, kind string, p place, o *unstructured.Unstructured) *unstructured.Unstructured {
	before := k.objects[p]
	k.versions++
	o.SetResourceVersion(strconv.Itoa(k.versions))
	if kind == "DELETED" {
		delete(k.objects, p)
	} else {
		k.objects[p] = o
	}
	e := event{k.versions, kind, p, o, before}
	k.history = append(k.history, e)
	k.changed(who, e)
	for _, w := range k.watchers {
		w.see(e)
	}
	return o
}

// replace stores what was made of old, unless that is the same.
func (k *kube) replace(who string, p place, old, o *unstructured.Unstructured) *unstructured.Unstructured {
	if old.GetDeletionTimestamp() != nil && len(o.GetFinalizers()) == 0 {
		return k.store(who, "DELETED", p, o)
	}
	if sameObject(old, o) {
		return old
	}
	if !sameSpec(old, o) {
		o.SetGeneration(old.GetGeneration() + 1)
	}
	return k.store(who, "MODIFIED", p, o)
}

// create completes the metadata of a new object.
func (k *kube) create(who string, p place, o *unstructured.Unstructured) *unstructured.Unstructured {
	k.uids++
	o.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", k.uids)))
	o.SetNamespace(p.namespace)
	o.SetGeneration(1)
	o.SetCreationTimestamp(metav1.Time{Time: time.Now().UTC().Truncate(time.Second)})
	return k.store(who, "ADDED", p, o)
}

// put creates an object past the agents; there must be none of that name.
func (k *kube) put(who string, p place, change func(*unstructured.Unstructured)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := k.empty(p)
	o.SetName(p.name)
	change(o)
	made, err := k.managers[p.resource].Update(k.empty(p), o, who)
	if err == nil {
		k.create(who, p, made.(*unstructured.Unstructured))
	}
	return err
}

// edit changes an object that is there, as an update by somebody who is no agent.
func (k *kube) edit(who string, p place, change func(*unstructured.Unstructured)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	old, there := k.objects[p]
	if !there {
		return nil
	}
	o := old.DeepCopy()
	change(o)
	made, err := k.managers[p.resource].Update(old.DeepCopy(), o, who)
	if err == nil {
		k.replace(who, p, old, made.(*unstructured.Unstructured))
	}
	return err
}

// setStatus writes the status of the object of that UID, and says whether it is
// there.
func (k *kube) setStatus(who string, p place, uid types.UID, status map[string]any) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.objects[p]
	if old == nil || old.GetUID() != uid {
		return false
	}
	o := old.DeepCopy()
	o.Object["status"] = status
	k.replace(who, p, old, o)
	return true
}

func (k *kube) empty(p place) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetGroupVersionKind(version.WithKind(kinds[p.resource]))
	return o
}

// apply is a server-side apply. The order of its steps is the API server's.
func (k *kube) apply(p place, patch *unstructured.Unstructured, manager string, force bool) (*unstructured.Unstructured, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	resource := schema.GroupResource{Group: version.Group, Resource: p.resource}
	old, there := k.objects[p]
	uid, wanted := patch.GetUID(), patch.GetResourceVersion()
	patch.SetUID("")
	patch.SetResourceVersion("")
	delete(patch.Object, "status") // it is a subresource
	if !there && uid != "" {
		return nil, apierrors.NewConflict(resource, p.name, fmt.Errorf("uid mismatch: the provided object specified uid %s, and no existing object was found", uid))
	}
	base := old
	if !there {
		base = k.empty(p)
	}
	made, err := k.managers[p.resource].Apply(base.DeepCopy(), patch, manager, force)
	if err != nil {
		return nil, err
	}
	o := made.(*unstructured.Unstructured)
	if !there {
		return k.create(manager, p, o), nil
	}
	if uid != "" && uid != old.GetUID() {
		return nil, otherUID(resource, p.name)
	}
	if wanted != "" && wanted != old.GetResourceVersion() {
		return nil, apierrors.NewConflict(resource, p.name, fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
	}
	return k.replace(manager, p, old, o), nil
}

func otherUID(resource schema.GroupResource, name string) error {
	err := apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "patch", resource, name, "field is immutable", 0, true)
	err.ErrStatus.Reason = metav1.StatusReasonInvalid
	err.ErrStatus.Details.Kind = kinds[resource.Resource]
	cause := metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: "metadata.uid", Message: "field is immutable"}
	err.ErrStatus.Details.Causes = []metav1.StatusCause{cause, cause} // it is checked twice
	return err
}

// delete removes an object, or marks it where a finalizer holds it. A nil uid is any.
func (k *kube) delete(who string, p place, uid *types.UID) (*unstructured.Unstructured, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	resource := schema.GroupResource{Group: version.Group, Resource: p.resource}
	old, there := k.objects[p]
	if !there {
		return nil, apierrors.NewNotFound(resource, p.name)
	}
	if uid != nil && *uid != old.GetUID() {
		resource.Resource = kinds[p.resource] // as the API server has it here
		return nil, apierrors.NewConflict(resource, p.name, fmt.Errorf("precondition failed: UID in precondition: %v, UID in object meta: %v", *uid, old.GetUID()))
	}
	o := old.DeepCopy()
	if len(old.GetFinalizers()) == 0 {
		k.store(who, "DELETED", p, o)
		return nil, nil
	}
	if old.GetDeletionTimestamp() != nil {
		return old, nil
	}
	o.SetDeletionTimestamp(&metav1.Time{Time: time.Now().UTC().Truncate(time.Second)})
	grace := int64(0)
	o.SetDeletionGracePeriodSeconds(&grace)
	o.SetGeneration(old.GetGeneration() + 1)
	return k.store(who, "MODIFIED", p, o), nil
}

// compact forgets the history: watches cannot be resumed from before now.
func (k *kube) compact() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.oldest, k.history = k.versions, nil
}

func sameObject(a, b *unstructured.Unstructured) bool {
	return textOf(withoutTimes(a)) == textOf(withoutTimes(b))
}

// withoutTimes leaves out the version, and when each manager wrote: that alone is
// no change.
func withoutTimes(o *unstructured.Unstructured) map[string]any {
	c := o.DeepCopy()
	c.SetResourceVersion("")
	fields := c.GetManagedFields()
	for i := range fields {
		fields[i].Time = nil
	}
	c.SetManagedFields(fields)
	return c.Object
}

func sameSpec(a, b *unstructured.Unstructured) bool {
	return textOf(a.Object["spec"]) == textOf(b.Object["spec"])
}

func textOf(v any) string {
	text, err := json.Marshal(v) // sorts keys
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	return string(text)
}
