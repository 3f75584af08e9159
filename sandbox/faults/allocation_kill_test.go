package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// insist sends a request until it is answered for good, with one of the codes.
func (r *rig) insist(method, path string, body any, codes ...int) {
	for began := time.Now(); ; {
		a, err := r.call(method, path, body)
		if err == nil && a.code < 500 && at(a.body, "type") != "https://hlo-agent.github.io/problems/being-removed" {
			r.oneOf(codes...)(a, nil)
			return
		}
		if time.Since(began) > 3*patience { // an agent that is killed all the time hardly comes to answering where the machine is slow
			r.t.Errorf("%s %s: no answer: %d %v", method, path, a.code, err)
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-r.t.Context().Done():
			return
		}
	}
}

// The agent is killed again and again while components are asked for, changed and
// removed. What was answered with success is so, whatever came in between.
func TestAllocationsOutliveKills(t *testing.T) {
	t.Parallel()
	const rounds, kills = 5, 12
	r := openRig(t, nil)
	names, _ := components(4)
	r.create(append(world(), component(names[0], object{"infrastructureElement": nil}), component(names[1], object{"infrastructureElement": nil}))...)
	r.start()
	r.orchestrate()
	random := rand.New(rand.NewPCG(1, 2)) // the moments are of no other use
	done, cancel := context.WithCancel(t.Context())
	var killing, all sync.WaitGroup
	killing.Go(func() {
		for range kills {
			eventually(t, "the agent listens", func() error {
				resp, err := http.Get("http://" + r.ops + "/readyz")
				if err == nil {
					err = resp.Body.Close()
				}
				return err
			})
			select {
			case <-time.After(time.Duration(random.IntN(700)) * time.Millisecond):
			case <-done.Done():
				return
			}
			r.agent.kill()
			r.launch()
		}
	})
	for _, name := range names {
		all.Go(func() {
			is := func(version int) {
				if o := r.find(onK8s, name); o == nil || imageOf(o) != image(version) {
					t.Errorf("%s after version %d was accepted: %v", name, version, o)
				}
			}
			for round := range rounds {
				version := 10*round + 10
				r.insist("POST", service, flat(name, version), 200)
				is(version)
				r.insist("PUT", componentPath(name), flat(name, version+1), 200)
				is(version + 1)
				r.insist("DELETE", componentPath(name), nil, 200, 404)
				r.gone(onK8s, name)
			}
			r.insist("POST", service, flat(name, 7), 200)
		})
	}
	all.Wait()
	cancel()
	killing.Wait()
	for i, name := range names {
		r.await(onK8s, name, "is the last one", hasImage(7))
		if i < 2 {
			got := r.says(componentID(name), "Running", "")
			must(t, differ(name, []string{got.Word, got.Element, got.UID}, []string{"Running", "Alpha:k1", string(r.find(onK8s, name).GetUID())}))
		}
	}
	must(t, differ("objects", len(r.list(onK8s)), len(names)))
}

// Components are asked for all the time while each part is away for a while, by
// callers that ask again. (hlo-sandbox bench --only outages does it for longer.)
func TestAllocationsOutliveOutages(t *testing.T) {
	t.Parallel()
	r := openRig(t, nil)
	r.create(world()...)
	r.start()
	r.orchestrate()
	toAgent := r.proxy("http://"+r.listen, nil)
	r.listen = toAgent.URL()[len("http://"):]
	names, entities := components(48)
	for i := range entities {
		delete(entities[i], "infrastructureElement")
	}
	r.create(entities...)
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for _, name := range names {
			all.Go(func() { r.insist("POST", service, flat(name, 1), 200) })
			<-tick.C
		}
	})
	outage := func(begin, end func()) {
		pass(t, 1500*time.Millisecond)
		begin()
		pass(t, 1500*time.Millisecond)
		end()
	}
	up := func(p *faults.Proxy) func() { return func() { must(t, p.Up()) } }
	outage(toAgent.Down, up(toAgent))
	var remove func()
	outage(func() {
		remove = r.toBroker.Inject(faults.Fault{Do: faults.Answer(503, nil, "")})
	}, func() { remove() })
	outage(func() { r.agent.kill() }, r.launch)
	outage(r.toKube.Down, up(r.toKube))
	all.Wait()
	for _, name := range names {
		eventually(t, name+" runs", func() error {
			o, got := r.find(onK8s, name), r.report(componentID(name))
			if o == nil {
				return fmt.Errorf("it has no object")
			}
			phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
			return differ("state", []string{phase, got.Phase, got.Word, got.Element, got.UID}, []string{"Running", "Running", "Running", "Alpha:k1", string(o.GetUID())})
		})
	}
	must(t, differ("objects", len(r.list(onK8s)), len(names)))
}

// The agent dies between a deletion and the report of it, while the entity in our
// own broker still says that the component runs here.
func TestAllocationDeletedBeforeAKill(t *testing.T) {
	t.Parallel()
	r := openRig(t, nil)
	r.create(append(world(), component("web", object{"infrastructureElement": nil}))...)
	r.start()
	r.orchestrate()
	r.want(200, "POST", service, flat("web", 1))
	r.says(componentID("web"), "Running", "")
	r.merge(onK8s, "web", object{"metadata": object{"finalizers": []string{"example.org/hold"}}})
	r.want(200, "DELETE", componentPath("web"), nil)
	r.want(200, "DELETE", componentPath("web"), nil)
	r.agent.kill()
	r.merge(onK8s, "web", object{"metadata": object{"finalizers": nil}})
	r.gone(onK8s, "web")
	r.start()
	eventually(t, "it is Finished", func() error {
		got := r.report(componentID("web"))
		return differ("report", []string{got.Word, got.Element}, []string{"Finished", ""})
	})
	pass(t, time.Second)
	if o := r.find(onK8s, "web"); o != nil {
		t.Errorf("it came back: %v", o.Object)
	}
}
