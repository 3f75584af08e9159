package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

const (
	outageRate    = 4 // components asked for in a second
	outageTime    = 5 * time.Second
	outageApart   = 4 * time.Second // before each outage
	outageHealing = 60 * time.Second
	outageEnd     = 10 * time.Second // requests go on so long after the last outage
)

// outages is an agent with a proxy on every way, through which components are
// asked for at a fixed rate, by callers that ask again when they are not heard.
type outages struct {
	*allocating
	toAgent, toBroker, toKube *faults.Proxy
	client                    *http.Client

	mu      sync.Mutex
	repeats int // requests beyond the first for a component
	refused []string
}

// measureOutages has the target, the broker, the agent and the API server fail
// in turn while components are asked for, and looks at what is wrong a minute
// after the last one was.
func measureOutages(ctx context.Context, r *rig, report *benchReport) error {
	total := time.Duration(4)*(outageTime+outageApart) + outageEnd
	load := world.Generate(int(total.Seconds())*outageRate, world.LoadOptions{})
	calls, err := callsOf(load)
	if err != nil {
		return err
	}
	m := &outages{allocating: &allocating{rig: r, load: load, calls: calls}, client: &http.Client{Timeout: 15 * time.Second}}
	restore, err := m.interpose()
	defer restore()
	if err != nil {
		return err
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	orchestrating, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- runOrchestrators(orchestrating, r.server.REST(), r.log) }()
	err = m.run(ctx, report)
	stop()
	if err = errors.Join(err, <-ended); err != nil {
		return err
	}
	return r.clean(ctx)
}

// interpose puts a proxy between all that take part. restore takes them away.
func (m *outages) interpose() (restore func(), err error) {
	before := map[string]string{}
	for _, name := range []string{"CB_URL", "KUBECONFIG", "API_AUTH"} {
		before[name] = m.settings[name]
	}
	restore = func() {
		for name, value := range before {
			m.settings[name] = value
		}
		for _, p := range []*faults.Proxy{m.toAgent, m.toBroker, m.toKube} {
			if p != nil {
				p.Close()
			}
		}
	}
	start := func(target string, transport http.RoundTripper) *faults.Proxy {
		address, addressErr := freeAddress()
		p, startErr := faults.Start(address, target, transport)
		err = errors.Join(err, addressErr, startErr)
		return p
	}
	transport, err := rest.TransportFor(m.server.REST())
	if err != nil {
		return restore, err
	}
	m.toAgent, m.toBroker = start("http://"+m.settings["LISTEN_ADDR"], nil), start(m.brokerURL, nil)
	m.toKube = start(m.server.REST().Host, transport)
	if err != nil {
		return restore, err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["proxy"] = &clientcmdapi.Cluster{Server: m.toKube.URL()}
	config.Contexts["proxy"] = &clientcmdapi.Context{Cluster: "proxy"}
	config.CurrentContext = "proxy"
	file := filepath.Join(m.folder, "kubeconfig-proxy")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return restore, err
	}
	m.settings["CB_URL"], m.settings["KUBECONFIG"], m.settings["API_AUTH"] = m.toBroker.URL(), file, "off"
	return restore, nil
}

func (m *outages) run(ctx context.Context, report *benchReport) error {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(time.Second / outageRate)
		defer tick.Stop()
		for _, c := range m.calls {
			all.Go(func() { m.ask(asking, c) })
			select {
			case <-tick.C:
			case <-asking.Done():
				return
			}
		}
	})
	err := m.fail(ctx)
	if err == nil {
		err = pause(ctx, outageEnd)
	}
	began := time.Now()
	var missing, wrong []string
	if err == nil {
		err = poll(ctx, outageHealing+10*time.Second, func() error {
			var err error
			if missing, wrong, err = m.judge(ctx); err != nil {
				return err
			}
			if len(missing)+len(wrong) > 0 && time.Since(began) < outageHealing {
				return fmt.Errorf("%d without a resource, %d with a wrong status", len(missing), len(wrong))
			}
			return nil
		})
	}
	healed := time.Since(began)
	cancel()
	all.Wait()
	if err != nil {
		return err
	}
	for _, what := range [][]string{missing, wrong, m.refused} {
		for _, text := range what {
			m.log.Error("after the outages", "entity", text)
		}
	}
	report.add("outages_without_resource", float64(len(missing)), "0", fmt.Sprintf("of %d asked for at %d a second", len(m.calls), outageRate))
	report.add("outages_wrong_status", float64(len(wrong)), "0", fmt.Sprintf("all was right %.1f s after the last request", healed.Seconds()))
	report.add("outages_refused", float64(len(m.refused)), "0", "for good")
	report.add("outages_repeated_requests", float64(m.repeats), "", "of callers that got no answer, or 503")
	return nil
}

// fail has each part fail once.
func (m *outages) fail(ctx context.Context) error {
	for _, outage := range []func() error{
		func() error { return m.down(ctx, m.toAgent) },
		func() error {
			remove := m.toBroker.Inject(faults.Fault{Do: faults.Answer(http.StatusServiceUnavailable, nil, "")})
			defer remove()
			return pause(ctx, outageTime)
		},
		func() error {
			if err := errors.Join(m.agent.cmd.Process.Kill(), ignored(m.stopAgent())); err != nil {
				return err
			}
			return m.startAgent(ctx)
		},
		func() error { return m.down(ctx, m.toKube) },
	} {
		if err := pause(ctx, outageApart); err != nil {
			return err
		}
		if err := outage(); err != nil {
			return err
		}
	}
	return nil
}

// ignored is for the end of a process that was killed, which is an error.
func ignored(error) error { return nil }

func (m *outages) down(ctx context.Context, p *faults.Proxy) error {
	p.Down()
	return errors.Join(pause(ctx, outageTime), p.Up())
}

// ask asks for a component until there is an answer that is one.
func (m *outages) ask(ctx context.Context, c allocateCall) {
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 4*time.Second) {
		code, err := c.post(ctx, m.client, m.toAgent.URL())
		switch {
		case err == nil && code/100 == 2, ctx.Err() != nil:
			return
		case err == nil && code < 500 && code != http.StatusTooManyRequests:
			m.mu.Lock()
			m.refused = append(m.refused, fmt.Sprint(c.id, ": ", code))
			m.mu.Unlock()
			return
		}
		m.mu.Lock()
		m.repeats++
		m.mu.Unlock()
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// judge compares every component that was asked for with its resource and its
// entity.
func (m *outages) judge(ctx context.Context) (missing, wrong []string, err error) {
	uids := map[string]string{}
	for _, resource := range m.resources {
		list, err := m.cluster.Resource(resource).Namespace(agentNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, nil, err
		}
		for i := range list.Items {
			o := &list.Items[i]
			image, _, _ := unstructured.NestedString(o.Object, "spec", "image")
			phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
			id := o.GetAnnotations()["hlo-agent.github.io/entity"]
			if _, twice := uids[id]; twice {
				wrong = append(wrong, id+": two resources")
			}
			uids[id] = fmt.Sprint(o.GetUID(), image, phase)
		}
	}
	entities, err := m.entities(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range m.calls {
		uid, there := uids[c.id]
		if !there {
			missing = append(missing, c.id)
			continue
		}
		if want := entities[c.id].uid + c.image + "Running"; uid != want || entities[c.id].status != "urn:ngsi-ld:ServiceComponentStatus:Running" || entities[c.id].element != c.element {
			wrong = append(wrong, fmt.Sprintf("%s: %+v", c.id, entities[c.id]))
		}
	}
	return missing, wrong, nil
}

type reportedState struct{ status, uid, element string }

func (m *outages) entities(ctx context.Context) (map[string]reportedState, error) {
	found := map[string]reportedState{}
	for offset := 0; ; offset += 1000 {
		query := url.Values{"type": {"ServiceComponent"}, "local": {"true"}, "limit": {"1000"}, "offset": {fmt.Sprint(offset)}, "options": {"keyValues"}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.brokerURL+"/ngsi-ld/v1/entities?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		resp, err := m.http.Do(req)
		if err != nil {
			return nil, err
		}
		var page []struct {
			ID      string `json:"id"`
			Status  string `json:"serviceComponentStatus"`
			Element string `json:"infrastructureElement"`
			Said    struct {
				UID string `json:"uid"`
			} `json:"deploymentStatus"`
		}
		err = errors.Join(json.NewDecoder(resp.Body).Decode(&page), resp.Body.Close())
		if err != nil {
			return nil, fmt.Errorf("list entities: %s: %w", resp.Status, err)
		}
		for _, e := range page {
			found[e.ID] = reportedState{e.Status, e.Said.UID, e.Element}
		}
		if len(page) < 1000 {
			return found, nil
		}
	}
}
