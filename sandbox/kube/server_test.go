package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func dockers() schema.GroupVersionResource {
	return schema.GroupVersionResource{
		Group: "llo.aeros-project.eu", Version: "v1alpha1", Resource: "servicecomponentdockers",
	}
}

func objects(t *testing.T, config *rest.Config) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(dockers()).Namespace("default")
}

func create(t *testing.T, config *rest.Config, name string) (*unstructured.Unstructured, error) {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "llo.aeros-project.eu/v1alpha1",
		"kind":       "ServiceComponentDocker",
		"metadata":   map[string]any{"name": name},
		"spec":       map[string]any{"image": "registry.example.org/a:1"},
	}}
	return objects(t, config).Create(t.Context(), object, metav1.CreateOptions{})
}

func TestServerServesEveryKindToTheAdministrator(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	client, err := dynamic.NewForConfig(s.REST())
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"servicecomponentk8s", "servicecomponentdockers", "servicecomponentcontainerds"} {
		kind := dockers()
		kind.Resource = resource
		if _, err := client.Resource(kind).List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("list %s: %v", resource, err)
		}
	}
	if s.REST().QPS >= 0 {
		t.Errorf("client rate limit %v, want none", s.REST().QPS)
	}

	t.Run("kubeconfig", func(t *testing.T) {
		text, err := s.Kubeconfig()
		if err != nil {
			t.Fatal(err)
		}
		config, err := clientcmd.RESTConfigFromKubeConfig(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := create(t, config, "by-kubeconfig"); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(s.KubectlPath(), "--kubeconfig", file, "get", "scd", "-o", "name").CombinedOutput()
		want := "servicecomponentdocker.llo.aeros-project.eu/by-kubeconfig\n"
		if err != nil || string(out) != want {
			t.Fatalf("kubectl: %v, got %q, want %q", err, out, want)
		}
	})
	t.Run("another user may nothing", func(t *testing.T) {
		config, err := s.User("mallory", "strangers")
		if err != nil {
			t.Fatal(err)
		}
		_, err = create(t, config, "by-mallory")
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `User "mallory"`) {
			t.Fatalf("got %v, want forbidden to mallory", err)
		}
	})
	t.Run("loopback only", func(t *testing.T) {
		addresses, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range addresses {
			ip, _, err := net.ParseCIDR(address.String())
			if err != nil || ip.IsLoopback() {
				continue
			}
			target := net.JoinHostPort(ip.String(), fmt.Sprint(s.dir.port))
			if conn, err := net.DialTimeout("tcp", target, time.Second); err == nil {
				conn.Close()
				t.Errorf("listens on %s", target)
			}
		}
	})
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, Options{WithoutCRDs: true})
	pids := []int{s.etcd.cmd.Process.Pid, s.apiServer.cmd.Process.Pid}
	for range 2 { // the second does nothing
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	for _, pid := range pids {
		if err := gone(pid); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(s.dir.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("run folder: %v, want it gone", err)
	}
	if err := s.StartAPIServer(t.Context()); err == nil {
		t.Error("an API server could be started after the end")
	}
	select {
	case err := <-s.died:
		t.Errorf("a wanted end was taken for a death: %v", err)
	default:
	}
}

func TestStopAPIServerKeepsDataAndAddress(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	config := s.REST()
	before, err := create(t, config, "survivor")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // stopping what is stopped does nothing
		s.StopAPIServer()
	}
	if conn, err := net.Dial("tcp", loopback(s.dir.port)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("connect to the stopped server: %v, %v", conn, err)
	}
	for range 2 { // starting what runs does nothing
		if err := s.StartAPIServer(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	after, err := objects(t, config).Get(t.Context(), "survivor", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if after.GetUID() != before.GetUID() || after.GetResourceVersion() != before.GetResourceVersion() {
		t.Errorf("object changed: uid %s to %s", before.GetUID(), after.GetUID())
	}
	if _, err := create(t, config, "newcomer"); err != nil {
		t.Error(err)
	}
}

func TestWaitTellsOfADeath(t *testing.T) {
	t.Parallel()
	s := start(t, Options{WithoutCRDs: true})
	if err := s.apiServer.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	err := s.Wait(ctx)
	if err == nil || !strings.HasPrefix(err.Error(), "kube-apiserver ended by itself (signal: killed)") {
		t.Fatalf("got %v", err)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		etcd, apiServer string
		want            string // in the error
	}{
		"etcd ends": {
			etcd: "echo no such luck >&2; exit 3", apiServer: "exit 0",
			want: "start etcd: it ended instead",
		},
		"with its last words": {
			etcd: "echo no such luck >&2; exit 3", apiServer: "exit 0",
			want: "no such luck",
		},
		"program cannot run": {
			etcd: "#", apiServer: "",
			want: "find a program",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, root := t.TempDir(), filepath.Join(t.TempDir(), "run")
			script(t, folder, "etcd", c.etcd)
			if c.apiServer != "" {
				script(t, folder, "kube-apiserver", c.apiServer)
			}
			s, err := Start(t.Context(), Options{Log: testLog(t), Assets: folder, root: root})
			if s != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %v, want error with %q", s, err, c.want)
			}
			if left, _ := filepath.Glob(filepath.Join(root, "2*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestStopSparesOthers holds that the kernel's "end with the parent" means this program and
// not a thread of it that ends with a server: others start children on the same threads.
func TestStopSparesOthers(t *testing.T) {
	t.Parallel()
	folder, root := t.TempDir(), filepath.Join(t.TempDir(), "run")
	script(t, folder, "etcd", "exit 3")
	script(t, folder, "kube-apiserver", "exit 0")
	for range 20 {
		other := exec.Command("sleep", "1000")
		other.SysProcAttr = childAttributes()
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- other.Wait() }()
		t.Cleanup(func() { _ = other.Process.Kill() })
		if _, err := Start(t.Context(), Options{Log: testLog(t), Assets: folder, root: root}); err == nil {
			t.Fatal("a server without programs started")
		}
		select {
		case err := <-ended:
			t.Fatalf("a child of somebody else ended with a server: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestStartTriesAnotherPort(t *testing.T) {
	t.Parallel()
	folder, root := t.TempDir(), filepath.Join(t.TempDir(), "run")
	script(t, folder, "etcd", "echo listen tcp 127.0.0.1:26443: bind: address already in use; exit 1")
	script(t, folder, "kube-apiserver", "exit 0")
	said := &lines{}
	log := slog.New(slog.NewTextHandler(said, nil))
	_, err := Start(t.Context(), Options{Log: log, Assets: folder, root: root})
	if !errors.Is(err, errPortTaken) {
		t.Errorf("got %v, want %v", err, errPortTaken)
	}
	if n := said.count("trying another"); n != portTries-1 {
		t.Errorf("tried %d other ports, want %d", n, portTries-1)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pidFile := filepath.Join(folder, "pid")
	script(t, folder, "etcd", "echo $$ >"+pidFile+".new; mv "+pidFile+".new "+pidFile+"; exec sleep 1000")
	script(t, folder, "kube-apiserver", "exit 0")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error)
	go func() {
		_, err := Start(ctx, Options{Log: testLog(t), Assets: folder, root: filepath.Join(t.TempDir(), "run")})
		result <- err
	}()
	var pid int
	eventually(t, "wait for the hanging etcd", func() error {
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return err
		}
		_, err = fmt.Sscan(string(text), &pid)
		return err
	})
	interrupted := errors.New("interrupted")
	cancel(interrupted)
	select {
	case err := <-result:
		if !errors.Is(err, interrupted) {
			t.Errorf("got %v, want %v", err, interrupted)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still starting")
	}
	if err := gone(pid); err != nil {
		t.Error(err)
	}
}
