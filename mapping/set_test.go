package mapping_test

import (
	"sync"
	"testing"

	"github.com/hlo-agent/hlo-agent/mapping"
)

var defaultSet = sync.OnceValue(mapping.Default)

// shared is the default set, compiled once: it serves all tests at a time, as it does all workers.
func shared(testing.TB) *mapping.Set { return defaultSet() }

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
