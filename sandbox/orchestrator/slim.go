package orchestrator

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// slim keeps of a cached object what a step needs, which is a small part of thousands of objects.
func slim(object any) (any, error) {
	full, ok := object.(*unstructured.Unstructured)
	if !ok {
		return object, nil
	}
	metadata, spec := map[string]any{}, map[string]any{}
	copyKeys(metadata, full.Object["metadata"], "name", "namespace", "uid", "resourceVersion", "generation",
		"deletionTimestamp", "finalizers")
	copyKeys(spec, full.Object["spec"], "image", "isJob")
	kept := map[string]any{"metadata": metadata, "spec": spec}
	copyKeys(kept, full.Object, "apiVersion", "kind", "status")
	return &unstructured.Unstructured{Object: kept}, nil
}

func copyKeys(to map[string]any, from any, keys ...string) {
	fields, _ := from.(map[string]any)
	for _, key := range keys {
		if value, ok := fields[key]; ok {
			to[key] = value
		}
	}
}
