package install_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// judge is an API server that is asked what it thinks of objects.
type judge struct {
	client dynamic.Interface
	mapper meta.ResettableRESTMapper
}

func newJudge(config *rest.Config) (*judge, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &judge{client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))}, nil
}

// apply sends an object as `kubectl apply --server-side` does; the server refuses fields that it does not know.
func (j *judge) apply(ctx context.Context, o *unstructured.Unstructured, dryRun ...string) error {
	text, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	gvk := o.GroupVersionKind()
	var mapping *meta.RESTMapping
	// A definition that was just installed is served before it is listed.
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		var err error
		if mapping, err = j.mapper.RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
			j.mapper.Reset()
		}
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", gvk, err)
	}
	var at dynamic.ResourceInterface = j.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		at = j.client.Resource(mapping.Resource).Namespace(o.GetNamespace())
	}
	_, err = at.Patch(ctx, o.GetName(), "application/apply-patch+yaml", text,
		metav1.PatchOptions{FieldManager: "install", FieldValidation: "Strict", DryRun: dryRun})
	return err
}

// operator are the definitions of the Prometheus operator, in the module that crds/go.mod pins.
func operatorDefinitions(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	const module = "github.com/prometheus-operator/prometheus-operator"
	inCRDs := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = "crds", append(os.Environ(), "GOWORK=off")
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, said.String())
		}
		return strings.TrimSpace(string(out))
	}
	inCRDs("mod", "download", module)
	folder := inCRDs("list", "-m", "-f", "{{.Dir}}", module)
	var all []*unstructured.Unstructured
	for _, name := range []string{"servicemonitors", "prometheusrules"} {
		text, err := os.ReadFile(filepath.Join(folder, "example/prometheus-operator-crd/monitoring.coreos.com_"+name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, objects(t, string(text))...)
	}
	return all
}

// theJudge is the shared server, with everything that the chart's objects need.
var theJudge struct {
	once  sync.Once
	judge *judge
}

func judged(t *testing.T) *judge {
	t.Helper()
	theJudge.once.Do(func() {
		j, err := newJudge(server.Server(t).REST())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range append(operatorDefinitions(t), namespaceObjects(namespace, "workloads", "greenhouse", "argocd", "hlo-agent")...) {
			if err := j.apply(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		theJudge.judge = j
	})
	if theJudge.judge == nil {
		t.Fatal("no API server")
	}
	return theJudge.judge
}

func namespaceObjects(names ...string) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, name := range names {
		o := &unstructured.Unstructured{}
		o.SetAPIVersion("v1")
		o.SetKind("Namespace")
		o.SetName(name)
		all = append(all, o)
	}
	return all
}

// TestServerTakesEveryCase sends what each case renders to the server, which keeps nothing. The same object with a
// field too many must be refused, or the server would not look at all.
func TestServerTakesEveryCase(t *testing.T) {
	t.Parallel()
	for name, values := range valueFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := objects(t, mustRender(t, values))
			if len(all) < 2 {
				t.Fatalf("only %d objects", len(all))
			}
			serverTakes(t, all)
		})
	}
}

func serverTakes(t *testing.T, all []*unstructured.Unstructured) {
	t.Helper()
	j := judged(t)
	for _, o := range all {
		if err := j.apply(t.Context(), o, metav1.DryRunAll); err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
			continue
		}
		wrong := o.DeepCopy()
		wrong.Object["nonsense"] = true
		if err := j.apply(t.Context(), wrong, metav1.DryRunAll); err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("%s %s with a field too many: %v", o.GetKind(), o.GetName(), err)
		}
	}
}
