package agent

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzTenants reads any table of tenants: it is refused by its name, or holds tenants that share nothing.
func FuzzTenants(f *testing.F) {
	f.Add([]byte(twoTenants))
	f.Add([]byte(twoTenants + "---\n" + strings.TrimSpace(twoTenants)))
	f.Add([]byte("apiVersion: hlo-agent.github.io/v1alpha1\nkind: Tenant\nmetadata: {name: A}\nspec: {namespace: a, serviceAccount: b, settings: {NAMESPACE: b, x: y}}"))
	f.Add([]byte("a: &a [*a]\n---\n"))
	folder := f.TempDir()
	file := filepath.Join(folder, "tenants.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := readTenants(file)
		again, wrong := readTenants(file)
		if !reflect.DeepEqual(all, again) || (err == nil) != (wrong == nil) {
			t.Fatalf("read twice: %+v %v and %+v %v", all, err, again, wrong)
		}
		if err != nil {
			if all != nil || !strings.HasPrefix(err.Error(), "TENANTS_FILE "+file+":\n") {
				t.Fatalf("%+v, refused with %v", all, err)
			}
			return
		}
		if len(all) == 0 {
			t.Fatal("no tenant, and taken")
		}
		names, places, prefixes := map[string]bool{}, map[[2]string]bool{}, map[string]bool{}
		for _, one := range all {
			own := one.env(func(name string) string { return "of all: " + name })
			if !tenantName.MatchString(one.name) || own("NGSILD_TENANT") != one.name || !dnsLabel.MatchString(one.namespace) || own("NAMESPACE") != one.namespace || own("TENANTS_FILE") != "" {
				t.Errorf("taken: %+v", one)
			}
			if (one.account == "") == (one.kubeconfig == "") || one.kubeconfig != "" && !filepath.IsAbs(one.kubeconfig) {
				t.Errorf("account %q, kubeconfig %q", one.account, one.kubeconfig)
			}
			for name := range one.settings {
				if slices.Contains(ofAllTenants, name) {
					t.Errorf("%s is set for one tenant", name)
				}
			}
			names[strings.ToLower(one.name)], places[[2]string{one.kubeconfig, one.namespace}], prefixes[one.prefix()] = true, true, true
		}
		if len(names) < len(all) || len(places) < len(all) || len(prefixes) < len(all) {
			t.Errorf("tenants share something: %+v", all)
		}
	})
}
