package llo_test

import (
	"os"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// shared is the API server of all tests of this package. The first test that asks
// starts it, TestMain stops it.
var shared kubetest.Shared

func server(t testing.TB) *rest.Config {
	t.Helper()
	return shared.Server(t).REST()
}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
