package mapping_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// nastyValues are what somebody might try to get out of a field with.
func nastyValues() []any {
	pod := map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "x", "namespace": "kube-system"},
		"spec": map[string]any{"hostNetwork": true, "containers": []any{map[string]any{"securityContext": map[string]any{"privileged": true}}}},
	}
	deep := any("x")
	for range 80 {
		deep = []any{deep}
	}
	return []any{
		"x\nprivileged: true", "x\n  hostNetwork: true", "${component.repoPassword}", "$${x}", `"}, "privileged": true, "x": {"`,
		"../../kube-system/secrets", "kube-system", "a/b", "-", ".", "\x00", "\xff", "日本", "", " ", "null", "true", "~", "*", "&a", "!!map {}",
		strings.Repeat("x", 300), "urn:ngsi-ld:null", "urn:ngsi-ld:Domain:kube-system", "hlo-agent.github.io/owner", "registry.example.org@evil.com/x",
		true, false, int64(-1), int64(1 << 62), 1e308, 0.5, nil, []any{}, map[string]any{}, []any{"a", "b"}, []any{nil}, deep,
		map[string]any{"privileged": true, "hostNetwork": true, "hostPath": map[string]any{"path": "/"}},
		map[string]any{"key": "privileged", "value": "true"}, []any{map[string]any{"key": "--privileged", "value": true}},
		[]any{map[string]any{"key": "a", "value": pod}}, map[string]any{"key": "a", "securityContext": map[string]any{"privileged": true}},
		[]any{map[string]any{"key": "A\nprivileged: true", "value": "${1/0}", "valueFrom": pod}}, pod, []any{pod},
	}
}

// choosing are the attributes by which whoever describes an orchestrator chooses a namespace or hands values to
// a chart. What they choose is the policy's to limit.
func choosing() []string {
	return []string{"clusterNamespace", "applicationNamespace", "domain", "chartValues"}
}

// TestValuesCannotEscape gives every attribute that a shipped mapping reads every nasty value. What is rendered
// then has the names, namespaces and fields that it has without, and keeps the policy; else it is refused.
func TestValuesCannotEscape(t *testing.T) {
	t.Parallel()
	set := allShipped(t)
	// Clusters are known, so that a ManifestWork goes to no other.
	text, err := os.ReadFile("policies/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	narrow := policy(t, strings.Replace(string(text), `["*"]`, "[portocloud, cluster-7]", 1)).For(set, "default")
	fields := goldenFields(t)
	// One case for each way; the aerOS mappings are alike, as another test shows.
	for _, name := range []string{
		"aeros-vision-inference", "argocd-chart", "argocd-repository", "knative-by-orchestrator", "kubernetes-deployment",
		"kubernetes-job-private-image", "ocm-deployment", "ocm-job-private-image",
	} {
		dir := filepath.Join("testdata", name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			in := inputOf(decode(t, filepath.Join(dir, "entity.jsonld")))
			plain, err := set.Render(in, "default")
			if err != nil {
				t.Fatal(err)
			}
			if err := narrow.Check(plain.Objects); err != nil {
				t.Fatalf("the policy denies the plain case: %v", err)
			}
			tried, rendered := 0, 0
			for role, names := range set.Attributes() {
				attributes := attributesOf(&in, role)
				if attributes == nil {
					continue
				}
				for _, name := range names {
					before := attributes[name]
					for _, value := range nastyValues() {
						tried++
						attributes[name] = ngsild.Attribute{Value: value}
						r, err := set.Render(in, "default")
						attributes[name] = before
						if err != nil || narrow.Check(r.Objects) != nil && slices.Contains(choosing(), name) {
							continue
						}
						rendered++
						checkKept(t, role+"."+name, value, plain, r, narrow, fields)
					}
				}
			}
			if rendered < tried/4 {
				t.Errorf("%d of %d tries rendered anything: the test shows little", rendered, tried)
			}
		})
	}
}

// checkKept compares what a nasty value made with what was there without it.
func checkKept(t *testing.T, where string, value any, plain, got mapping.Rendered, p *mapping.Policy, fields map[string]map[string]bool) {
	t.Helper()
	if err := p.Check(got.Objects); err != nil {
		t.Errorf("%s = %#v: %v", where, value, err)
	}
	name, namespace := plain.Objects[0].GetName(), plain.Objects[0].GetNamespace()
	for _, o := range got.Objects {
		chosen := slices.ContainsFunc(choosing(), func(name string) bool { return strings.HasSuffix(where, "."+name) })
		if got.Mapping == plain.Mapping && !chosen && (o.GetNamespace() != namespace || o.GetName() != name && o.GetName() != name+"-pull") {
			t.Errorf("%s = %#v: %s %s in %s, want %s in %s", where, value, o.GetKind(), o.GetName(), o.GetNamespace(), name, namespace)
		}
		for path := range fieldsOf(t, o) {
			if !fields[o.GroupVersionKind().GroupKind().String()][path] {
				t.Errorf("%s = %#v: %s has the field %s", where, value, o.GetKind(), path)
			}
		}
	}
}

// attributesOf are those of the entity, or of the first port, in a role; nil if there is none.
func attributesOf(in *mapping.Input, role string) map[string]ngsild.Attribute {
	switch role {
	case "component":
		return in.Component.Attrs
	case "port":
		if len(in.Ports) == 0 {
			return nil
		}
		return in.Ports[0].Attrs
	}
	linked := map[string]*ngsild.Entity{"element": in.Element, "orchestrator": in.Orchestrator, "domain": in.Domain, "service": in.Service}
	if linked[role] == nil {
		return nil
	}
	return linked[role].Attrs
}

// shippedCases are the golden cases that shipped mappings render.
func shippedCases(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*/want.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var dirs []string
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), "mapping.yaml")); err != nil {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	return dirs
}

// goldenFields are the fields by kind that the golden cases have, and the few more that only a change brings.
func goldenFields(t testing.TB) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	for _, dir := range shippedCases(t) {
		for _, change := range []func(attrs map[string]ngsild.Attribute){
			func(map[string]ngsild.Attribute) {},
			func(a map[string]ngsild.Attribute) { a["isJob"] = ngsild.Attribute{Value: true} },
			func(a map[string]ngsild.Attribute) {
				a["isJob"], a["exposePorts"] = ngsild.Attribute{Value: false}, ngsild.Attribute{Value: false}
			},
			func(a map[string]ngsild.Attribute) {
				for name, value := range (attrs{"isPrivate": true, "repoUsername": "u", "repoPassword": "p"}) {
					a[name] = ngsild.Attribute{Value: value}
				}
				a["envVars"] = ngsild.Attribute{Value: []any{attrs1("A", "1")}}
				a["cliArgs"] = ngsild.Attribute{Value: []any{attrs1("a", "1")}}
				a["chart"], a["repositoryPath"] = ngsild.Attribute{Value: "c"}, ngsild.Attribute{Value: "p"}
			},
		} {
			in := inputOf(decode(t, filepath.Join(dir, "entity.jsonld")))
			change(in.Component.Attrs)
			r, err := allShipped(t).Render(in, "default")
			if err != nil {
				continue // Knative takes no job
			}
			for _, o := range r.Objects {
				kind := o.GroupVersionKind().GroupKind().String()
				if all[kind] == nil {
					all[kind] = map[string]bool{}
				}
				for path := range fieldsOf(t, o) {
					all[kind][path] = true
				}
			}
		}
	}
	return all
}

// fieldsOf are the paths of an object's fields, without the numbers of list items, without what is in the values
// of a chart, and with what is in a pull secret.
func fieldsOf(t testing.TB, o *unstructured.Unstructured) map[string]bool {
	t.Helper()
	paths := map[string]bool{}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for key, item := range v {
				paths[path+"."+key] = true
				if key != "valuesObject" {
					walk(path+"."+key, item)
				}
			}
		case []any:
			for _, item := range v {
				walk(path+"[]", item)
			}
		case string:
			if strings.HasSuffix(path, "..dockerconfigjson") {
				walk(path, credentials(t, v))
			}
		}
	}
	walk("", o.Object)
	return paths
}

// credentials are those in a pull secret, without the name of the registry.
func credentials(t testing.TB, encoded string) any {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var content struct {
		Auths map[string]any `json:"auths"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&content); err != nil || len(content.Auths) != 1 {
		t.Errorf("a pull secret with %d registries, %v", len(content.Auths), err)
	}
	for _, one := range content.Auths {
		return one
	}
	return nil
}

// FuzzValues puts any text and any JSON value where TestValuesCannotEscape puts known ones.
func FuzzValues(f *testing.F) {
	for _, value := range nastyValues() {
		if text, err := json.Marshal(value); err == nil {
			f.Add(string(text))
		}
	}
	set, p, fields, dirs := allShipped(f), mapping.DefaultPolicy(), goldenFields(f), shippedCases(f)
	plain, read := map[string]mapping.Rendered{}, set.Attributes()
	for _, dir := range dirs {
		r, err := set.Render(inputOf(decode(f, filepath.Join(dir, "entity.jsonld"))), "default")
		if err != nil {
			f.Fatal(err)
		}
		plain[dir] = r
	}
	f.Fuzz(func(t *testing.T, text string) {
		var value any = text
		if found, _ := ngsild.DecodeEntities([]byte(`{"id":"urn:x","type":"X","x":{"type":"Property","value":` + text + `}}`)); len(found) == 1 {
			value = found[0].Attrs["x"].Value
		}
		dir := dirs[len(text)%len(dirs)]
		in := inputOf(decode(t, filepath.Join(dir, "entity.jsonld")))
		for role, names := range read {
			attributes := attributesOf(&in, role)
			if attributes == nil {
				continue
			}
			for _, name := range names {
				if slices.Contains(choosing(), name) {
					continue
				}
				before := attributes[name]
				attributes[name] = ngsild.Attribute{Value: value}
				r, err := set.Render(in, "default")
				attributes[name] = before
				if err == nil {
					checkKept(t, role+"."+name, value, plain[dir], r, p, fields)
				}
			}
		}
	})
}
