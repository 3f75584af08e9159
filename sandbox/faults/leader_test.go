package faults_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
)

// pair is two copies of one agent, each with a way of its own to the broker and to
// the API server, so that it is seen which of them wrote what. Notifications go to
// either of them in turn.
type pair struct {
	*rig
	copies [2]*rig
}

// either is what a Service is in a cluster: it sends requests to the two addresses in
// turn, and to the other one where nobody listens.
type either struct {
	to    [2]string
	count atomic.Uint32
}

func (e *either) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the broker went away
	}
	turn := int(e.count.Add(1))
	for i := range e.to {
		again := req.Clone(req.Context())
		again.URL.Scheme, again.URL.Host, again.RequestURI, again.Body = "http", e.to[(turn+i)%2], "", io.NopCloser(bytes.NewReader(body))
		resp, err := http.DefaultTransport.RoundTrip(again)
		if err != nil {
			continue
		}
		defer resp.Body.Close()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body) // the broker went away
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

// How long it may take until another copy acts: after a crash, and after a stop.
const (
	afterKill = 15 * time.Second
	afterStop = 2 * time.Second
)

func newPair(t *testing.T, env map[string]string) *pair {
	t.Helper()
	return pairOf(newRig(t, env), cluster.Server(t))
}

// pairOf adds another copy to a rig that has not begun.
func pairOf(first *rig, server *kube.Server) *pair {
	t := first.t
	t.Helper()
	second := *first
	second.listen, second.ops = freeAddress(t), freeAddress(t)
	service := httptest.NewServer(&either{to: [2]string{first.listen, second.listen}})
	t.Cleanup(service.Close)
	first.env["LEADER_ELECTION"], first.env["NOTIFICATION_URL"] = "true", service.URL+"/notify"
	second.toBroker = second.proxy(first.brokerProcess.url(), nil)
	second.reach(server)
	second.env = maps.Clone(first.env)
	maps.Copy(second.env, map[string]string{
		"CB_URL": second.toBroker.URL(), "KUBECONFIG": second.kubeconfig, "LISTEN_ADDR": second.listen, "OPS_ADDR": second.ops,
	})
	return &pair{rig: first, copies: [2]*rig{first, &second}}
}

// leads says which of the copies acts, by its own word.
func (p *pair) leads() (int, error) {
	found := -1
	for i, c := range p.copies {
		if c.agent == nil {
			continue
		}
		n, err := c.metric("leader")
		if err != nil {
			continue // it is down
		}
		if n == 1 && found >= 0 {
			return 0, errors.Join(errNever, errors.New("both lead"))
		}
		if n == 1 {
			found = i
		}
	}
	if found < 0 {
		return 0, errors.New("nobody leads")
	}
	return found, nil
}

// leader waits for one.
func (p *pair) leader() int {
	p.t.Helper()
	var n int
	eventually(p.t, "a copy leads", func() (err error) { n, err = p.leads(); return err })
	return n
}

// begin starts both, the first as the leader, in a world with components that run.
func (p *pair) begin(entities ...object) {
	p.t.Helper()
	p.create(world()...)
	p.start()
	p.copies[1].launch()
	p.following(1)
	p.orchestrate()
	p.create(entities...)
	for _, e := range entities {
		p.says(e["id"].(string), "Running", "")
	}
}

// following waits until a copy is ready and says that another one leads.
func (p *pair) following(n int) {
	p.t.Helper()
	eventually(p.t, "a copy follows", func() error {
		body, err := p.copies[n].readyText()
		if err == nil && !strings.Contains(body, p.copies[1-n].listen) {
			err = fmt.Errorf("/readyz says %s", body)
		}
		return err
	})
}

func (r *rig) readyText() (string, error) {
	resp, err := http.Get("http://" + r.ops + "/readyz")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("/readyz answers %d", resp.StatusCode)
	}
	return string(body), err
}

// writes are the requests of a copy that may have changed something, the Lease's
// and those that were not let through left out.
func (r *rig) writes() []faults.Exchange {
	writes := func(e faults.Exchange) bool {
		return e.Method != http.MethodGet && !strings.Contains(e.Path, "/leases")
	}
	return append(r.toKube.Seen(writes), r.toBroker.Seen(writes)...)
}

// flow changes the components one after the other until it is ended, and gives the
// image that each was given last.
func (p *pair) flow(names []string) (end func() map[string]int) {
	p.t.Helper()
	stop, stopped, last := make(chan struct{}), make(chan struct{}), map[string]int{}
	go func() {
		defer close(stopped)
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			name := names[n%len(names)]
			code, _, err := p.request("PATCH", entityPath(componentID(name)), object{"containerImage": prop(image(1000 + n))})
			if err != nil || code != http.StatusNoContent {
				p.t.Errorf("PATCH: %d %v", code, err)
				return
			}
			last[name] = 1000 + n
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	return func() map[string]int {
		close(stop)
		<-stopped
		return last
	}
}

// handed checks that nothing of the first copy came after the other began, and gives
// the time from the moment of the change to the other's first write.
func (p *pair) handed(from int, since time.Time) time.Duration {
	p.t.Helper()
	var first, last time.Time
	for _, e := range p.copies[1-from].writes() {
		if first.IsZero() || e.At.Before(first) {
			first = e.At
		}
	}
	for _, e := range p.copies[from].writes() {
		if e.At.After(last) {
			last = e.At
		}
	}
	if first.IsZero() || !last.Before(first) {
		p.t.Errorf("the other copy wrote first at %v, and this one last at %v", first, last)
	}
	return first.Sub(since)
}

// A leader that is killed, or stopped, under a flow of changes is followed by the
// other copy in time, and nothing is lost. A copy that follows writes nothing.
func TestLeaderChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		signal        syscall.Signal
		within, slack time.Duration
	}{"killed": {syscall.SIGKILL, afterKill, 2 * afterKill}, "stopped": {syscall.SIGTERM, afterStop, 4 * afterStop}} { // before a Lease runs out
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, nil)
			names, entities := components(20)
			p.begin(entities...)
			end := p.flow(names)
			pass(t, time.Second)
			if leader := p.leader(); leader != 0 {
				t.Fatalf("copy %d leads", leader)
			}
			if wrote := p.copies[1].writes(); len(wrote) != 0 {
				t.Errorf("the copy that follows wrote %v", wrote)
			}
			began := time.Now()
			p.agent.signal(change.signal)
			eventually(t, "the other copy acts", func() error {
				if len(p.copies[1].writes()) == 0 {
					return errors.New("not yet")
				}
				return nil
			})
			took := p.handed(0, began)
			pass(t, 500*time.Millisecond)
			last := end()
			figure := fmt.Sprintf("leader %s: the other copy wrote first after %v, of %v", name, took.Round(time.Millisecond), change.within)
			t.Log(figure)
			within := change.slack // a machine that others use, with the race detector
			if strings.Contains(p.agent.said.String(), "no other copy leads before the Lease has run out") {
				within = 2 * afterKill // so slow that a write had no answer
			}
			if file := os.Getenv("LEADER_FIGURE"); file != "" {
				within = change.within
				f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				must(t, err)
				_, err = fmt.Fprintln(f, figure)
				must(t, errors.Join(err, f.Close()))
			}
			if took > within {
				t.Errorf("the other copy acted %v after this one was %s, want %v", took, name, within)
			}
			for _, c := range names {
				p.await(onK8s, c, "the last image", hasImage(last[c]))
			}
			if _, err := p.agent.ended(stopTime); err != nil {
				t.Error(err)
			}
			p.handed(0, began)
		})
	}
}

// Notifications that reach a copy that follows get to the leader, without a resync.
func TestFollowerHandsOn(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	for _, c := range p.copies {
		c.env["NOTIFICATION_URL"] = "http://" + p.copies[1].listen + "/notify"
	}
	p.begin(component("web", nil))
	for n := 2; ; n++ {
		resyncs := p.count("resyncs_total")
		p.patch(componentID("web"), object{"containerImage": prop(image(n))})
		p.await(onK8s, "web", "the new image", hasImage(n))
		again := p.count("resyncs_total")
		if again == resyncs {
			break
		}
		if n == 6 { // the word with which the copy began led to the first, at most
			t.Errorf("%v resyncs, %v before", again, resyncs)
			break
		}
	}
	if n, err := p.copies[1].metric("notifications_total", `result="handed_on"`); err != nil || n == 0 {
		t.Errorf("handed on: %v %v", n, err)
	}
}

// leases is where the copies elect one.
var leases = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

// A leader that cannot renew its Lease ends before another one may act, and writes
// nothing more, though its way to the broker and what it has to do are there.
func TestLeaderCutOff(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	names, entities := components(10)
	p.begin(entities...)
	end := p.flow(names)
	p.toKube.Inject(faults.Fault{Match: about("/leases/"), Do: faults.Answer(http.StatusServiceUnavailable, nil, "")})
	if code, err := p.agent.ended(patience); err != nil || code != 1 {
		t.Errorf("exit %d, %v", code, err)
	}
	if n := p.leader(); n != 1 {
		t.Errorf("copy %d leads", n)
	}
	eventually(t, "the other copy acts", func() error {
		if len(p.copies[1].writes()) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	last := end()
	for _, c := range names {
		p.await(onK8s, c, "the last image", hasImage(last[c]))
	}
	p.handed(0, time.Now())
	lease, err := p.client.Resource(leases).Namespace(p.namespace).Get(t.Context(), "hlo-agent-"+p.id, metav1.GetOptions{})
	must(t, err)
	if holder, _ := at(lease.Object, "spec", "holderIdentity").(string); !strings.Contains(holder, p.copies[1].listen) {
		t.Errorf("the Lease is held by %q", holder)
	}
}

// A leader that stands still for longer than its Lease lasts, as a machine that
// sleeps does, writes nothing when it goes on, though it has much to do.
func TestLeaderFrozen(t *testing.T) {
	t.Parallel()
	// What the broker sent to the frozen copy is lost, and found missing by the next
	// look at the subscription.
	p := newPair(t, map[string]string{"SUBSCRIPTION_CHECK_INTERVAL": "2s"})
	names, entities := components(20)
	p.begin(entities...)
	// Nothing stands between the fence and its sending then for as long as the copy is frozen.
	eventually(t, "it writes nothing for now", func() error {
		n := len(p.copies[0].writes())
		pass(t, 500*time.Millisecond)
		return differ("writes", len(p.copies[0].writes()), n)
	})
	began := time.Now()
	p.agent.signal(syscall.SIGSTOP)
	end := p.flow(names)
	eventually(t, "the other copy acts", func() error {
		if len(p.copies[1].writes()) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	p.agent.signal(syscall.SIGCONT)
	if code, err := p.agent.ended(patience); err != nil || code != 1 {
		t.Errorf("exit %d, %v", code, err)
	}
	last := end()
	for _, c := range names {
		p.await(onK8s, c, "the last image", hasImage(last[c]))
	}
	if took := p.handed(0, began); took > 2*afterKill { // a machine that others use, with the race detector
		t.Errorf("the other copy acted after %v", took)
	}
}

// What a copy could not hand on is listed by the leader as soon as it can be told.
func TestFollowerLetsGo(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	for _, c := range p.copies {
		c.env["NOTIFICATION_URL"] = "http://" + p.copies[1].listen + "/notify"
	}
	p.begin(component("web", nil))
	stopped := time.Now()
	p.agent.signal(syscall.SIGSTOP) // for less than the Lease lasts
	p.patch(componentID("web"), object{"containerImage": prop(image(2))})
	eventually(t, "it is let go", func() error {
		if n, err := p.copies[1].metric("notifications_total", `result="let_go"`); err != nil || n == 0 {
			return fmt.Errorf("let go: %v %v", n, err)
		}
		return nil
	})
	p.agent.signal(syscall.SIGCONT)
	p.await(onK8s, "web", "the new image", hasImage(2))
	if n := p.leader(); n != 0 && time.Since(stopped) < afterKill/2 { // else it may have lost its Lease: the machine is slow
		t.Errorf("copy %d leads", n)
	}
}

// A leader that is stopped while a write of its is not answered lets its Lease run
// out: what it has sent may yet arrive, and must not come after what the next sends.
func TestLeaderStoppedAtAWrite(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	p.begin(component("web", nil))
	p.toKube.Inject(faults.Fault{Match: and(method(http.MethodPatch), about(objectName("web"))), Do: faults.Hang})
	p.patch(componentID("web"), object{"containerImage": prop(image(2))})
	eventually(t, "the write is under way", func() error {
		if len(p.toKube.Seen(and(method(http.MethodPatch), containing(image(2))))) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	began := time.Now()
	p.agent.signal(syscall.SIGTERM)
	if code, err := p.agent.ended(stopTime); err != nil || code != 0 {
		t.Errorf("exit %d, %v", code, err)
	}
	p.await(onK8s, "web", "the new image", hasImage(2))
	if took := p.handed(0, began); took < 3*time.Second || took > 2*afterKill { // how fast it is shows TestLeaderChanges
		t.Errorf("the other copy wrote after %v", took)
	}
}

// At rest the leader renews its Lease, and nothing else is written by either copy.
func TestCopiesAtRest(t *testing.T) {
	t.Parallel()
	p := newPair(t, map[string]string{"RESYNC_INTERVAL": "1s", "SUBSCRIPTION_CHECK_INTERVAL": "1s"})
	_, entities := components(5)
	p.begin(entities...)
	pass(t, 2*time.Second) // the services are settled
	before := len(p.writes())
	renewals := func(r *rig) int {
		return len(r.toKube.Seen(and(method(http.MethodPut), about("/leases/hlo-agent-"+p.id))))
	}
	leader, follower := renewals(p.copies[0]), renewals(p.copies[1])
	pass(t, 4*time.Second)
	if n := len(p.writes()) - before; n != 0 {
		t.Errorf("the leader wrote %d times", n)
	}
	if wrote := p.copies[1].writes(); len(wrote) != 0 {
		t.Errorf("the copy that follows wrote %v", wrote)
	}
	if n := renewals(p.copies[0]) - leader; n < 1 || n > 9 { // less than one each half second where the machine is slow
		t.Errorf("%d renewals in 4 s, want one each half second at most", n)
	}
	if n := renewals(p.copies[1]); n != follower || n > 1 {
		t.Errorf("the copy that follows wrote the Lease %d times", n)
	}
}

// Other domains may call any copy. While nobody leads they are told to come again,
// and a request that was forwarded once is not forwarded twice.
func TestFollowerForwards(t *testing.T) {
	t.Parallel()
	p := newPair(t, map[string]string{"API_AUTH": "off"})
	p.begin()
	follower := p.copies[1]
	follower.want(http.StatusOK, http.MethodPost, url.PathEscape(service), flat("lent", 1))
	p.exists("lent")
	if wrote := follower.writes(); len(wrote) != 0 {
		t.Errorf("the copy that follows wrote %v", wrote)
	}
	follower.want(http.StatusNotFound, http.MethodGet, url.PathEscape(service)+"/service_components/"+url.PathEscape(componentID("none")), nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+follower.listen+"/hlo_al/openapi.json", nil)
	must(t, err)
	req.Header.Set("X-Hlo-Agent-Hop", "somebody")
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("what a copy forwarded is answered %s by one that does not lead", resp.Status)
	}
	p.agent.kill()
	no := follower.problem(http.StatusServiceUnavailable, "no-leader", http.MethodPost, url.PathEscape(service), flat("later", 1))
	if after := no.header.Get("Retry-After"); after != "1" {
		t.Errorf("Retry-After is %q", after)
	}
}

// Which copy acts is seen from outside, while it does and when none is left.
func TestStatusNamesTheLeader(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	p.begin(component("web", nil))
	p.leader()
	p.tells(0, []string{"status"}, "leader ", ", renewed ", "shop/web")
	p.copies[0].agent.kill()
	p.copies[1].agent.kill()
	p.tells(0, []string{"status"}, "leader nobody: ")
}
