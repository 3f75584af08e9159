package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// makes runs make in the project's folder with the built Helm and a kubeconfig.
func makes(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	built(t)
	cmd := exec.CommandContext(t.Context(), "make", append(args, "HELM="+programs.helm, "ENGINE=")...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+programs.folder, "GOFLAGS=-mod=mod", "GOPATH="+goEnv(t, "GOPATH"), "GOCACHE="+goEnv(t, "GOCACHE"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestMakeDeploys installs, upgrades and takes away as the Makefile does, in the cluster of the current context.
func TestMakeDeploys(t *testing.T) {
	t.Parallel()
	judged(t)
	s := server.Server(t)
	text, err := s.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(s.REST())
	if err != nil {
		t.Fatal(err)
	}
	deployments := client.AppsV1().Deployments("made")
	for _, version := range []string{"v1.2.3", "v1.2.4"} {
		makes(t, kubeconfig, "deploy", "NAMESPACE=made", "REGISTRY=registry.example.org:5000", "VERSION="+version, "CB_URL=http://orion-ld:1026")
		d, err := deployments.Get(t.Context(), "hlo-agent", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.Spec.Template.Spec.Containers[0].Image, "registry.example.org:5000/hlo/hlo-agent:"+version; got != want {
			t.Errorf("the image is %s, want %s", got, want)
		}
	}
	for range 2 { // what is gone already is no error
		makes(t, kubeconfig, "clean-deploy", "NAMESPACE=made")
	}
	if _, err := deployments.Get(t.Context(), "hlo-agent", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after clean-deploy: %v", err)
	}
}

// TestMakeTargets: help lists the targets that people come with, and `all` is the others in their order.
func TestMakeTargets(t *testing.T) {
	t.Parallel()
	help := makes(t, "", "help")
	for _, target := range []string{"build", "push", "helm-upload", "deploy", "all", "clean-build", "clean-deploy", "clean-all", "help"} {
		if !regexp.MustCompile(`(?m)^` + target + ` +\w`).MatchString(help) {
			t.Errorf("make help does not list %s:\n%s", target, help)
		}
	}
	plan := makes(t, "", "--dry-run", "all", "REGISTRY=registry.example.org")
	var at []int
	for _, step := range []string{"-o bin/", "no container engine answers", "run . push", "/hlo-agent --version", "push ", "upgrade --install"} {
		from := 0
		if len(at) > 0 {
			from = at[len(at)-1]
		}
		i := strings.Index(plan[from:], step)
		if i < 0 {
			t.Fatalf("make all does not come to %q after the steps before it:\n%s", step, plan)
		}
		at = append(at, from+i)
	}
	if !slices.IsSorted(at) {
		t.Errorf("the steps come at %v", at)
	}
}
