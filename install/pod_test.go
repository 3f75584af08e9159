package install_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// pod is the agent as its Deployment wants it, run as a process, since no kubelet is here: with the pod's
// environment, its volumes as folders, and a token of its ServiceAccount and nothing else to show to the API server.
type pod struct {
	t      *testing.T
	cmd    *exec.Cmd
	ops    string // address of /metrics
	log    string // file
	exited chan struct{}
}

// startPod runs the Deployment of that name.
func startPod(t *testing.T, admin *rest.Config, name, listen string) *pod {
	t.Helper()
	built(t)
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		t.Fatal(err)
	}
	deployment, err := client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	spec := deployment.Spec.Template.Spec
	p := &pod{t: t, ops: freeAddress(t), exited: make(chan struct{})}
	folder := t.TempDir()
	v := volumes{t, client, folder}
	for _, mount := range spec.Containers[0].VolumeMounts {
		v.mount(mount.MountPath, spec.Volumes, mount.Name)
	}
	env := v.environment(spec.Containers[0].Env)
	// A process is on the machine's own network, and finds no token where a pod has it.
	env["LISTEN_ADDR"], env["OPS_ADDR"] = listen, p.ops
	env["POD_IP"], _, _ = strings.Cut(listen, ":")
	env["KUBECONFIG"] = filepath.Join(folder, "kubeconfig")
	writeTokenConfig(t, admin, client, spec.ServiceAccountName, env["KUBECONFIG"])

	p.log = filepath.Join(folder, "log")
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(programs.agent, spec.Containers[0].Args...)
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended shows in its log
		close(p.exited)
	}()
	t.Cleanup(func() { p.stop(syscall.SIGKILL) })
	return p
}

func (p *pod) stop(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		p.t.Error("the agent does not stop")
	}
	if text, err := os.ReadFile(p.log); p.t.Failed() && err == nil {
		p.t.Logf("the agent's log ends with\n%s", text[max(0, len(text)-4000):])
	}
}

// writeTokenConfig writes a kubeconfig with a token as the kubelet puts one into a pod.
func writeTokenConfig(t *testing.T, admin *rest.Config, client kubernetes.Interface, account, file string) {
	t.Helper()
	token, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: admin.Host, CertificateAuthorityData: admin.CAData}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
}

// volumes are a pod's, below a folder.
type volumes struct {
	t      *testing.T
	client kubernetes.Interface
	root   string
}

func (v volumes) mount(path string, all []corev1.Volume, name string) {
	v.t.Helper()
	for _, volume := range all {
		if volume.Name != name {
			continue
		}
		switch {
		case volume.Projected != nil:
			for _, source := range volume.Projected.Sources {
				v.write(path, nil, v.configMap(source.ConfigMap.Name))
			}
		case volume.Secret != nil:
			v.write(path, volume.Secret.Items, v.secret(volume.Secret.SecretName))
		case volume.ConfigMap != nil:
			v.write(path, volume.ConfigMap.Items, v.configMap(volume.ConfigMap.Name))
		default:
			v.t.Fatalf("volume %s is of a sort that this test does not know", name)
		}
		return
	}
	v.t.Fatalf("no volume is called %s", name)
}

func (v volumes) configMap(name string) map[string][]byte {
	v.t.Helper()
	found, err := v.client.CoreV1().ConfigMaps(namespace).Get(v.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		v.t.Fatal(err)
	}
	data := map[string][]byte{}
	for key, value := range found.Data {
		data[key] = []byte(value)
	}
	return data
}

func (v volumes) secret(name string) map[string][]byte {
	v.t.Helper()
	found, err := v.client.CoreV1().Secrets(namespace).Get(v.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		v.t.Fatal(err)
	}
	return found.Data
}

func (v volumes) write(path string, items []corev1.KeyToPath, data map[string][]byte) {
	v.t.Helper()
	folder := filepath.Join(v.root, path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		v.t.Fatal(err)
	}
	for key, value := range data {
		for _, item := range items {
			if item.Key == key {
				key = item.Path
			}
		}
		if err := os.WriteFile(filepath.Join(folder, key), value, 0o600); err != nil {
			v.t.Fatal(err)
		}
	}
}

// environment is that of a container, with the paths of mounted files where they are here.
func (v volumes) environment(vars []corev1.EnvVar) map[string]string {
	v.t.Helper()
	env := map[string]string{}
	for _, one := range vars {
		switch from := one.ValueFrom; {
		case from == nil:
			env[one.Name] = strings.ReplaceAll(one.Value, "/etc/hlo-agent/", v.root+"/etc/hlo-agent/")
		case from.SecretKeyRef != nil:
			env[one.Name] = string(v.secret(from.SecretKeyRef.Name)[from.SecretKeyRef.Key])
		case from.ConfigMapKeyRef != nil:
			env[one.Name] = string(v.configMap(from.ConfigMapKeyRef.Name)[from.ConfigMapKeyRef.Key])
		}
	}
	return env
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// eventually polls a condition until it is nil.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.After(90 * time.Second)
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: %v", what, err)
		case <-t.Context().Done():
			t.Fatal(errors.Join(err, t.Context().Err()))
		}
	}
}

func differ(what string, got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("%s is %q, want %q", what, g, w)
	}
	return nil
}
