package faults_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/allocation/wire"
	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

const (
	placements = "allocator2deployment"
	unplaced   = placements + ".dead-letter"
)

// topics is a Kafka that the test keeps, and a client for it.
type topics struct {
	t       *testing.T
	cluster *kfake.Cluster
	client  *kgo.Client
}

func startTopics(t *testing.T) *topics {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, placements, unplaced))
	must(t, err)
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(unplaced))
	must(t, err)
	t.Cleanup(client.Close)
	return &topics{t, cluster, client}
}

func (k *topics) servers() string { return strings.Join(k.cluster.ListenAddrs(), ",") }

// send writes one message that places a component; those of one component stay in order.
func (k *topics) send(component, element string) {
	k.t.Helper()
	c := &wire.ServiceComponent{Id: component}
	if element != "" {
		c.InfrastructureElement = &wire.InfrastructureElement{Id: element}
	}
	body, err := proto.Marshal(&wire.HLODeploymentEngineInput{ServiceComponentAllocations: []*wire.ServiceComponentAllocation{{NewAllocatedServiceComponent: c}}})
	must(k.t, err)
	k.raw(component, body)
}

func (k *topics) raw(key string, body []byte) {
	k.t.Helper()
	must(k.t, k.client.ProduceSync(k.t.Context(), &kgo.Record{Topic: placements, Key: []byte(key), Value: body}).FirstErr())
}

// letters reads the reasons in the dead-letter topic until there are n.
func (k *topics) letters(n int) map[string]bool {
	k.t.Helper()
	reasons := map[string]bool{}
	eventually(k.t, fmt.Sprint(n, " dead letters"), func() error {
		ctx, cancel := context.WithTimeout(k.t.Context(), 200*time.Millisecond)
		defer cancel()
		for _, r := range k.client.PollRecords(ctx, 100).Records() {
			for _, h := range r.Headers {
				if h.Key == "hlo-agent-reason" {
					reasons[string(h.Value)] = true
				}
			}
		}
		return differ("letters", len(reasons), n)
	})
	return reasons
}

func (k *topics) committed() (sum int64) {
	if info := k.cluster.GroupInfo("hlo-agent"); info != nil {
		for _, commit := range info.Commits[placements] {
			sum += commit.Offset
		}
	}
	return sum
}

// placedBy lists the elements that the agent wrote, in order, for each component.
func placedBy(p *faults.Proxy) map[string][]string {
	by := map[string][]string{}
	for _, e := range p.Seen(entityWrites) {
		var attrs map[string]struct{ Object string }
		if json.Unmarshal(e.Body, &attrs) != nil || attrs["infrastructureElement"].Object == "" {
			continue
		}
		id, _ := url.PathUnescape(e.Path[strings.LastIndex(e.Path, "/")+1:])
		to := attrs["infrastructureElement"].Object
		// A write that was cut off may come again; it is the same one.
		if had := by[id]; len(had) > 0 && had[len(had)-1] == to && e.Status != 204 {
			continue
		}
		by[id] = append(by[id], to)
	}
	return by
}

// A message places a component, another one moves it; what cannot be carried
// out is put aside with its reason, and what follows is carried out all the same.
func TestMessagesPlaceComponents(t *testing.T) {
	t.Parallel()
	k := startTopics(t)
	r := newRig(t, map[string]string{"BOOTSTRAP_SERVERS": k.servers()})
	r.create(append(world(), component("web", object{"infrastructureElement": nil}), component("going", object{"infrastructureElement": nil, "serviceComponentStatus": word("Removing")}))...)
	r.start()
	r.orchestrate()
	k.raw("x", []byte("no protobuf"))
	k.send(componentID("nobody"), k1)
	k.send(componentID("web"), "")
	k.send(componentID("going"), k1)
	k.send(componentID("web"), k1)
	r.says(componentID("web"), "Running", "")
	if got := string(elementOf(r.exists("web"))); got != k1 {
		t.Errorf("it is on %s", got)
	}
	k.send(componentID("web"), k2)
	r.await(onK8s, "web", "moved", hasHost("Alpha-k2"))
	eventually(t, "all are committed", func() error { return differ("offset", k.committed(), int64(6)) })
	reasons := k.letters(3)
	for _, part := range []string{"not an HLODeploymentEngineInput", "knows no component " + componentID("nobody"), "HOMING is off"} {
		found := false
		for reason := range reasons {
			found = found || strings.Contains(reason, part)
		}
		if !found {
			t.Errorf("no dead letter says %q; there are %v", part, reasons)
		}
	}
	if diff := cmp.Diff(map[string][]string{componentID("web"): {k1, k2}}, placedBy(r.toBroker)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	eventually(t, "no lag", func() error {
		n, err := r.metric("message_lag")
		if err == nil {
			err = differ("lag", n, 0.0)
		}
		return err
	})
}

// A component that no broker holds is made of what the message says, once.
func TestMessagesWithoutEntity(t *testing.T) {
	t.Parallel()
	k := startTopics(t)
	r := newRig(t, map[string]string{"BOOTSTRAP_SERVERS": k.servers()})
	r.create(world()...)
	r.start()
	send := func(element string, version int) {
		body, err := proto.Marshal(&wire.HLODeploymentEngineInput{ServiceComponentAllocations: []*wire.ServiceComponentAllocation{{
			NewAllocatedServiceComponent: &wire.ServiceComponent{Id: componentID("lone"), Image: image(version), Service: &wire.Service{Id: service},
				InfrastructureElement: &wire.InfrastructureElement{Id: element}, Ports: []*wire.Port{{Number: 80}}}}}})
		must(t, err)
		k.raw("lone", body)
	}
	send(k1, 1)
	r.await(onK8s, "lone", "made", hasImage(1))
	send(k1, 1)
	send(k2, 2)
	r.await(onK8s, "lone", "changed", hasImage(2))
	r.await(onK8s, "lone", "moved", hasHost("Alpha-k2"))
	eventually(t, "all are committed", func() error { return differ("offset", k.committed(), int64(3)) })
}

// A message without an element goes to homing, which chooses by its constraints.
func TestMessagesGoToHoming(t *testing.T) {
	t.Parallel()
	k := startTopics(t)
	r := newRig(t, homing(map[string]string{"BOOTSTRAP_SERVERS": k.servers()}))
	r.create(append(alpha(2000, 8000), wanting("big", ram(100000))...)...)
	r.start()
	r.says(componentID("big"), "Unplaced", "NoElementFits")
	wish := func(name string, value float32) {
		body, err := proto.Marshal(&wire.HLODeploymentEngineInput{ServiceComponentAllocations: []*wire.ServiceComponentAllocation{{
			NewAllocatedServiceComponent: &wire.ServiceComponent{Id: componentID("big"),
				ServiceComponentConstraints: &wire.ServiceComponentConstraints{Constraints: map[string]float32{name: value}}}}}})
		must(t, err)
		k.raw("big", body)
	}
	wish("requiredLuck", 7)
	wish("requiredRam", 4000)
	r.isOn("big", k2)
	eventually(t, "both are committed", func() error { return differ("offset", k.committed(), int64(2)) })
	for reason := range k.letters(1) {
		if !strings.Contains(reason, `no requirement is called "requiredLuck"`) {
			t.Errorf("the dead letter says %q", reason)
		}
	}
	if got := at(r.entity(componentID("big")+":InfrastructureElementRequirements"), "requiredRam", "value"); fmt.Sprint(got) != "4000" {
		t.Errorf("requiredRam is %v", got)
	}
}

// A broker that is away keeps messages waiting, and they are carried out when it is back.
func TestMessagesWaitForTheBroker(t *testing.T) {
	t.Parallel()
	k := startTopics(t)
	r := newRig(t, map[string]string{"BOOTSTRAP_SERVERS": k.servers()})
	r.create(append(world(), component("web", object{"infrastructureElement": nil}))...)
	r.start()
	lose := r.toBroker.Inject(faults.Fault{Match: entityWrites, Times: 1, Do: faults.Answer(204, nil, "")}) // a 204 proves nothing
	r.toBroker.Inject(faults.Fault{Match: entityWrites, Times: 3, Do: faults.Answer(503, nil, "")})
	defer lose()
	k.send(componentID("web"), k1)
	r.exists("web")
	eventually(t, "committed", func() error { return differ("offset", k.committed(), int64(1)) })
	if n := len(k.letters(0)); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

var kills = flag.Int("kills", 6, "how often TestMessagesSurviveKills kills the agent")

// The agent is killed at random while components are moved by messages, and
// started again each time: every allocation is carried out, in order, once.
func TestMessagesSurviveKills(t *testing.T) {
	t.Parallel()
	k := startTopics(t)
	r := newRig(t, map[string]string{"BOOTSTRAP_SERVERS": k.servers()})
	names, entities := components(8)
	for _, e := range entities {
		delete(e, "infrastructureElement")
	}
	r.create(append(world(), entities...)...)
	r.start()
	r.orchestrate()
	random := rand.New(rand.NewPCG(3, uint64(*kills)))
	want := map[string][]string{}
	var sent int64
	for range *kills {
		for range 1 + random.IntN(8) { // messages before the kill
			name := names[random.IntN(len(names))]
			id, to := componentID(name), k1
			if had := want[id]; len(had)%2 == 1 {
				to = k2
			}
			k.send(id, to)
			want[id] = append(want[id], to)
			sent++
		}
		pass(t, time.Duration(random.IntN(900))*time.Millisecond)
		r.agent.kill()
		r.launch()
	}
	eventually(t, "all are committed", func() error { return differ("offset", k.committed(), sent) })
	if diff := cmp.Diff(want, placedBy(r.toBroker)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	for id, elements := range want {
		name := id[strings.LastIndex(id, ":")+1:]
		r.await(onK8s, name, "on its last element", func(o *unstructured.Unstructured) error {
			return differ("element", string(elementOf(o)), elements[len(elements)-1])
		})
	}
	t.Logf("%d kills, %d messages", *kills, sent)
}
