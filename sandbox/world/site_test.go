package world_test

import (
	"testing"

	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

// The two domains have an element each, and only the home one has the service.
func TestSites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		site world.Site
		home bool
	}{{world.Home(), true}, {world.Away(), false}} {
		entities, errs := ngsild.DecodeEntities(c.site.Entities("http://127.0.0.1:1"))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		byID := map[string]ngsild.Entity{}
		for _, e := range entities {
			byID[string(e.ID)] = e
		}
		element := byID[c.site.Element]
		domains := element.Links("domain")
		if len(domains) != 1 || domains[0] != ngsild.EntityID("urn:ngsi-ld:Domain:"+c.site.Name) {
			t.Errorf("the element of %s is of %v", c.site.Name, domains)
		}
		domain := byID["urn:ngsi-ld:Domain:"+c.site.Name]
		if text, _ := domain.Text("publicUrl"); text != "http://127.0.0.1:1" {
			t.Errorf("%s is reached at %q", c.site.Name, text)
		}
		if _, there := byID[world.Traveller]; there != c.home {
			t.Errorf("%s has the component: %v", c.site.Name, there)
		}
	}
}
