package kubetest_test

import (
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

var cluster kubetest.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "b", "c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := cluster.Server(t)
			if other := cluster.Server(t); other != server {
				t.Error("two servers")
			}
			namespace := kubetest.Namespace(t, server)
			if other := kubetest.Namespace(t, server); other == namespace {
				t.Errorf("namespace %s given twice", namespace)
			}
			client, err := kubernetes.NewForConfig(server.REST())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

type run func() int

func (r run) Run() int { return r() }

func TestMainKeepsTheExitCodeWhenNothingWasStarted(t *testing.T) {
	t.Parallel()
	for _, code := range []int{0, 1, 2} {
		var unused kubetest.Shared
		if got := unused.Main(run(func() int { return code })); got != code {
			t.Errorf("got %d, want %d", got, code)
		}
	}
}
