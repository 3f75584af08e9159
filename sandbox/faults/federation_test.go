package faults_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/sandbox/faults"
	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

// federation is whole domains: Alpha, which handles the service, Beta, and where
// a test wants one more Gamma, each with a broker, a namespace and an agent. Each
// broker asks the other ones for what it does not hold.
type federation struct {
	alpha, beta, gamma *rig
	toBeta, toGamma    *faults.Proxy // what Alpha asks of them
}

func federate(t *testing.T, env map[string]string) *federation {
	t.Helper()
	return federateAll(t, env, "Beta")
}

// federateAll is federate with these other domains.
func federateAll(t *testing.T, env map[string]string, others ...string) *federation {
	t.Helper()
	server := cluster.Server(t)
	brokers := make([]*brokerProcess, len(others)+1)
	for i := range brokers {
		brokers[i] = &brokerProcess{t: t, address: freeAddress(t)}
	}
	for i, b := range brokers {
		for j, peer := range brokers {
			if i != j {
				b.args = append(b.args, "--peer", peer.url())
			}
		}
		b.start()
	}
	f := &federation{alpha: newRigAt(t, server, kubetest.Namespace(t, server), brokers[0], "Alpha", env)}
	brokers[0].create(world()...)
	for i, name := range others {
		r := newRigAt(t, server, kubetest.Namespace(t, server), brokers[i+1], name, env)
		r.env["API_AUTH"] = "off"
		way := f.alpha.proxy("http://"+r.listen, nil)
		far := domain(name, false)
		far["publicUrl"] = prop(way.URL())
		brokers[i+1].create(far, lowLevel(name, "Kubernetes"), element("urn:ngsi-ld:InfrastructureElement:"+name+":"+strings.ToLower(name[:1])+"1", "Kubernetes"))
		if r.start(); name == "Beta" {
			f.beta, f.toBeta = r, way
		} else {
			f.gamma, f.toGamma = r, way
		}
	}
	f.alpha.start()
	return f
}

// only checks that a component runs in one domain and is nowhere else.
func (f *federation) only(here, there *rig, name string) {
	here.t.Helper()
	here.await(onK8s, name, "is there", func(*unstructured.Unstructured) error { return nil })
	there.gone(onK8s, name)
	f.alpha.runsAs(here, name)
}

// runsAs checks that a component is reported to run as the object that a domain has of it.
func (b *brokerProcess) runsAs(r *rig, name string) {
	b.t.Helper()
	b.says(componentID(name), "Running", "")
	eventually(b.t, name+" is reported where it runs", func() error {
		return differ("uid", b.report(componentID(name)).UID, string(r.exists(name).GetUID()))
	})
}

// handedOver is a federation with a component, web, that Alpha has handed over to Beta, where it runs.
func handedOver(t *testing.T) *federation {
	t.Helper()
	f := federate(t, nil)
	f.alpha.orchestrate()
	f.beta.orchestrate()
	f.alpha.create(component("web", object{"infrastructureElement": rel(b1)}))
	f.only(f.beta, f.alpha, "web")
	return f
}

// Placed in another domain, moved home on Overload, moved there again, removed:
// at each end exactly one copy runs, and at the last one none.
func TestComponentThroughTwoDomains(t *testing.T) {
	t.Parallel()
	f := handedOver(t)
	if word := f.alpha.report(componentID("web")).Word; word != "Running" {
		t.Errorf("the word is %s", word)
	}

	f.alpha.patch(componentID("web"), object{"containerImage": prop(image(2))})
	f.beta.await(onK8s, "web", "changed there", hasImage(2))

	f.alpha.patch(componentID("web"), object{"serviceComponentStatus": word("Overload"), "infrastructureElement": rel(k1)})
	f.alpha.exists("web")
	remove := f.alpha.toKube.Inject(faults.Fault{Match: and(method(http.MethodPatch), about("servicecomponentk8s")), Do: faults.Answer(http.StatusServiceUnavailable, nil, "")}) // the note of the move stays
	f.only(f.alpha, f.beta, "web")
	eventually(t, "the word after the move", func() error {
		return differ("word", f.alpha.report(componentID("web")).Word, "Running")
	})

	uid := f.alpha.exists("web").GetUID()
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b1)})
	eventually(t, "it runs there", func() error {
		here, there := f.alpha.find(onK8s, "web"), f.beta.find(onK8s, "web")
		runs := there != nil && isRunning(there)
		if !runs && (here == nil || here.GetUID() != uid || here.GetDeletionTimestamp() != nil) {
			t.Fatal("it went here before it ran there")
		}
		return differ("runs", runs, true)
	})
	f.only(f.beta, f.alpha, "web")
	remove()
	f.alpha.happens("web", "Normal HandedOver ServiceComponent/service-shop-component-web: from "+k1+" to "+b1)

	f.alpha.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	f.alpha.says(componentID("web"), "Unplaced", "Removed")
	f.beta.gone(onK8s, "web")
	f.alpha.gone(onK8s, "web")
	if e := f.alpha.entity(componentID("web")); e["infrastructureElement"] != nil {
		t.Errorf("the element is still there: %v", e["infrastructureElement"])
	}
}

// A domain that refuses is heard: its reason is the component's.
func TestDomainRefuses(t *testing.T) {
	t.Parallel()
	f := federate(t, nil)
	f.toBeta.Inject(faults.Fault{Do: faults.Answer(400, http.Header{"Content-Type": {"application/problem+json"}}, `{"title":"Not here","detail":"no room for this"}`)})
	f.alpha.create(component("web", object{"infrastructureElement": rel(b1)}))
	f.alpha.says(componentID("web"), "Refused", "DomainRefused")
	if said := f.alpha.report(componentID("web")); said.Word != "Failed" || !strings.Contains(said.Message, "no room for this") {
		t.Errorf("reported %+v", said)
	}
	if n := len(f.toBeta.Seen(nil)); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	f.alpha.patch(componentID("web"), object{"containerImage": prop(image(2))})
	eventually(t, "asked again for other input", func() error { return differ("requests", len(f.toBeta.Seen(nil)), 2) })
}

// A domain that is away delays nobody; what it was to be asked is asked when
// it is back, and done once.
func TestDomainAway(t *testing.T) {
	t.Parallel()
	f := federate(t, map[string]string{"WORKERS": "2"})
	f.alpha.orchestrate()
	f.beta.orchestrate()
	remove := f.toBeta.Inject(faults.Fault{Do: faults.Hang})
	var far []string
	for i := range 30 {
		name := fmt.Sprint("far-", i)
		far = append(far, name)
		f.alpha.create(component(name, object{"infrastructureElement": rel(b1)}))
	}
	began := time.Now()
	for i := range 10 {
		f.alpha.create(component(fmt.Sprint("near-", i), nil))
	}
	for i := range 10 {
		f.alpha.says(componentID(fmt.Sprint("near-", i)), "Running", "")
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("components of its own took %v", took)
	}
	f.toBeta.Down()
	f.alpha.says(componentID(far[0]), "Pending", "DomainUnreachable")
	remove()
	must(t, f.toBeta.Up())
	for _, name := range far {
		f.alpha.says(componentID(name), "Running", "")
	}
	for _, name := range far {
		if o := f.beta.exists(name); o.GetGeneration() != 1 {
			t.Errorf("%s has generation %d", name, o.GetGeneration())
		}
	}
}

// A move to another domain that does not arrive is taken back.
func TestMoveToAnotherDomainIsTakenBack(t *testing.T) {
	t.Parallel()
	f := federate(t, map[string]string{"MOVE_TIMEOUT": "3s"})
	f.alpha.orchestrate()
	f.alpha.create(component("web", nil))
	f.alpha.says(componentID("web"), "Running", "")
	was := f.alpha.exists("web").GetUID()
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b1)}) // nothing makes it run there
	f.beta.exists("web")
	f.beta.gone(onK8s, "web")
	f.alpha.says(componentID("web"), "Running", "")
	if o := f.alpha.exists("web"); o.GetUID() != was {
		t.Error("the object at home was made anew")
	}
	if on := at(f.alpha.entity(componentID("web")), "infrastructureElement", "object"); on != k1 {
		t.Errorf("it is placed on %v", on)
	}
}

// A component that moves home to where it once came from runs in the other domain until it runs there.
func TestMoveHomeIsNoMoveTakenBack(t *testing.T) {
	t.Parallel()
	f := federate(t, nil)
	f.beta.orchestrate()
	f.alpha.create(component("web", nil))
	f.alpha.exists("web")
	f.alpha.runs(onK8s, "web")
	f.alpha.runsAs(f.alpha, "web")
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b1)})
	f.only(f.beta, f.alpha, "web")
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(k1)})
	f.alpha.exists("web")
	always(t, 3*time.Second, "it runs there", func() error {
		there := f.beta.find(onK8s, "web")
		return differ("runs", there != nil && there.GetDeletionTimestamp() == nil, true)
	})
	f.alpha.runs(onK8s, "web")
	f.only(f.alpha, f.beta, "web")
}

// A component is moved home, and back again before it runs there, of which the domain at home does not
// hear: it looks before it has the other one end its copy, which would end the component.
func TestMovedBackUnheard(t *testing.T) {
	t.Parallel()
	broker, alpha, beta := twoOnOneBroker(t, true, nil)
	beta.orchestrate()
	broker.create(component("web", object{"infrastructureElement": rel(b1)}))
	broker.runsAs(beta, "web")
	broker.patch(componentID("web"), object{"infrastructureElement": rel(k1)})
	alpha.exists("web")
	hear := alpha.toWebhook.Inject(faults.Fault{Match: func(faults.Exchange) bool { return true }, Do: faults.Answer(http.StatusNoContent, nil, "")})
	broker.patch(componentID("web"), object{"infrastructureElement": rel(b1)})
	alpha.runs(onK8s, "web")
	always(t, 3*time.Second, "it stays in Beta", func() error {
		return errors.Join(differ("element", broker.report(componentID("web")).Element, "Beta:b1"), differ("there", beta.find(onK8s, "web") != nil, true))
	})
	hear()
	alpha.askForResync() // it may have looked before Beta reported again
	alpha.gone(onK8s, "web")
	broker.runsAs(beta, "web")
}

// A component is moved home, and back again while Beta is being told to end its copy: it stays there as it is.
func TestMovedBackWhileTheCopyIsLeft(t *testing.T) {
	t.Parallel()
	f := federate(t, nil)
	f.beta.orchestrate()
	f.alpha.create(component("web", object{"infrastructureElement": rel(b1)}))
	f.only(f.beta, f.alpha, "web")
	was := f.beta.exists("web").GetUID()
	removals, open := func(e faults.Exchange) bool { return e.Method == http.MethodDelete }, make(chan struct{})
	f.toBeta.Inject(faults.Fault{Match: removals, Do: faults.Hold(open)})
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(k1)})
	f.alpha.exists("web")
	f.alpha.runs(onK8s, "web")
	eventually(t, "Beta is told", func() error { return differ("removals", len(f.toBeta.Seen(removals)), 1) })
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b1)})
	close(open)
	f.only(f.beta, f.alpha, "web")
	f.beta.problem(http.StatusConflict, "placed-anew", http.MethodDelete, componentPath("web")+"/?moved=true", nil)
	f.beta.problem(http.StatusBadRequest, "invalid", http.MethodDelete, componentPath("web")+"/?moved=perhaps", nil)
	f.beta.problem(http.StatusConflict, "placed-anew", http.MethodPut, componentPath("web")+"/?placed=true", flat("web", 2)) // on k1, where it was
	always(t, 2*time.Second, "it stays", func() error {
		return errors.Join(differ("uid", f.beta.exists("web").GetUID(), was), differ("word", f.alpha.report(componentID("web")).Word, "Running"))
	})
	f.alpha.create(component("home", nil)) // which Beta never had
	f.beta.problem(http.StatusConflict, "placed-anew", http.MethodPost, service+"?placed=true", object{"id": componentID("home"), "image": image(1), "infrastructure_element": b1})
	always(t, time.Second, "it is not made there", func() error { return differ("there", f.beta.find(onK8s, "home") != nil, false) })
}

// A component moves on within Beta, and back while Beta is asked for that, of which Alpha does not hear. It
// looks when Beta refuses, and does not report that as a fault.
func TestPlacedAnewWhileTheOtherIsAsked(t *testing.T) {
	t.Parallel()
	f := federate(t, nil)
	f.beta.orchestrate()
	f.beta.create(element(b2, "Kubernetes"))
	f.alpha.create(component("web", object{"infrastructureElement": rel(b1)}))
	f.only(f.beta, f.alpha, "web")
	was := f.beta.exists("web").GetUID()
	changes, open := func(e faults.Exchange) bool { return e.Method == http.MethodPut }, make(chan struct{})
	f.toBeta.Inject(faults.Fault{Match: changes, Do: faults.Hold(open)})
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b2)})
	eventually(t, "Beta is asked", func() error { return differ("requests", len(f.toBeta.Seen(changes)), 1) })
	f.alpha.toWebhook.Inject(faults.Fault{Match: func(faults.Exchange) bool { return true }, Do: faults.Answer(http.StatusNoContent, nil, "")})
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b1)})
	close(open)
	eventually(t, "Beta refuses", func() error {
		n, err := f.alpha.metric("handovers_total", `result="overtaken"`)
		return errors.Join(err, differ("refusals", n > 0, true))
	})
	f.only(f.beta, f.alpha, "web")
	always(t, 2*time.Second, "it stays", func() error {
		return errors.Join(differ("uid", f.beta.exists("web").GetUID(), was), differ("element", f.alpha.report(componentID("web")).Element, "Beta:b1"))
	})
	for _, e := range f.alpha.toBroker.Seen(and(entityWrites, about(componentID("web")))) {
		if !strings.Contains(e.Path, "HandOver") {
			t.Errorf("Alpha wrote %s", e.Body)
		}
	}
}

// The agent that handed over is killed in the middle of everything; it asks
// again, which changes nothing where it is done.
func TestHandOverSurvivesKills(t *testing.T) {
	t.Parallel()
	f := federate(t, nil)
	f.alpha.orchestrate()
	f.beta.orchestrate()
	var names []string
	for i := range 10 {
		name := fmt.Sprint("web-", i)
		names = append(names, name)
		f.alpha.create(component(name, object{"infrastructureElement": rel(b1)}))
		if i%3 == 0 {
			f.alpha.agent.kill()
			f.alpha.launch()
		}
	}
	for _, name := range names {
		f.only(f.beta, f.alpha, name)
	}
	for _, name := range names {
		f.alpha.patch(componentID(name), object{"infrastructureElement": rel(k1)})
	}
	pass(t, 300*time.Millisecond)
	f.alpha.agent.kill()
	f.alpha.launch()
	for _, name := range names {
		f.only(f.alpha, f.beta, name)
	}
	for _, name := range names {
		f.alpha.patch(componentID(name), object{"serviceComponentStatus": word("Removing")})
	}
	f.alpha.agent.kill()
	f.alpha.launch()
	for _, name := range names {
		f.alpha.says(componentID(name), "Unplaced", "Removed")
		f.alpha.gone(onK8s, name)
		f.beta.gone(onK8s, name)
	}
}

// twoOnOneBroker are two domains that share a broker and a cluster, and ask each other where
// Beta says how it is reached.
func twoOnOneBroker(t *testing.T, reached bool, env map[string]string) (broker *brokerProcess, alpha, beta *rig) {
	t.Helper()
	server := cluster.Server(t)
	broker = startBroker(t)
	alpha = newRigAt(t, server, kubetest.Namespace(t, server), broker, "Alpha", env)
	beta = newRigAt(t, server, kubetest.Namespace(t, server), broker, "Beta", env)
	beta.env["API_AUTH"] = "off"
	far := domain("Beta", false)
	if reached {
		far["publicUrl"] = prop("http://" + beta.listen)
	}
	broker.create(append(world(), far, lowLevel("Beta", "Kubernetes"), element(b1, "Kubernetes"))...)
	beta.start()
	alpha.start()
	return broker, alpha, beta
}

// Where one broker serves both domains, each follows its own components, and
// the one that hands over finds nothing to do and writes nothing.
func TestHandOverOnOneBroker(t *testing.T) {
	t.Parallel()
	broker, alpha, beta := twoOnOneBroker(t, true, nil)
	beta.orchestrate()
	broker.create(component("web", object{"infrastructureElement": rel(b1)}))
	broker.says(componentID("web"), "Running", "")
	for version := 2; version < 6; version++ {
		broker.patch(componentID("web"), object{"containerImage": prop(image(version))})
		beta.await(onK8s, "web", "changed", hasImage(version))
	}
	broker.says(componentID("web"), "Running", "")
	broker.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	broker.says(componentID("web"), "Unplaced", "Removed")
	beta.gone(onK8s, "web")
	for _, e := range alpha.toBroker.Seen(and(entityWrites, about(componentID("web")))) {
		if !strings.Contains(string(e.Body), "Removed") {
			t.Errorf("alpha wrote %s", e.Body)
		}
	}
}

// Of components that move home from Beta, Alpha has Beta end the copies there. One of them goes
// slowly, of the other one Beta did not hear that it moved: neither is ordered away by that.
func TestMovedHomeIsNotOrderedAway(t *testing.T) {
	t.Parallel()
	broker, alpha, beta := twoOnOneBroker(t, true, nil)
	alpha.orchestrate()
	beta.orchestrate()
	names := []string{"slow", "unheard"}
	for _, name := range names {
		broker.create(component(name, object{"infrastructureElement": rel(b1)}))
		broker.says(componentID(name), "Running", "")
	}
	beta.merge(onK8s, "slow", object{"metadata": object{"finalizers": []string{"example.org/hold"}}})
	beta.toWebhook.Inject(faults.Fault{Match: func(e faults.Exchange) bool { return strings.Contains(string(e.Body), componentID("unheard")) }, Do: faults.Answer(204, nil, "")})
	for _, name := range names {
		broker.patch(componentID(name), object{"infrastructureElement": rel(k1)})
	}
	for _, name := range names {
		broker.runsAs(alpha, name)
	}
	always(t, 4*time.Second, "nobody orders them away", func() error {
		for _, name := range names {
			if r := broker.report(componentID(name)); r.Word != "Running" || r.Element != "Alpha:k1" {
				return fmt.Errorf("%s says %+v", name, r)
			}
		}
		return nil
	})
	beta.merge(onK8s, "slow", object{"metadata": object{"finalizers": nil}})
	for _, name := range names {
		beta.gone(onK8s, name)
	}
}

// A domain that starts while the copy that it was told to end still goes does not take the
// component, which runs at home by then, for one that was ordered away.
func TestMovedHomeBeforeARestart(t *testing.T) {
	t.Parallel()
	f := handedOver(t)
	f.beta.merge(onK8s, "web", object{"metadata": object{"finalizers": []string{"example.org/hold"}}})
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(k1)})
	f.alpha.runsAs(f.alpha, "web")
	eventually(t, "beta's goes", func() error {
		return differ("going", f.beta.find(onK8s, "web").GetDeletionTimestamp() != nil, true)
	})
	f.beta.agent.kill()
	f.beta.start()
	always(t, 6*time.Second, "nobody orders it away", func() error {
		if r := f.alpha.report(componentID("web")); r.Word != "Running" || r.Element != "Alpha:k1" {
			return fmt.Errorf("it says %+v", r)
		}
		return nil
	})
	f.beta.merge(onK8s, "web", object{"metadata": object{"finalizers": nil}})
	f.only(f.alpha, f.beta, "web")
}

// A domain that was away while a component moved home ends its copy when it is back, and does not make
// it anew as what it was once asked for.
func TestMovedHomeWhileTheOtherWasAway(t *testing.T) {
	t.Parallel()
	f := handedOver(t)
	f.beta.await(onK8s, "web", "its placement is noted", func(o *unstructured.Unstructured) error {
		return differ("noted", o.GetAnnotations()[llo.AllocationPlaced] != "", true)
	})
	f.beta.agent.kill()
	f.toBeta.Inject(faults.Fault{Do: faults.Answer(http.StatusServiceUnavailable, nil, "")}) // it finds out by itself
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(k1)})
	f.alpha.runsAs(f.alpha, "web")
	f.beta.start()
	f.beta.gone(onK8s, "web")
	always(t, 3*time.Second, "it stays at home", func() error {
		return errors.Join(differ("made anew", f.beta.find(onK8s, "web") != nil, false), differ("element", f.alpha.report(componentID("web")).Element, "Alpha:k1"))
	})
}

// A domain that has the order from the same broker runs the component before it is asked for it: what
// is at home goes all the same.
func TestOtherDomainIsFaster(t *testing.T) {
	t.Parallel()
	broker, alpha, beta := twoOnOneBroker(t, true, nil)
	alpha.orchestrate()
	beta.orchestrate()
	broker.create(component("web", nil))
	broker.runsAs(alpha, "web")
	heal := alpha.toWebhook.Inject(faults.Fault{Match: func(faults.Exchange) bool { return true }, Do: faults.Answer(http.StatusNoContent, nil, "")})
	broker.patch(componentID("web"), object{"infrastructureElement": rel(b1)})
	broker.runsAs(beta, "web")
	heal()
	broker.patch(componentID("web"), object{"containerImage": prop(image(2))})
	beta.await(onK8s, "web", "changed", hasImage(2))
	alpha.gone(onK8s, "web")
}

// A component is placed at home again, and its object there does not run yet. That this is reported
// does not make the domain where it runs, which was restarted, take it for one that was asked for
// and not placed there yet: it leaves the placement alone.
func TestPlacedHomeAfterARestart(t *testing.T) {
	t.Parallel()
	broker, alpha, beta := twoOnOneBroker(t, true, nil)
	beta.orchestrate()
	heal := beta.toWebhook.Inject(faults.Fault{Match: func(faults.Exchange) bool { return true }, Do: faults.Answer(http.StatusNoContent, nil, "")})
	broker.create(component("web", object{"infrastructureElement": rel(b1)}))
	if asked := beta.exists("web").GetAnnotations()[llo.AllocationAnnotation]; asked == "" {
		t.Fatal("Beta made it without being asked")
	}
	heal()
	broker.runsAs(beta, "web")
	beta.agent.kill()
	beta.start()
	broker.patch(componentID("web"), object{"infrastructureElement": rel(k1)})
	home := alpha.exists("web")
	eventually(t, "it is reported at home", func() error {
		return differ("uid", broker.report(componentID("web")).UID, string(home.GetUID()))
	})
	always(t, 3*time.Second, "it stays placed at home", func() error {
		return differ("element", broker.report(componentID("web")).Element, "Alpha:k1")
	})
	alpha.orchestrate()
	broker.runsAs(alpha, "web")
	beta.gone(onK8s, "web")
}

// What a component's last report is about was deleted and made anew before it is moved to another
// agent. That report says nothing of the other side, and so the new object stays.
func TestReportOfAFormerObjectEndsNoMove(t *testing.T) {
	t.Parallel()
	broker, alpha, beta := twoOnOneBroker(t, false, nil)
	broker.create(component("web", object{"isJob": prop(true)}))
	alpha.exists("web")
	alpha.phase(onK8s, "web", "Succeeded")
	broker.says(componentID("web"), "Succeeded", "")
	was := alpha.exists("web").GetUID()
	broker.patch(componentID("web"), object{"serviceComponentStatus": word("Starting")})
	anew := func() error {
		o := alpha.find(onK8s, "web")
		return differ("made anew", o != nil && o.GetUID() != was, true)
	}
	eventually(t, "the job is made anew", anew)
	broker.patch(componentID("web"), object{"infrastructureElement": rel(b1)})
	beta.exists("web")
	always(t, 3*time.Second, "it stays until the other one runs", anew)
	beta.runs(onK8s, "web")
	alpha.gone(onK8s, "web")
}
