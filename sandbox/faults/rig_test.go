package faults_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// orchestratorPace is from a new object to Running.
const orchestratorPace = 200 * time.Millisecond

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// rig is one agent between its broker and the cluster, with a proxy on every
// way. What the tests themselves do goes past the proxies.
type rig struct {
	*brokerProcess
	*objects
	t          *testing.T
	toBroker   *faults.Proxy // agent → broker
	toWebhook  *faults.Proxy // broker → agent
	toKube     *faults.Proxy // agent → API server
	id         string        // AGENT_ID
	env        map[string]string
	agent      *process
	listen     string
	ops        string
	kubeconfig string
}

// newRig makes everything but the agent. env is added to the agent's settings:
// by default nothing happens by the clock, so that whatever a test sees was
// caused by what it did.
func newRig(t *testing.T, env map[string]string) *rig {
	t.Helper()
	server := cluster.Server(t)
	return newRigAt(t, server, kubetest.Namespace(t, server), startBroker(t), "Alpha", env)
}

// newRigAt makes a rig for a domain on a broker and in a namespace.
func newRigAt(t *testing.T, server *kube.Server, namespace string, broker *brokerProcess, domain string, env map[string]string) *rig {
	t.Helper()
	r := &rig{
		t: t, brokerProcess: broker, objects: newObjects(t, server.REST(), namespace),
		id: "agent-" + strings.ToLower(domain) + "-" + namespace, listen: freeAddress(t), ops: freeAddress(t),
	}
	r.toBroker = r.proxy(broker.url(), nil)
	r.toWebhook = r.proxy("http://"+r.listen, nil)
	r.reach(server)
	r.env = map[string]string{
		"CB_URL": r.toBroker.URL(), "NOTIFICATION_URL": r.toWebhook.URL() + "/notify",
		"LISTEN_ADDR": r.listen, "OPS_ADDR": r.ops, "KUBECONFIG": r.kubeconfig,
		"NAMESPACE": namespace, "AGENT_ID": r.id, "DOMAIN_ID": domain, "LOG_LEVEL": "debug",
		"RESYNC_INTERVAL": "1h", "DEGRADED_RESYNC_INTERVAL": "1h", "SUBSCRIPTION_CHECK_INTERVAL": "1h",
	}
	maps.Copy(r.env, env)
	return r
}

// reach makes a way to the API server.
func (r *rig) reach(server *kube.Server) {
	r.t.Helper()
	transport, err := rest.TransportFor(server.REST())
	must(r.t, err)
	r.toKube = r.proxy(server.REST().Host, transport)
	r.kubeconfig = filepath.Join(r.t.TempDir(), "kubeconfig")
	must(r.t, clientcmd.WriteToFile(*plainKubeconfig(r.toKube.URL()), r.kubeconfig))
}

func (r *rig) proxy(target string, transport http.RoundTripper) *faults.Proxy {
	r.t.Helper()
	p, err := faults.Start(freeAddress(r.t), target, transport)
	must(r.t, err)
	r.t.Cleanup(p.Close)
	return p
}

func plainKubeconfig(url string) *clientcmdapi.Config {
	c := clientcmdapi.NewConfig()
	c.Clusters["proxy"] = &clientcmdapi.Cluster{Server: url}
	c.Contexts["proxy"] = &clientcmdapi.Context{Cluster: "proxy"}
	c.CurrentContext = "proxy"
	return c
}

// launch starts the agent and does not wait for anything.
func (r *rig) launch() {
	r.t.Helper()
	binary, _ := programs.binaries(r.t)
	r.agent = launch(r.t, r.env, binary, "run")
}

// start starts the agent and waits until it has compared everything once.
func (r *rig) start() {
	r.t.Helper()
	r.launch()
	eventually(r.t, "the agent resyncs", func() error {
		select {
		case <-r.agent.done:
			return errors.Join(errNever, errors.New("the agent ended"))
		default:
		}
		if n, err := r.metric("resyncs_total", `result="ok"`); err != nil || n < 1 {
			return fmt.Errorf("resyncs: %v %v", n, err)
		}
		return nil
	})
}

// ready makes the world and components, all of which run, with the agent at rest.
func (r *rig) ready(entities ...object) {
	r.t.Helper()
	r.create(append(world(), entities...)...)
	r.start()
	r.orchestrate()
	for _, e := range entities {
		r.says(e["id"].(string), "Running", "")
	}
}

// metric is the sum of the series of that name whose labels hold all the texts.
func (r *rig) metric(name string, labels ...string) (float64, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.ops+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		series, text, _ := strings.Cut(lines.Text(), " ")
		if got, _, _ := strings.Cut(series, "{"); got != "hlo_agent_"+name || !holdsAll(series, labels) {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, lines.Err()
}

func holdsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// count is a metric that must be readable.
func (r *rig) count(name string, labels ...string) float64 {
	r.t.Helper()
	var n float64
	eventually(r.t, "read metric "+name, func() (err error) { n, err = r.metric(name, labels...); return err })
	return n
}

// command runs hlo-agent with the agent's settings and gives what it prints.
func (r *rig) command(args ...string) (stdout string, err error) {
	r.t.Helper()
	binary, _ := programs.binaries(r.t)
	env := maps.Clone(r.env)
	env["LOG_LEVEL"] = "error"
	p := launch(r.t, env, binary, args...)
	code, err := p.ended(patience)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit %d", code)
	}
	return p.said.String(), err
}

// subscriptionID is the agent's subscription on "components" or "links".
func (r *rig) subscriptionID(name string) string {
	return "urn:ngsi-ld:Subscription:hlo-agent:" + r.id + ":" + name
}

// secret is what notifications must carry, as the broker keeps it.
func (r *rig) secret() (header, value string) {
	r.t.Helper()
	list, _ := at(r.subscription(r.subscriptionID("components")), "notification", "endpoint", "receiverInfo").([]any)
	if len(list) == 0 {
		r.t.Fatal("the subscription has no receiverInfo")
	}
	first, _ := list[0].(object)
	return first["key"].(string), first["value"].(string)
}

// notify posts a body to the webhook as the broker would, and gives the status.
func (r *rig) notify(body []byte, header http.Header) int {
	r.t.Helper()
	key, value := r.secret()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.listen+"/notify", bytes.NewReader(body))
	must(r.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(key, value)
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	must(r.t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	must(r.t, err)
	return resp.StatusCode
}

// notification is a body with entities as the broker would send them.
func (r *rig) notification(at string, entities ...any) []byte {
	r.t.Helper()
	body, err := json.Marshal(object{
		"id": "urn:ngsi-ld:Notification:1", "type": "Notification",
		"subscriptionId": r.subscriptionID("components"), "notifiedAt": at, "data": entities,
	})
	must(r.t, err)
	return body
}
