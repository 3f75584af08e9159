package llo

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// sighting is one version of an object as a list, a watch, or the answer to a
// write shows it. Of an object that is not ours only the key, the UID, the
// version, the owner, and the entity are kept. All but settled is immutable.
type sighting struct {
	Live
	owner, entity string
	ours          bool
	// bookmark: not an object; says that the watch has come to this version.
	// complete: the bookmark that ends the initial events of a streamed list.
	bookmark, complete bool

	// grip is a digest of the fields that the API server books on our manager,
	// fields the sets themselves; see ownership.go.
	grip   uint64
	fields []string

	// settled: what is rendered with this input hash was seen to be in this object,
	// or the API server's answer to applying it was this object. Guarded by the
	// mutex of the store.
	settled bool
}

// sight reads one object. namespaced text stays referenced only for an object of ours.
func (c *Cluster) sight(gvk schema.GroupVersionKind, text string) (*sighting, error) {
	raw, err := c.compact(text)
	if err != nil {
		return nil, err
	}
	s := &sighting{Live: Live{Key: Key{GVK: gvk}, Cluster: c.name, ResourceVersion: strings.Clone(raw.version)}}
	if err := s.readMetadata(raw.metadata); err != nil {
		return nil, err
	}
	if s.Name == "" || s.ResourceVersion == "" {
		return nil, errors.New("object without name or resourceVersion")
	}
	s.ours = s.owner == c.owner
	if !s.ours {
		s.forget()
		return s, nil
	}
	if !json.Valid([]byte(raw.object)) {
		return nil, errNotJSON
	}
	s.raw, s.fields, s.grip = raw.object, raw.fields, digest(raw.fields)
	return s, nil
}

// forget keeps of a foreign object what Holder tells, in texts of their own.
func (s *sighting) forget() {
	s.Live = Live{
		Key:             Key{s.GVK, strings.Clone(s.Namespace), strings.Clone(s.Name)},
		Cluster:         s.Cluster,
		UID:             types.UID(strings.Clone(string(s.UID))),
		ResourceVersion: s.ResourceVersion,
	}
	s.owner, s.entity = strings.Clone(s.owner), strings.Clone(s.entity)
}

func (s *sighting) readMetadata(metadata string) error {
	return members(metadata, func(key, value string) (err error) {
		switch plain(key) {
		case "name":
			s.Name = plain(value)
		case "namespace":
			s.Namespace = plain(value)
		case "uid":
			s.UID = types.UID(plain(value))
		case "generation":
			s.Generation, err = strconv.ParseInt(value, 10, 64)
		case "creationTimestamp":
			if value != "null" {
				s.Created, err = time.Parse(time.RFC3339, plain(value))
			}
		case "deletionTimestamp":
			s.Deleting = value != "null"
		case "labels":
			s.owner, err = label(value, Owner)
		case "annotations":
			err = s.readAnnotations(value)
		}
		if err != nil {
			err = fmt.Errorf("metadata %s: %w", key, err)
		}
		return err
	})
}

func (s *sighting) readAnnotations(text string) error {
	if text == "null" {
		return nil
	}
	err := members(text, func(key, value string) error {
		if key := plain(key); strings.HasPrefix(key, markPrefix) {
			if s.Annotations == nil {
				s.Annotations = make(map[string]string, 8)
			}
			s.Annotations[key] = plain(value)
		}
		return nil
	})
	s.entity = s.Annotations[EntityAnnotation]
	return err
}

func label(labels, key string) (string, error) {
	if labels == "null" {
		return "", nil
	}
	value, err := member(labels, key)
	return plain(value), err
}

func digest(fields []string) uint64 {
	sum := fnv.New64a()
	for _, set := range fields {
		sum.Write([]byte(set)) // never fails
		sum.Write([]byte{0})
	}
	return sum.Sum64()
}

func (s *sighting) place() types.NamespacedName {
	return types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
}

// inherit takes over that old was settled, if what we hold of it and what we
// rendered into it are the same: then others have changed other fields only.
func (s *sighting) inherit(old *sighting) {
	if old == nil || !old.settled || !s.ours || s.UID != old.UID || s.grip != old.grip ||
		s.Annotations[InputHash] != old.Annotations[InputHash] {
		return
	}
	s.settled, s.fields = true, nil
}

// GetObjectMeta gives a Reflector what it asks of an object.
func (s *sighting) GetObjectMeta() metav1.Object {
	meta := &metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, ResourceVersion: s.ResourceVersion}
	if s.complete {
		meta.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	}
	return meta
}

// GetObjectKind is part of runtime.Object.
func (s *sighting) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject is part of runtime.Object; a sighting is never changed, so it
// stands for its own copy.
func (s *sighting) DeepCopyObject() runtime.Object { return s }

// sightings is a listed page of them.
type sightings struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []*sighting
}

// DeepCopyObject is part of runtime.Object.
func (l *sightings) DeepCopyObject() runtime.Object { return l }
