package llo_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// shared is the API server of all tests of this package. The first test that asks
// starts it, TestMain stops it.
var shared struct {
	once        sync.Once
	environment *envtest.Environment
	config      *rest.Config
	err         error
}

func server(t testing.TB) *rest.Config {
	t.Helper()
	shared.once.Do(func() {
		shared.environment = &envtest.Environment{CRDDirectoryPaths: []string{"testdata/crds"}}
		shared.config, shared.err = shared.environment.Start()
	})
	if shared.err != nil {
		t.Fatalf("start the API server (KUBEBUILDER_ASSETS says where it is): %v", shared.err)
	}
	config := rest.CopyConfig(shared.config)
	config.QPS = -1
	return config
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.environment != nil {
		if err := shared.environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
			code = 1
		}
	}
	os.Exit(code)
}
