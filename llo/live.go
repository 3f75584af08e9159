package llo

import (
	"cmp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
)

// Key names one object of the cluster. Namespace is empty for a kind that has
// none.
type Key struct {
	GVK             schema.GroupVersionKind
	Namespace, Name string
}

// String is the kind and the place, as logs and messages show it.
func (k Key) String() string {
	switch {
	case k.Name == "" && k.Namespace == "":
		return k.GVK.Kind
	case k.Name == "":
		return k.GVK.Kind + " in " + k.Namespace
	case k.Namespace == "":
		return k.GVK.Kind + " " + k.Name
	}
	return k.GVK.Kind + " " + k.Namespace + "/" + k.Name
}

// Compare orders keys by group, version, kind, namespace, and name.
func (k Key) Compare(o Key) int {
	return cmp.Or(
		strings.Compare(k.GVK.Group, o.GVK.Group), strings.Compare(k.GVK.Version, o.GVK.Version),
		strings.Compare(k.GVK.Kind, o.GVK.Kind), strings.Compare(k.Namespace, o.Namespace),
		strings.Compare(k.Name, o.Name))
}

// Live is one version of an object of ours, as the cluster holds it. It never
// changes: the cache replaces it. Its fields are shared and must not be changed.
type Live struct {
	Key
	// Cluster is the name of the cluster that holds it.
	Cluster         string
	UID             types.UID
	Generation      int64
	ResourceVersion string
	Created         time.Time
	// Deleting is true once the deletion was asked for and while a finalizer
	// still holds the object.
	Deleting bool
	// Annotations holds those under hlo-agent.github.io/ and no others.
	Annotations map[string]string

	// raw is the object as JSON without resourceVersion and managedFields. The
	// texts above are parts of it where that is possible, to save memory.
	raw string
}

// Object decodes the whole object, managedFields left out. It costs time at
// every call; the caller owns the result.
func (l *Live) Object() *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: l.content()}
	object.SetGroupVersionKind(l.GVK)
	object.SetResourceVersion(l.ResourceVersion)
	return object
}

// content decodes raw. It was seen to be valid JSON when it was taken in, so
// there is no error to report.
func (l *Live) content() map[string]any {
	var content map[string]any
	if err := json.Unmarshal([]byte(l.raw), &content); err != nil {
		return map[string]any{}
	}
	return content
}

// hidden are the texts in it that no message may repeat.
func (l *Live) hidden() Texts { return contentOf(l.content()) }
