package world

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGenerate(t *testing.T) {
	t.Parallel()
	counts := func(services, components, ports int) map[string]int {
		all := map[string]int{"Domain": 1, "LowLevelOrchestrator": 2, "InfrastructureElement": 20,
			"Service": services, "ServiceComponent": components, "NetworkPort": ports}
		maps.DeleteFunc(all, func(_ string, count int) bool { return count == 0 })
		return all
	}
	cases := map[string]struct {
		n       int
		options LoadOptions
		want    map[string]int // entities by type
	}{
		"none":  {0, LoadOptions{}, counts(0, 0, 0)},
		"one":   {1, LoadOptions{}, counts(1, 1, 0)},
		"ports": {60, LoadOptions{Ports: 2}, counts(2, 60, 120)},
		"many":  {5000, LoadOptions{}, counts(100, 5000, 0)},
	}
	linked := []string{"Domain", "LowLevelOrchestrator", "InfrastructureElement", "Service", "NetworkPort"}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load := Generate(c.n, c.options)
			all := index(t, slices.Concat(load.Base, load.Components))
			got := map[string]int{}
			perElement := map[string]int{}
			for _, e := range all {
				got[e.kind]++
				if e.kind == "ServiceComponent" {
					perElement[e.links("infrastructureElement")[0]]++
					if ports := len(e.links("networkPorts")); ports != c.options.Ports {
						t.Errorf("%s has %d ports, want %d", e.id, ports, c.options.Ports)
					}
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("entities by type (-want +got):\n%s", diff)
			}
			if missing := dangling(all, linked...); len(missing) > 0 {
				t.Errorf("links to nowhere: %v", missing[:1])
			}
			for id, count := range perElement {
				if most := c.n/elements + 1; count > most {
					t.Errorf("%s has %d components, want at most %d", id, count, most)
				}
			}
			if diff := cmp.Diff(texts(load), texts(Generate(c.n, c.options))); diff != "" {
				t.Errorf("the same again differs:\n%s", diff)
			}
		})
	}
}

func texts(load Load) []string {
	var all []string
	for _, text := range slices.Concat(load.Base, load.Components) {
		all = append(all, string(text))
	}
	return all
}

func TestGeneratedComponents(t *testing.T) {
	t.Parallel()
	load := Generate(200, LoadOptions{Image: "registry.example.org/a-sim-silent:1"})
	var before string
	for i, text := range load.Components {
		if size := len(text); size < 900 || size > 1500 {
			t.Fatalf("%d bytes, want about 1 KB", size)
		}
		var e struct {
			ID             string
			ContainerImage struct{ Value string }
		}
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatal(err)
		}
		if e.ID <= before || !strings.HasSuffix(e.ID, fmt.Sprintf(":Component:worker-%06d", i)) {
			t.Errorf("component %d is %s, after %s", i, e.ID, before)
		}
		if e.ContainerImage.Value != "registry.example.org/a-sim-silent:1" {
			t.Errorf("image %s", e.ContainerImage.Value)
		}
		before = e.ID
	}
}
