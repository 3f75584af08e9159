package llo_test

import (
	"fmt"
	"os"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// shared is the API server of all tests of this package; TestMain owns it.
var shared *rest.Config

func withServer(m *testing.M) int {
	environment := &envtest.Environment{CRDDirectoryPaths: []string{"testdata/crds"}}
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server (KUBEBUILDER_ASSETS):", err)
		return 1
	}
	config.QPS = -1
	shared = config
	code := m.Run()
	if err := environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the API server:", err)
		return 1
	}
	return code
}

func server(t testing.TB) *rest.Config {
	t.Helper()
	return shared
}
