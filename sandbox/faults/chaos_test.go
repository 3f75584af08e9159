package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// chaosTime is how long processes are killed where CHAOS_TIME does not say.
const chaosTime = 20 * time.Second

// A move gives up after moveTimeout. While leaders are killed it takes longer: the next one needs up to 15 s, and
// may end before it has done it. Of three leaders one is left to do it.
const (
	moveTimeout = 20 * time.Second
	twiceAtMost = moveTimeout + 3*(moveTimeout+15*time.Second)
)

// chaos is two copies of an agent whose processes, and those around them, are killed at
// random while people order things.
type chaos struct {
	*pair
	server *kube.Server
	random *rand.Rand
	killed map[string]int
	lost   int // leads that could not be renewed in time
	orders int

	another string // the subscription of another agent

	twice   map[string]time.Time // components that run twice: since when
	longest time.Duration        // that one did
	looked  time.Time
}

// nameHeld is a component whose resource for Kubernetes somebody else's object has the name of.
const nameHeld = "c19"

// TestChaos kills copies of the agent, the broker, the API server and etcd at random while a
// workload runs. Meanwhile no component runs twice for longer than moves take. When all are up
// again, the cluster comes to what the entities order, each status tells what its object says,
// what is somebody else's is untouched, and nothing is written any more. CHAOS_TIME says for how long.
func TestChaos(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	long := chaosTime
	if text := os.Getenv("CHAOS_TIME"); text != "" {
		var err error
		long, err = time.ParseDuration(text)
		must(t, err)
	}
	foreign, subscribed := c.foreign(nameHeld, nil, nil), c.subscribedAs(c.another)
	eventually(t, "somebody else's object runs", func() (err error) {
		foreign, err = c.of(onK8s).Get(t.Context(), foreign.GetName(), metav1.GetOptions{})
		if err == nil && !isRunning(foreign) {
			err = errors.New("not yet")
		}
		return err
	})
	began := time.Now()
	for kill := began.Add(time.Second); time.Since(began) < long; {
		if time.Now().After(kill) {
			c.kill()
			kill = time.Now().Add(time.Duration(500+c.random.IntN(6000)) * time.Millisecond)
		}
		c.order()
		c.revive()
		c.watch()
		pass(t, time.Duration(20+c.random.IntN(300))*time.Millisecond)
	}
	if err := poll(t.Context(), 4*time.Minute, func() error { c.revive(); c.watch(); return c.settled() }); err != nil {
		t.Errorf("it does not come to what is ordered: %v", err)
	} else {
		pass(t, 12*time.Second) // what changes on the way to an end is reported after 10 s: that a name is held is no end
		before := c.state()
		pass(t, 10*time.Second) // three resyncs
		if after := c.state(); after != before {
			t.Errorf("at rest something was written:\n%s\nand then\n%s", before, after)
		}
	}
	now, err := c.of(onK8s).Get(t.Context(), foreign.GetName(), metav1.GetOptions{})
	must(t, err)
	if diff := cmp.Diff(foreign.Object, now.Object); diff != "" { // its resourceVersion too: nothing was written
		t.Errorf("somebody else's object was changed (-was +is):\n%s", diff)
	}
	if diff := cmp.Diff(subscribed, c.subscribedAs(c.another)); diff != "" {
		t.Errorf("another agent's subscription was changed (-was +is):\n%s", diff)
	}
	verdict := "every invariant held"
	if t.Failed() {
		verdict = "invariants violated"
	}
	figure := fmt.Sprintf("chaos: %v, %d orders, killed: agent %d, broker %d, API server %d, etcd %d; leads lost: %d; twice for %v at most; %s", time.Since(began).Round(time.Second),
		c.orders, c.killed["agent"], c.killed["broker"], c.killed["API server"], c.killed["etcd"], c.lost, c.longest.Round(time.Second), verdict)
	t.Log(figure)
	if file := os.Getenv("CHAOS_FIGURE"); file != "" {
		must(t, os.WriteFile(file, []byte(figure+"\n"), 0o600))
	}
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	server, err := kube.Start(t.Context(), kube.Options{Log: quiet()})
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop()) })
	saved := filepath.Join(t.TempDir(), "broker.json")
	broker := startBroker(t, "--state", saved)
	c := &chaos{server: server, killed: map[string]int{}, twice: map[string]time.Time{}, random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 7))}
	c.pair = pairOf(newRigAt(t, server, kubetest.Namespace(t, server), broker, "Alpha", map[string]string{
		"RESYNC_INTERVAL": "3s", "DEGRADED_RESYNC_INTERVAL": "2s", "SUBSCRIPTION_CHECK_INTERVAL": "2s", "MOVE_TIMEOUT": moveTimeout.String(),
		"PRUNE_MIN": "1000", // the broker is killed before it has saved, so entities do vanish
	}), server)
	c.create(world()...)
	c.another = strings.Replace(c.subscriptionID("components"), c.id, c.id+"2", 1)
	c.do("POST", "/ngsi-ld/v1/subscriptions", object{
		"id": c.another, "type": "Subscription", "subscriptionName": "hlo-agent " + c.id + "2 components",
		"entities":     []object{{"type": "ServiceComponent"}},
		"notification": object{"format": "normalized", "endpoint": object{"uri": listener(t), "accept": "application/json"}},
	})
	c.start()
	c.copies[1].launch()
	c.orchestrate()
	// What a broker loses that is killed before it has saved may be components, and not
	// the elements: nobody makes those again.
	eventually(t, "the world is saved", func() error {
		text, err := os.ReadFile(saved)
		if err == nil && !(strings.Contains(string(text), d1) && strings.Contains(string(text), c.another)) {
			err = errors.New("not yet")
		}
		return err
	})
	return c
}

// listener answers whatever another agent is told.
func listener(t *testing.T) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	return server.URL
}

// subscribedAs is what somebody has subscribed, and when it was written last, without what the broker counts.
func (c *chaos) subscribedAs(id string) object {
	c.t.Helper()
	s := c.subscription(id + "?options=sysAttrs")
	if s == nil {
		c.t.Fatalf("%s is not there", id)
	}
	of, _ := s["notification"].(object)
	delete(s, "status") // the broker pauses it where nobody answers; who else does changes modifiedAt
	delete(s, "isActive")
	s["notification"] = object{"format": of["format"], "endpoint": of["endpoint"], "attributes": of["attributes"]}
	return s
}

// kill ends one process at once and starts it again after a while.
func (c *chaos) kill() {
	c.t.Helper()
	which := []string{"agent", "agent", "broker", "API server", "etcd"}[c.random.IntN(5)]
	c.killed[which]++
	down := time.Duration(c.random.IntN(2500)) * time.Millisecond
	switch which {
	case "agent":
		one := c.copies[c.random.IntN(2)]
		one.agent.kill()
		pass(c.t, down)
		one.launch()
	case "broker":
		c.brokerProcess.process.kill()
		pass(c.t, down)
		c.brokerProcess.start()
	case "API server":
		c.server.StopAPIServer()
		pass(c.t, down)
		must(c.t, c.server.StartAPIServer(c.t.Context()))
	case "etcd":
		c.server.StopEtcd()
		pass(c.t, down)
		must(c.t, c.server.StartEtcd(c.t.Context()))
	}
}

// revive starts copies that have ended since they could not renew their lead, as a
// kubelet does.
func (c *chaos) revive() {
	for _, one := range c.copies {
		select {
		case <-one.agent.done:
			if text := one.agent.said.String(); !strings.Contains(text, "may not act any more") {
				c.t.Errorf("a copy ended: %v\n%s", one.agent.err, text[max(0, len(text)-2000):])
			}
			c.lost++
			one.launch()
		default:
		}
	}
}

// order does something that people do. That the broker is not there is no error.
func (c *chaos) order() {
	c.orders++
	name := fmt.Sprintf("c%d", c.random.IntN(20))
	element := []string{k1, k2, d1}[c.random.IntN(3)]
	path := entityPath(componentID(name))
	patch := func(attrs object) { _, _, _ = c.request("PATCH", path, attrs) } // nobody waits for it
	switch c.random.IntN(10) {
	case 0, 1, 2:
		e := component(name, object{"infrastructureElement": rel(element), "containerImage": prop(image(1 + c.random.IntN(3)))})
		_, _, _ = c.request("POST", "/ngsi-ld/v1/entities", e) // it may be there
	case 3, 4:
		patch(object{"containerImage": prop(image(1 + c.random.IntN(3)))})
	case 5:
		patch(object{"serviceComponentStatus": word("Removing")})
	case 6:
		patch(object{"infrastructureElement": rel(element), "serviceComponentStatus": word("Starting")})
	case 7:
		_, _, _ = c.request("DELETE", path, nil)
	case 8:
		patch(object{"exposePorts": prop(c.random.IntN(2) == 0)})
	case 9:
		if name == nameHeld {
			return
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
		defer cancel()
		_ = c.of(onK8s).Delete(ctx, objectName(name), metav1.DeleteOptions{}) // by hand; it may not be there
	}
}

// owned are the agent's objects of both kinds, by entity.
func (c *chaos) owned() (map[string][]*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	found := map[string][]*unstructured.Unstructured{}
	for _, kind := range []schema.GroupVersionResource{onK8s, onDock} {
		list, err := c.of(kind).List(ctx, metav1.ListOptions{LabelSelector: ownerLabel + "=" + c.id})
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			o := &list.Items[i]
			id := o.GetAnnotations()[entityMark]
			found[id] = append(found[id], o)
		}
	}
	return found, nil
}

// watch looks once a second for components that run twice. What cannot be seen counts as it was seen last.
func (c *chaos) watch() {
	c.t.Helper()
	if time.Since(c.looked) < time.Second {
		return
	}
	objects, err := c.owned()
	if err != nil {
		return
	}
	c.looked = time.Now()
	twice := map[string]time.Time{}
	for id, have := range objects {
		running := 0
		for _, o := range have {
			if isRunning(o) && o.GetDeletionTimestamp() == nil {
				running++
			}
		}
		if running < 2 {
			continue
		}
		since, known := c.twice[id]
		if !known {
			since = c.looked
		}
		twice[id] = since
		if long := c.looked.Sub(since); long > c.longest {
			if c.longest = long; long > twiceAtMost {
				c.t.Errorf("%s runs twice, for %v", id, long)
			}
		}
	}
	c.twice = twice
}

// settled compares all entities with all objects.
func (c *chaos) settled() error {
	var wrong []error
	objects, err := c.owned()
	if err != nil {
		return err
	}
	for n := range 20 {
		id := componentID(fmt.Sprintf("c%d", n))
		code, _, err := c.request("GET", entityPath(id), nil)
		switch {
		case err != nil:
			return err
		case code == 404:
			if len(objects[id]) > 0 {
				wrong = append(wrong, fmt.Errorf("%s is not in the broker and has %d objects", id, len(objects[id])))
			}
		default:
			wrong = append(wrong, c.matches(c.entity(id), objects[id]))
		}
	}
	return errors.Join(wrong...)
}

func (c *chaos) matches(e object, have []*unstructured.Unstructured) error {
	id, _ := e["id"].(string)
	status, _ := at(e, "serviceComponentStatus", "object").(string)
	status = status[strings.LastIndexByte(status, ':')+1:]
	element, placed := at(e, "infrastructureElement", "object").(string)
	if strings.HasSuffix(id, ":"+nameHeld) && placed && element != d1 && at(e, "deploymentStatus", "value", "reason") == "NameHeld" {
		if len(have) > 1 || len(have) == 1 && have[0].GetKind() != "ServiceComponentDocker" {
			return fmt.Errorf("%s has %d objects, though its name is held", id, len(have))
		}
		return nil
	}
	if !placed {
		if len(have) > 0 || status != "Finished" {
			return fmt.Errorf("%s has no place, says %q, and has %d objects", id, status, len(have))
		}
		return nil
	}
	if len(have) != 1 {
		return fmt.Errorf("%s says %q and has %d objects", id, status, len(have))
	}
	o := have[0]
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	for what, pair := range map[string][2]any{
		"kind":    {o.GetKind(), map[bool]string{true: "ServiceComponentDocker", false: "ServiceComponentK8s"}[element == d1]},
		"image":   {imageOf(o), at(e, "containerImage", "value")},
		"element": {elementOf(o), element},
		"status":  {phase, status},
		"phase":   {phase, at(e, "deploymentStatus", "value", "phase")},
		"object":  {string(o.GetUID()), at(e, "deploymentStatus", "value", "uid")},
	} {
		if pair[0] != pair[1] {
			return fmt.Errorf("%s: %s is %v, the entity says %v", id, what, pair[0], pair[1])
		}
	}
	if phase != "Running" {
		return fmt.Errorf("%s is %q, and all images run", id, phase)
	}
	return nil
}

// state is everything that an agent could write, as it is now.
func (c *chaos) state() string {
	c.t.Helper()
	var parts []string
	objects, err := c.owned()
	must(c.t, err)
	for n := range 20 {
		id := componentID(fmt.Sprintf("c%d", n))
		_, entity, err := c.request("GET", entityPath(id)+"?options=sysAttrs", nil)
		must(c.t, err)
		parts = append(parts, string(entity))
		for _, o := range objects[id] {
			parts = append(parts, o.GetName()+" "+o.GetResourceVersion())
		}
	}
	for _, path := range []string{"/ngsi-ld/v1/entities?type=Service&options=sysAttrs", "/ngsi-ld/v1/subscriptions"} {
		_, text, err := c.request("GET", path, nil)
		must(c.t, err)
		parts = append(parts, string(text))
	}
	return strings.Join(parts, "\n")
}
