package install_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The pods of every case are let into a namespace that enforces the restricted Pod
// Security Standard: no root, no privileges, nothing of the node; and their file
// system is read-only, which that standard does not ask for. Each of it counts: with
// it taken away the server refuses the pod.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	const locked = "locked-down"
	j := judged(t)
	at := namespaceObjects(locked)[0]
	at.SetLabels(map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest"})
	for _, o := range []*unstructured.Unstructured{at, {Object: map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "runs-pods", "namespace": locked}}}} {
		if err := j.apply(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for name, values := range valueFiles(t) {
		if name == "pod" {
			continue // it sets every field of a pod to something else, to see that it counts
		}
		for _, o := range objects(t, mustRender(t, values)) {
			if o.GetKind() != "Deployment" {
				continue
			}
			spec, _, err := unstructured.NestedMap(o.Object, "spec", "template", "spec")
			if err != nil {
				t.Fatal(err)
			}
			spec["serviceAccountName"] = "runs-pods"
			pod := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "agent", "namespace": locked}, "spec": spec}}
			if err := j.apply(t.Context(), pod, metav1.DryRunAll); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			container := spec["containers"].([]any)[0].(map[string]any)
			if got, _, _ := unstructured.NestedBool(container, "securityContext", "readOnlyRootFilesystem"); !got {
				t.Errorf("%s: the file system can be written", name)
			}
			for _, path := range [][]string{{"allowPrivilegeEscalation"}, {"capabilities"}} {
				worse := pod.DeepCopy()
				unstructured.RemoveNestedField(worse.Object["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any), append([]string{"securityContext"}, path...)...)
				if err := j.apply(t.Context(), worse, metav1.DryRunAll); err == nil || !strings.Contains(err.Error(), "restricted") {
					t.Errorf("%s without %v: %v", name, path, err)
				}
			}
			for _, field := range []string{"runAsNonRoot", "seccompProfile"} {
				worse := pod.DeepCopy()
				unstructured.RemoveNestedField(worse.Object, "spec", "securityContext", field)
				if err := j.apply(t.Context(), worse, metav1.DryRunAll); err == nil || !strings.Contains(err.Error(), "restricted") {
					t.Errorf("%s without %s: %v", name, field, err)
				}
			}
		}
	}
}
