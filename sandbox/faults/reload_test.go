package faults_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// mount is a folder as Kubernetes mounts a ConfigMap: its files are links into a
// folder that is swapped as a whole.
type mount struct {
	t    *testing.T
	path string
	n    int
}

func newMount(t *testing.T, files map[string]string) *mount {
	t.Helper()
	m := &mount{t: t, path: t.TempDir()}
	m.swap(files)
	return m
}

// swap replaces all files at once.
func (m *mount) swap(files map[string]string) {
	m.t.Helper()
	m.n++
	data := fmt.Sprintf("..v%d", m.n)
	must(m.t, os.Mkdir(filepath.Join(m.path, data), 0o755))
	for name, text := range files {
		must(m.t, os.WriteFile(filepath.Join(m.path, data, name), []byte(text), 0o644))
		if _, err := os.Lstat(filepath.Join(m.path, name)); err != nil {
			must(m.t, os.Symlink(filepath.Join("..data", name), filepath.Join(m.path, name)))
		}
	}
	must(m.t, os.Symlink(data, filepath.Join(m.path, "..next")))
	must(m.t, os.Rename(filepath.Join(m.path, "..next"), filepath.Join(m.path, "..data")))
	links, err := filepath.Glob(filepath.Join(m.path, "*.yaml"))
	must(m.t, err)
	for _, link := range links {
		if _, kept := files[filepath.Base(link)]; !kept {
			must(m.t, os.Remove(link))
		}
	}
}

// plan is a kind of its own for one test.
func (r *rig) plan() (kind schema.GroupVersionResource, mapping, policy string) {
	r.t.Helper()
	group := "plans-" + r.namespace + ".example.org"
	definition := &unstructured.Unstructured{Object: object{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": object{"name": "plans." + group},
		"spec": object{
			"group": group, "scope": "Namespaced",
			"names": object{"kind": "Plan", "plural": "plans", "singular": "plan"},
			"versions": []any{object{"name": "v1", "served": true, "storage": true, "subresources": object{"status": object{}},
				"schema": object{"openAPIV3Schema": object{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}},
		},
	}}
	definitions := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	_, err := r.client.Resource(definitions).Create(r.t.Context(), definition, metav1.CreateOptions{})
	must(r.t, err)
	mapping = `apiVersion: hlo-agent.github.io/v1alpha1
kind: Mapping
metadata: {name: plans}
spec:
  attributes: {element: [floor]}
  objects:
  - object:
      apiVersion: ` + group + `/v1
      kind: Plan
      metadata: {name: "${aerosName(component.id)}"}
      spec: {image: "${component.containerImage}", floor: "${integer(element.floor)}"}
    status:
      rules:
      - when: object.status.phase == "Done"
        phase: Running
      - phase: Progressing
`
	policy = `apiVersion: hlo-agent.github.io/v1alpha1
kind: Policy
metadata: {name: plans}
spec:
  allow: [{group: ` + group + `, kinds: [Plan], mappings: [plans]}]
`
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: "plans"}, mapping, policy
}

// detail is one line of /readyz.
func (r *rig) detail(name string) string {
	r.t.Helper()
	resp, err := http.Get("http://" + r.ops + "/readyz")
	must(r.t, err)
	defer resp.Body.Close()
	var body struct{ Details map[string]string }
	must(r.t, json.NewDecoder(resp.Body).Decode(&body))
	if resp.StatusCode != http.StatusOK {
		r.t.Errorf("/readyz answers %d", resp.StatusCode)
	}
	return body.Details[name]
}

func (r *rig) loads(what string, current float64, detail string) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("the gauge of %s is %v", what, current), func() error {
		got, err := r.metric("current", `what="`+what+`"`)
		if err != nil {
			return err
		}
		return differ("gauge", got, current)
	})
	if got := r.detail(what); !strings.Contains(got, detail) {
		r.t.Errorf("/readyz says %q of %s, want %q in it", got, what, detail)
	}
}

// Other mappings and another policy are taken into use while the agent runs:
// objects of the new kind come, those of the old one go after them, and the
// component's report is never anything but Running. Mappings with a mistake in
// them change nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile(filepath.Join("..", "..", "mapping", "mappings", "aeros-k8s.yaml"))
	must(t, err)
	mappings := newMount(t, map[string]string{"k8s.yaml": string(shipped)})
	policies := newMount(t, map[string]string{})
	r := newRig(t, map[string]string{"MAPPINGS": mappings.path, "POLICY": policies.path})
	kind, mapping, policy := r.plan()
	r.startsOn("web")
	r.patch(k1, object{"floor": prop(3)})
	r.loads("rules", 1, "ok")

	policies.swap(map[string]string{"plans.yaml": policy})
	mappings.swap(map[string]string{"plans.yaml": mapping})
	floor := func(want int64) func(*unstructured.Unstructured) error {
		return func(o *unstructured.Unstructured) error {
			got, _, _ := unstructured.NestedInt64(o.Object, "spec", "floor")
			return differ("floor", got, want)
		}
	}
	r.await(kind, "web", "the object of the new kind", floor(3))
	always(t, 3*time.Second, "the old one stays, and so does the report", func() error {
		if r.find(onK8s, "web") == nil {
			return fmt.Errorf("it is gone")
		}
		said := r.report(componentID("web"))
		if said.Word != "Running" || said.Phase != "Running" && said.Reason != "Moving" {
			return fmt.Errorf("it says %+v", said)
		}
		return nil
	})
	r.status(kind, "web", object{"phase": "Done"})
	r.gone(onK8s, "web")
	r.says(componentID("web"), "Running", "")

	// What the new mapping reads is subscribed to.
	r.patch(k1, object{"floor": prop(4)})
	r.await(kind, "web", "follows the element", floor(4))

	mappings.swap(map[string]string{"plans.yaml": strings.Replace(mapping, "component.containerImage", "component.containerImag", 1)})
	r.loads("rules", 0, "containerImag")
	r.create(component("later", nil))
	r.await(kind, "later", "the good mappings stay in use", floor(4))
	if r.find(kind, "web") == nil {
		t.Error("the object of the good mapping is gone")
	}

	// Good again, and back to the first kind.
	mappings.swap(map[string]string{"plans.yaml": mapping})
	r.loads("rules", 1, "ok")
	mappings.swap(map[string]string{"k8s.yaml": string(shipped)})
	r.exists("web")
	r.runs(onK8s, "web")
	r.gone(kind, "web")
	r.says(componentID("web"), "Running", "")
	if ok, refused := r.count("reloads_total", `result="ok"`), r.count("reloads_total", `result="error"`); ok < 3 || refused < 1 {
		t.Errorf("%v changes taken, %v refused", ok, refused)
	}

	// Started with other mappings, the agent finds what it made with those before.
	r.agent.kill()
	mappings.swap(map[string]string{"plans.yaml": mapping})
	r.start()
	r.await(kind, "web", "the object of the other kind", floor(4))
	if r.find(onK8s, "web") == nil {
		t.Error("the old one is gone before the new one runs")
	}
	r.status(kind, "web", object{"phase": "Done"})
	r.gone(onK8s, "web")
	r.says(componentID("web"), "Running", "")
}
