package kube

import (
	"context"
	"embed"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// The same files are in deploy/hlo-agent/crds, where people look for them; a test compares.
//
//go:embed crds/*.yaml
var crdFiles embed.FS

// CRDs are the custom resource definitions of the low-level orchestrators, sorted by file name. The caller
// owns them.
func CRDs() ([]*unstructured.Unstructured, error) {
	entries, err := crdFiles.ReadDir("crds")
	if err != nil {
		return nil, fmt.Errorf("list the custom resource definitions: %w", err)
	}
	var all []*unstructured.Unstructured
	for _, entry := range entries {
		text, err := crdFiles.ReadFile("crds/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read custom resource definition: %w", err)
		}
		crd := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &crd.Object); err != nil {
			return nil, fmt.Errorf("read custom resource definition %s: %w", entry.Name(), err)
		}
		all = append(all, crd)
	}
	return all, nil
}

// InstallCRDs creates the definitions that are not there yet and waits until objects of every kind can be
// listed and discovery names the kind, which may come a moment later, or ctx ends.
func InstallCRDs(ctx context.Context, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	discovered, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	crds, err := CRDs()
	if err != nil {
		return err
	}
	definitions := schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	}
	for _, crd := range crds {
		_, err := client.Resource(definitions).Create(ctx, crd, metav1.CreateOptions{})
		if err != nil && !errors.IsAlreadyExists(err) {
			return fmt.Errorf("install %s: %w", crd.GetName(), err)
		}
	}
	for _, crd := range crds {
		kind, err := served(crd)
		if err != nil {
			return err
		}
		err = poll(ctx, func() error {
			if _, err := client.Resource(kind).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
				return err
			}
			known, err := discovered.ServerResourcesForGroupVersion(kind.GroupVersion().String())
			if err == nil && !slices.ContainsFunc(known.APIResources, func(r metav1.APIResource) bool { return r.Name == kind.Resource }) {
				err = fmt.Errorf("discovery does not name %s", kind.Resource)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("wait for %s: %w", crd.GetName(), err)
		}
	}
	return nil
}

// served is the resource that a definition of one version serves.
func served(crd *unstructured.Unstructured) (schema.GroupVersionResource, error) {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if len(versions) == 1 {
		if version, ok := versions[0].(map[string]any); ok {
			name, _ := version["name"].(string)
			return schema.GroupVersionResource{Group: group, Version: name, Resource: plural}, nil
		}
	}
	return schema.GroupVersionResource{}, fmt.Errorf("custom resource definition %s: not exactly one version", crd.GetName())
}
