package mapping_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hlo-agent/hlo-agent/mapping"
)

var defaultSet = sync.OnceValue(mapping.Default)

// shared is the default set, compiled once: it serves all tests at a time, as it does all workers.
func shared(testing.TB) *mapping.Set { return defaultSet() }

// setFor is the shipped set of a case; the case may bring a mapping of its own, or a list of names in
// "shipped" of those that it is about.
func setFor(t testing.TB, dir string) *mapping.Set {
	t.Helper()
	own := filepath.Join(dir, "mapping.yaml")
	if _, err := os.Stat(own); err != nil {
		return allShipped(t)
	}
	sources, err := mapping.ReadPaths(own)
	if err != nil {
		t.Fatal(err)
	}
	sources[0].Name = "mapping.yaml"
	return load(t, sources...)
}

func load(t testing.TB, sources ...mapping.Source) *mapping.Set {
	t.Helper()
	set, err := mapping.Load(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

var shippedSet = sync.OnceValues(func() (*mapping.Set, error) {
	sources, err := mapping.Shipped()
	if err != nil {
		return nil, err
	}
	return mapping.Load(sources...)
})

func allShipped(t testing.TB) *mapping.Set {
	t.Helper()
	set, err := shippedSet()
	if err != nil {
		t.Fatal(err)
	}
	return set
}
