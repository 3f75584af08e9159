package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/sandbox/broker"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
)

const groupOfResources = "llo.aeros-project.eu"

func restClient(config *rest.Config) (*http.Client, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	return client, nil
}

// resourcesByKind finds the resource of a kind of custom resource.
func resourcesByKind() (map[string]schema.GroupVersionResource, error) {
	resources, err := customResources()
	if err != nil {
		return nil, err
	}
	crds, err := kube.CRDs()
	if err != nil {
		return nil, err
	}
	found := map[string]schema.GroupVersionResource{}
	for i, crd := range crds {
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		found[kind] = resources[i]
	}
	return found, nil
}

// scrape reads what a program shows at /metrics.
func scrape(ctx context.Context, client *http.Client, url string) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	return families, nil
}

// agentMetrics are the agent's counters and gauges, summed over their labels.
func (r *rig) agentMetrics(ctx context.Context) (map[string]float64, error) {
	families, err := scrape(ctx, r.http, r.agent.ops+"/metrics")
	if err != nil {
		return nil, err
	}
	sums := map[string]float64{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			sums[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sums, nil
}

// clusterWrites is how many requests to change a custom resource, or its
// status, the API server has had since its start, from anybody.
func (r *rig) clusterWrites(ctx context.Context) (int, error) {
	families, err := scrape(ctx, r.kube, r.server.REST().Host+"/metrics")
	if err != nil {
		return 0, err
	}
	writes := 0.0
	for _, m := range families["apiserver_request_total"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		switch labels["verb"] {
		case "APPLY", "PATCH", "POST", "PUT", "DELETE", "DELETECOLLECTION":
			if labels["group"] == groupOfResources {
				writes += m.GetCounter().GetValue()
			}
		}
	}
	return int(writes), nil
}

// errBusy: the agent still does something.
var errBusy = errors.New("the agent is not at rest")

// quiet waits until the agent has done nothing for a while: no pass, no
// request to the broker, nothing in its queue.
func (r *rig) quiet(ctx context.Context, still time.Duration) error {
	var before map[string]float64
	var since time.Time
	signs := []string{"hlo_agent_reconciles_total", "hlo_agent_kubernetes_requests_total", "hlo_agent_broker_requests_total", "hlo_agent_notifications_total"}
	return poll(ctx, r.patience(), func() error {
		now, err := r.agentMetrics(ctx)
		if err != nil {
			return err
		}
		changed := before == nil || now["hlo_agent_queue_depth"] > 0
		for _, name := range signs {
			changed = changed || now[name] != before[name]
		}
		if before = now; changed {
			since = time.Now()
		}
		if time.Since(since) < still {
			return errBusy
		}
		return nil
	})
}

// brokerUse is what a broker was asked for, from its counters.
type brokerUse struct{ reads, writes int64 }

func useOf(s broker.Stats) brokerUse {
	return brokerUse{
		reads:  s.EntityReads + s.ListReads + s.SubscriptionReads,
		writes: s.EntityWrites + s.BatchWrites + s.SubscriptionWrites,
	}
}

func (u brokerUse) since(before brokerUse) brokerUse {
	return brokerUse{u.reads - before.reads, u.writes - before.writes}
}
