package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Config is what a Node needs.
type Config struct {
	REST            *rest.Config // an administrator's
	Namespace, Name string       // of the Deployment
	Program         string       // what runs in place of the image
	Listen, Ops     string       // loopback addresses in place of the pod's ports
	Output          io.Writer    // of the process
	Log             *slog.Logger
}

// tick is how often the Deployment and what it mounts are looked at.
const tick = 300 * time.Millisecond

// node is a Deployment's pod as a process.
type node struct {
	Config
	client  kubernetes.Interface
	folder  string // of the volumes
	running *exec.Cmd
	exited  chan struct{} // of running
	of      string        // the pod template that running was started with
	said    string        // the last error, so that it is logged once
}

// Run runs what the Deployment wants until ctx ends, whether it is there yet or not; then the process is stopped in order.
func Run(ctx context.Context, cfg Config) error {
	client, err := kubernetes.NewForConfig(cfg.REST)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "hlo-node-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	n := &node{Config: cfg, client: client, folder: folder}
	defer n.stop()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		err := n.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			n.said = ""
		case err.Error() != n.said:
			n.said = err.Error()
			n.Log.Warn("the pod cannot be run as wanted yet", "err", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look makes the process what the Deployment wants now.
func (n *node) look(ctx context.Context) error {
	d, err := n.client.AppsV1().Deployments(n.Namespace).Get(ctx, n.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
		n.stop()
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the Deployment: %w", err)
	}
	p := pod{client: n.client, namespace: n.Namespace, folder: n.folder, spec: d.Spec.Template.Spec}
	if err := p.mount(ctx); err != nil {
		return err
	}
	template, err := json.Marshal(d.Spec.Template)
	if err != nil {
		return err
	}
	if n.of != string(template) || n.ended() {
		n.stop()
		if err := n.start(ctx, &p); err != nil {
			return err
		}
		n.of = string(template)
	}
	return n.report(ctx, d)
}

func (n *node) ended() bool {
	if n.running == nil {
		return true
	}
	select {
	case <-n.exited:
		return true
	default:
		return false
	}
}

// start starts the process for a pod.
func (n *node) start(ctx context.Context, p *pod) error {
	env, err := p.environment(ctx)
	if err != nil {
		return err
	}
	env["LISTEN_ADDR"], env["OPS_ADDR"] = n.Listen, n.Ops
	env["KUBECONFIG"] = filepath.Join(n.folder, "kubeconfig") // a pod finds its token elsewhere
	if err := p.writeToken(ctx, n.REST, env["KUBECONFIG"]); err != nil {
		return err
	}
	cmd := exec.Command(n.Program, p.spec.Containers[0].Args...)
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	slices.Sort(cmd.Env)
	cmd.Stdout, cmd.Stderr = n.Output, n.Output
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the pod's program: %w", err)
	}
	n.Log.Info("started", "image", p.spec.Containers[0].Image)
	exited := make(chan struct{})
	n.running, n.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // how it ended shows in its log
		close(exited)
	}()
	return nil
}

// stop ends the process as a kubelet does: it is asked to, and killed when it does not within 30 s.
func (n *node) stop() {
	if n.running == nil {
		return
	}
	_ = n.running.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	select {
	case <-n.exited:
	case <-time.After(30 * time.Second):
		_ = n.running.Process.Kill() // as above
		<-n.exited
	}
	n.running, n.of = nil, ""
	n.Log.Info("stopped")
}

// report says in the Deployment's status whether the pod is ready.
func (n *node) report(ctx context.Context, d *appsv1.Deployment) error {
	var ready int32
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Ops+"/readyz", nil)
	if err != nil {
		return err
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close() // only the code matters
		if resp.StatusCode == http.StatusOK {
			ready = *d.Spec.Replicas
		}
	}
	was := d.Status
	d.Status.ObservedGeneration, d.Status.Replicas, d.Status.UpdatedReplicas = d.Generation, *d.Spec.Replicas, *d.Spec.Replicas
	d.Status.ReadyReplicas, d.Status.AvailableReplicas = ready, ready
	if was.ObservedGeneration == d.Generation && was.ReadyReplicas == ready && was.Replicas == *d.Spec.Replicas {
		return nil
	}
	if _, err := n.client.AppsV1().Deployments(n.Namespace).UpdateStatus(ctx, d, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("report the Deployment's status: %w", err)
	}
	return nil
}
