package install_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestTenantsOfTheChart gives the file that the chart makes to the program, which must
// take it, and compares the rights and who has them with what it prints.
func TestTenantsOfTheChart(t *testing.T) {
	t.Parallel()
	all := objects(t, mustRender(t, readValues(t, "testdata/values/tenants.yaml")))
	file := filepath.Join(t.TempDir(), "tenants.yaml")
	text, _, err := unstructured.NestedString(find(t, all, "ConfigMap").Object, "data", "tenants.yaml")
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	account := find(t, all, "ServiceAccount").GetName()
	said := objects(t, agentSays(t, []string{"TENANTS_FILE=" + file, "LEADER_ELECTION=true"}, "rbac", "--service-account", namespace+"/"+account))
	if diff := cmp.Diff(rightsIn(said).flat(), rightsIn(all).flat()); diff != "" {
		t.Errorf("rights of the chart (-hlo-agent rbac +chart): %s", diff)
	}
	if diff := cmp.Diff(subjectsIn(said), subjectsIn(all)); diff != "" {
		t.Errorf("who has them (-hlo-agent rbac +chart): %s", diff)
	}
	wide := readValues(t, "testdata/values/tenants.yaml")
	wide["mappings"] = map[string]any{"shipped": []any{"argocd"}}
	if _, err := render(t, wide); err == nil || !strings.Contains(err.Error(), "argocd needs rights outside of a tenant's namespace") {
		t.Errorf("a mapping that writes elsewhere: %v", err)
	}
}

// subjectsIn are the accounts that are bound to something, with where.
func subjectsIn(all []*unstructured.Unstructured) []string {
	var found []string
	for _, o := range all {
		if !strings.HasSuffix(o.GetKind(), "Binding") {
			continue
		}
		list, _, _ := unstructured.NestedSlice(o.Object, "subjects") // none is found out by the comparison
		for _, one := range list {
			subject := one.(map[string]any)
			found = append(found, o.GetNamespace()+": "+subject["namespace"].(string)+"/"+subject["name"].(string))
		}
	}
	slices.Sort(found)
	return found
}
