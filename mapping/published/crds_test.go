package published_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// definitions are the files with the definitions, by the module that publishes them.
func definitions() map[string]string {
	return map[string]string{
		"github.com/argoproj/argo-cd/v3": "manifests/crds/application-crd.yaml",
		"knative.dev/serving":            "config/core/300-resources/service.yaml",
		"open-cluster-management.io/api": "work/v1/0000_00_work.open-cluster-management.io_manifestworks.crd.yaml",
	}
}

// folderOf is where a module of crds/go.mod lies, downloaded if need be.
func folderOf(ctx context.Context, module string) (string, error) {
	if out, err := inCRDs(ctx, "mod", "download", module); err != nil {
		return "", fmt.Errorf("download %s: %w: %s", module, err, out)
	}
	out, err := inCRDs(ctx, "list", "-m", "-f", "{{.Dir}}", module)
	folder := strings.TrimSpace(out)
	if err != nil || folder == "" {
		return "", fmt.Errorf("find %s: %w: %s", module, err, out)
	}
	return folder, nil
}

func inCRDs(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = "crds"
	command.Env = append(os.Environ(), "GOWORK=off")
	out, err := command.CombinedOutput()
	return string(out), err
}

// cluster is an API server with all definitions.
type cluster struct {
	dynamic dynamic.Interface
	mapper  meta.RESTMapper
}

func newCluster(ctx context.Context, config *rest.Config) (*cluster, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	var kinds []schema.GroupKind
	for module, file := range definitions() {
		folder, err := folderOf(ctx, module)
		if err != nil {
			return nil, err
		}
		installed, err := install(ctx, client, filepath.Join(folder, filepath.FromSlash(file)))
		if err != nil {
			return nil, fmt.Errorf("install the definitions of %s: %w", module, err)
		}
		kinds = append(kinds, installed...)
	}
	c := &cluster{dynamic: client}
	// The server serves a new kind before it lists it.
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		groups, err := restmapper.GetAPIGroupResources(found)
		if err != nil {
			return false, nil // a group that is just being added
		}
		c.mapper = restmapper.NewDiscoveryRESTMapper(groups)
		for _, kind := range kinds {
			if _, err := c.mapper.RESTMapping(kind); err != nil {
				return false, nil
			}
		}
		return true, nil
	})
	return c, err
}

// install creates the definitions in a file, waits until they are served, and gives their kinds.
func install(ctx context.Context, client dynamic.Interface, file string) ([]schema.GroupKind, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	var kinds []schema.GroupKind
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
		crd := &unstructured.Unstructured{}
		if err := decoder.Decode(&crd.Object); errors.Is(err, io.EOF) {
			return kinds, nil
		} else if err != nil {
			return nil, err
		}
		if len(crd.Object) == 0 {
			continue
		}
		if _, err := crds.Create(ctx, crd, metav1.CreateOptions{}); err != nil {
			return nil, err
		}
		if err := served(ctx, client, crd); err != nil {
			return nil, fmt.Errorf("wait for %s: %w", crd.GetName(), err)
		}
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		kinds = append(kinds, schema.GroupKind{Group: group, Kind: kind})
	}
}

func served(ctx context.Context, client dynamic.Interface, crd *unstructured.Unstructured) error {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		name, _ := version["name"].(string)
		resource := schema.GroupVersionResource{Group: group, Version: name, Resource: plural}
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			_, err := client.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1})
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resource is where objects like o are.
func (c *cluster) resource(t *testing.T, o *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	kind := o.GroupVersionKind()
	found, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		t.Fatal(err)
	}
	return c.dynamic.Resource(found.Resource).Namespace(o.GetNamespace())
}
