package llo

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is one kind, followed once for each namespace.
type kind struct {
	cluster   *Cluster
	gvk       schema.GroupVersionKind
	followers atomic.Pointer[[]*follower] // the wanted ones first; changed by Follow and sweep

	mu       sync.Mutex
	resource *resource // nil: not asked yet, or lost
}

// resource is how the API server calls a kind in its paths.
type resource struct {
	plural     string
	namespaced bool
}

func newKind(c *Cluster, gvk schema.GroupVersionKind) *kind {
	k := &kind{cluster: c, gvk: gvk}
	k.put(nil)
	return k
}

// all are the followers; the slice must not be changed.
func (k *kind) all() []*follower { return *k.followers.Load() }

// put replaces the followers. Where the kind has no namespaces the first sees
// all objects, so another first one begins anew.
func (k *kind) put(followers []*follower) {
	before := k.followers.Swap(&followers)
	if before != nil && len(*before) > 0 && len(followers) > 0 && (*before)[0] != followers[0] {
		if r := k.known(); r != nil && !r.namespaced {
			followers[0].renew()
		}
	}
}

// follower is the one that sees objects of that namespace, nil if none does; one
// that has listed them before all others. What has no namespace is seen by the
// first.
func (k *kind) follower(namespace string) *follower {
	var found *follower
	for _, f := range k.all() {
		switch {
		case namespace == "":
			return f
		case !f.covers(namespace):
		case f.settled():
			return f
		case found == nil:
			found = f
		}
	}
	return found
}

// wanted says whether objects of the kind can be applied.
func (k *kind) wanted() bool {
	return slices.ContainsFunc(k.all(), func(f *follower) bool { return f.wanted.Load() })
}

func (k *kind) settled() bool {
	return !slices.ContainsFunc(k.all(), func(f *follower) bool { return f.wanted.Load() && !f.settled() })
}

// state is the first reason why the kind is not followed, that it is not there
// before all others.
func (k *kind) state() error {
	var first error
	for _, f := range k.all() {
		if !f.wanted.Load() {
			continue
		}
		err := f.state()
		if errors.Is(err, ErrNoKind) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// known is the resource if it was found before, else nil.
func (k *kind) known() *resource {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.resource
}

func (k *kind) keep(r *resource) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.resource = r
}

// find asks the API server for the resource once, and again after it was lost.
// ErrNoKind is certain: it needs an answer that names other kinds and not this
// one. A bare 404 may come from any gateway and proves nothing.
func (k *kind) find(ctx context.Context) (*resource, error) {
	if r := k.known(); r != nil {
		return r, nil
	}
	version := k.gvk.GroupVersion()
	body, err := k.cluster.conn().do(ctx, request{verb: "discover", kind: k.gvk.Kind, path: versionPath(version)})
	switch {
	case apierrors.IsNotFound(err):
		return nil, k.confirmAbsent(ctx)
	case err != nil:
		return nil, classify("discover", Key{GVK: k.gvk}, err, false, nil)
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(body, &list); err != nil || list.Kind != "APIResourceList" {
		return nil, k.unclear("the answer is not a list of resources")
	}
	for _, r := range list.APIResources {
		if r.Kind == k.gvk.Kind && !isSubresource(r.Name) {
			found := &resource{plural: r.Name, namespaced: r.Namespaced}
			k.keep(found)
			return found, nil
		}
	}
	return nil, k.absent()
}

// confirmAbsent looks whether the list of groups is there and leaves this one out.
func (k *kind) confirmAbsent(ctx context.Context) error {
	body, err := k.cluster.conn().do(ctx, request{verb: "discover", kind: k.gvk.Kind, path: []string{"apis"}})
	if err != nil {
		return classify("discover", Key{GVK: k.gvk}, err, false, nil)
	}
	var groups metav1.APIGroupList
	if err := json.Unmarshal(body, &groups); err != nil || groups.Kind != "APIGroupList" {
		return k.unclear("the answer is not a list of groups")
	}
	for _, group := range groups.Groups {
		for _, version := range group.Versions {
			if version.GroupVersion == k.gvk.GroupVersion().String() {
				return k.unclear("the API server lists " + version.GroupVersion + " and does not serve it")
			}
		}
	}
	return k.absent()
}

func (k *kind) absent() error {
	return &Error{Verb: "discover", Key: Key{GVK: k.gvk}, Err: ErrNoKind, Message: "the API server does not serve " + k.gvk.String()}
}

func (k *kind) unclear(message string) error {
	return &Error{Verb: "discover", Key: Key{GVK: k.gvk}, Err: ErrRetry, Message: message}
}
