package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/hlo-agent/hlo-agent/sandbox/broker"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
)

const (
	agentNamespace = "default"    // NAMESPACE's default: what the agent looks at
	bareNamespace  = "bench-bare" // where client-go alone writes
)

// rig is what a measurement stands on: API server, broker, and an agent that
// is started anew for each round.
type rig struct {
	options   benchOptions
	log       *slog.Logger
	server    *kube.Server
	cluster   dynamic.Interface // for writes: client-go as it comes, no rate limit
	watching  dynamic.Interface // for the watch: a connection of its own
	kube      *http.Client      // for the API server's metrics
	resources map[string]schema.GroupVersionResource

	broker    *broker.Broker
	brokerURL string
	http      *http.Client

	binary   string
	folder   string
	settings map[string]string
	agentLog *os.File
	agent    *agentProcess

	cancel context.CancelFunc
	group  errgroup.Group
}

func newRig(ctx context.Context, o benchOptions, log *slog.Logger) (*rig, error) {
	r := &rig{options: o, log: log, cancel: func() {}, http: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: batchesInFlight},
	}}
	var err error
	if r.binary, err = agentBinary(); err != nil {
		return nil, err
	}
	if r.server, err = kube.Start(ctx, kube.Options{Log: log}); err != nil {
		return nil, err
	}
	if err := errors.Join(r.connect(ctx), r.prepare()); err != nil {
		return nil, errors.Join(err, r.close(false))
	}
	return r, nil
}

// connect makes the clients of the API server, and the namespace for the bare side.
func (r *rig) connect(ctx context.Context) error {
	config := r.server.REST()
	config.QPS = -1
	var err error
	if r.cluster, err = dynamic.NewForConfig(config); err != nil {
		return fmt.Errorf("connect to the API server: %w", err)
	}
	apart := r.server.REST()
	apart.QPS, apart.DisableCompression = -1, true // client-go shares connections between equal configurations only
	if r.watching, err = dynamic.NewForConfig(apart); err != nil {
		return fmt.Errorf("connect to the API server: %w", err)
	}
	if r.kube, err = restClient(config); err != nil {
		return err
	}
	if r.resources, err = resourcesByKind(); err != nil {
		return err
	}
	namespace := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": bareNamespace}}}
	_, err = r.cluster.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(ctx, namespace, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create namespace %s: %w", bareNamespace, err)
	}
	return nil
}

// prepare starts the broker and fixes the agent's settings: connections, and
// whose components it looks after. Everything else is as it ships. Its
// addresses stay the same over restarts, as they would in an installation.
func (r *rig) prepare() error {
	folder, err := os.MkdirTemp("", "hlo-bench-")
	if err != nil {
		return err
	}
	r.folder = folder
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := writeKubeconfig(r.server, kubeconfig); err != nil {
		return err
	}
	if r.agentLog, err = os.Create(filepath.Join(folder, "agent.log")); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.broker, r.brokerURL = broker.New(broker.Options{}), "http://"+l.Addr().String()
	r.group.Go(func() error { return r.broker.Serve(running, l) })
	r.settings = map[string]string{"CB_URL": r.brokerURL, "KUBECONFIG": kubeconfig, "DOMAIN_ID": "*", "OPS_DEBUG": "true"}
	for _, name := range []string{"LISTEN_ADDR", "OPS_ADDR"} {
		if r.settings[name], err = freeAddress(); err != nil {
			return err
		}
	}
	return nil
}

// startAgent starts an agent and waits until it is at rest: it has listed
// everything, and its queue is empty.
func (r *rig) startAgent(ctx context.Context) error {
	a, err := startAgent(r.binary, r.settings, r.agentLog)
	if err != nil {
		return err
	}
	r.agent = a
	if err := a.waitReady(ctx); err != nil {
		return err
	}
	err = poll(ctx, r.patience(), func() error {
		m, err := r.agentMetrics(ctx)
		if err == nil && m["hlo_agent_resync_age_seconds"] < 0 {
			err = errors.New("the agent has not yet listed the broker")
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.quiet(ctx, 500*time.Millisecond)
}

func (r *rig) stopAgent() error {
	if r.agent == nil {
		return nil
	}
	a := r.agent
	r.agent = nil
	return a.stop()
}

// clean ends the agent and takes everything away that a round has made.
func (r *rig) clean(ctx context.Context) error {
	if err := r.stopAgent(); err != nil {
		return err
	}
	r.broker.Wipe()
	for _, namespace := range []string{agentNamespace, bareNamespace} {
		if err := r.deleteObjects(ctx, namespace); err != nil {
			return err
		}
	}
	runtime.GC() // what one side left is not collected at the cost of the other
	return nil
}

// deleteObjects deletes the custom resources of a namespace and waits until
// they are gone.
func (r *rig) deleteObjects(ctx context.Context, namespace string) error {
	background := metav1.DeletePropagationBackground
	for _, resource := range r.resources {
		of := r.cluster.Resource(resource).Namespace(namespace)
		err := poll(ctx, r.patience(), func() error {
			err := of.DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &background}, metav1.ListOptions{})
			if err != nil {
				return err
			}
			list, err := of.List(ctx, metav1.ListOptions{Limit: 1})
			if err == nil && len(list.Items) > 0 {
				err = fmt.Errorf("%s of %s are still there", resource.Resource, namespace)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("delete what was made: %w", err)
		}
	}
	return nil
}

// patience is how long anything may take that is done for every component.
func (r *rig) patience() time.Duration {
	return 2*time.Minute + time.Duration(r.options.n)*50*time.Millisecond
}

// close ends everything. After a failure the agent's last words are in the error.
func (r *rig) close(failed bool) error {
	errs := []error{r.stopAgent()}
	r.cancel()
	errs = append(errs, r.group.Wait())
	if r.broker != nil {
		r.broker.Close()
	}
	r.http.CloseIdleConnections()
	errs = append(errs, r.server.Stop())
	if failed && r.agentLog != nil {
		errs = append(errs, tail(r.agentLog.Name()))
	}
	if r.agentLog != nil {
		_ = r.agentLog.Close() // read already
	}
	if r.folder != "" {
		errs = append(errs, os.RemoveAll(r.folder))
	}
	return errors.Join(errs...)
}
