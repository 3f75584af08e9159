package llo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// wanted is an object as it is to be: what was rendered, with our marks.
type wanted struct {
	key    Key
	entity string
	hash   string
	body   map[string]any // nothing in it belongs to the caller down to the annotations
}

// want stamps o, which is not changed. What only the API server or another
// request can set is left out.
func (c *Cluster) want(o *unstructured.Unstructured) (*wanted, error) {
	w := &wanted{
		key:    Key{o.GroupVersionKind(), o.GetNamespace(), o.GetName()},
		entity: o.GetAnnotations()[EntityAnnotation],
		body:   maps.Clone(o.Object),
	}
	if problem := pathError(w.key.Name); problem != "" {
		return nil, w.fail(ErrInvalid, "metadata.name: "+problem)
	}
	if w.entity == "" {
		return nil, w.fail(ErrInvalid, "no annotation "+EntityAnnotation)
	}
	delete(w.body, "status")
	metadata, _ := o.Object["metadata"].(map[string]any) // it gave the name above
	metadata = maps.Clone(metadata)
	for _, field := range []string{
		"managedFields", "resourceVersion", "uid", "generation", "selfLink", "creationTimestamp", "deletionTimestamp",
	} {
		delete(metadata, field)
	}
	labels, err1 := texts(metadata["labels"])
	annotations, err2 := texts(metadata["annotations"])
	if err := errors.Join(err1, err2); err != nil {
		return nil, w.fail(ErrInvalid, "metadata: "+err.Error())
	}
	labels[Owner] = c.owner
	delete(annotations, InputHash)
	metadata["labels"], metadata["annotations"] = labels, annotations
	w.body["metadata"] = metadata
	text, err := json.Marshal(w.body) // sorts keys, so it is the same for the same object
	if err != nil {
		return nil, w.fail(ErrInvalid, "cannot be written as JSON")
	}
	sum := sha256.Sum256(text)
	w.hash = hex.EncodeToString(sum[:8])
	annotations[InputHash] = w.hash
	return w, nil
}

func (w *wanted) fail(err error, message string) error {
	return &Error{Verb: "apply", Key: w.key, Err: err, Message: message}
}

// texts copies labels or annotations, whatever type of map they are.
func texts(value any) (map[string]any, error) {
	copied := map[string]any{}
	switch value := value.(type) {
	case nil:
	case map[string]any:
		maps.Copy(copied, value)
	case map[string]string:
		for k, v := range value {
			copied[k] = v
		}
	default:
		return nil, errors.New("labels and annotations must be maps")
	}
	return copied, nil
}

// text is the body to send; guard adds to its metadata what ties it to one object
// or to one version of it.
func (w *wanted) text(guard map[string]any) ([]byte, error) {
	body := maps.Clone(w.body)
	metadata := maps.Clone(w.body["metadata"].(map[string]any)) // as want has made it
	maps.Copy(metadata, guard)
	body["metadata"] = metadata
	return json.Marshal(body)
}
