package faults_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// pair is two copies of one agent, each with a way of its own to the broker and to
// the API server, so that it is seen which of them wrote what. Notifications go to
// the second.
type pair struct {
	*rig
	copies [2]*rig
}

// How long it may take until another copy acts: after a crash, and after a stop.
const (
	afterKill = 15 * time.Second
	afterStop = 2 * time.Second
)

func newPair(t *testing.T, env map[string]string) *pair {
	t.Helper()
	first := newRig(t, env)
	second := *first
	second.listen, second.ops = freeAddress(t), freeAddress(t)
	first.env["LEADER_ELECTION"], first.env["NOTIFICATION_URL"] = "true", "http://"+second.listen+"/notify"
	second.toBroker = second.proxy(first.brokerProcess.url(), nil)
	second.reach(cluster.Server(t))
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
	p.ready(entities...)
	p.copies[1].launch()
	p.following(1)
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
		signal syscall.Signal
		within time.Duration
	}{"killed": {syscall.SIGKILL, afterKill}, "stopped": {syscall.SIGTERM, afterStop}} {
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
			t.Logf("%s: %v until the other copy's first write", name, took.Round(time.Millisecond))
			if took > change.within {
				t.Errorf("the other copy acted %v after this one was %s, want %v", took, name, change.within)
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
	p.begin(component("web", nil))
	resyncs := p.count("resyncs_total")
	p.patch(componentID("web"), object{"containerImage": prop(image(2))})
	p.await(onK8s, "web", "the new image", hasImage(2))
	if n, err := p.copies[1].metric("notifications_total", `result="handed_on"`); err != nil || n == 0 {
		t.Errorf("handed on: %v %v", n, err)
	}
	if n := p.count("resyncs_total"); n != resyncs {
		t.Errorf("%v resyncs, %v before", n, resyncs)
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
