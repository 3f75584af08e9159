// Package kubetest shares one real API server among the tests of a test binary. It stands beside package kube
// so that programs do not link package testing.
package kubetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/hlo-agent/hlo-agent/sandbox/kube"
)

// Shared is the API server of a test binary. The zero value is ready; keep it in a variable of the test package:
//
//	var cluster kubetest.Shared
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
//
//	func TestApply(t *testing.T) {
//		server := cluster.Server(t)
//		namespace := kubetest.Namespace(t, server)
//		...
//	}
type Shared struct {
	once   sync.Once
	server *kube.Server
	err    error
}

// Main runs the tests, then stops the server if a test started it, and gives the exit code. A server that
// cannot be stopped makes the run fail.
func (s *Shared) Main(m interface{ Run() int }) int {
	code := m.Run()
	if s.server == nil {
		return code
	}
	if err := s.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the API server:", err)
		return max(code, 1)
	}
	return code
}

// Server is the shared server, with the custom resource definitions installed; the first call starts it. Tests
// that stop the API server, or make objects outside a namespace of their own, start one with kube.Start instead.
func (s *Shared) Server(t testing.TB) *kube.Server {
	t.Helper()
	s.once.Do(func() {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		s.server, s.err = kube.Start(context.Background(), kube.Options{Log: log})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Namespace makes a new namespace and gives its name. It goes with the server.
func Namespace(t testing.TB, server *kube.Server) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(server.REST())
	if err != nil {
		t.Fatal(err)
	}
	wanted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	made, err := client.CoreV1().Namespaces().Create(t.Context(), wanted, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Name
}
