package faults_test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

const g1 = "urn:ngsi-ld:InfrastructureElement:Gamma:g1"

// recordID is the entity in which Alpha keeps who has a component for it.
func (f *federation) recordID(name string) string {
	return "urn:ngsi-ld:HandOver:" + f.alpha.id + ":" + componentID(name)
}

// unrecorded waits until Alpha's broker says that no other domain has a component.
func (f *federation) unrecorded(name string) {
	f.alpha.t.Helper()
	eventually(f.alpha.t, "the record of "+name+" is gone", func() error {
		code, body, err := f.alpha.request(http.MethodGet, entityPath(f.recordID(name)), nil)
		if err == nil && code != http.StatusNotFound {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
}

// An entity is deleted while the agent that handed it over is not running: the
// other domain hears of it all the same.
func TestHandedOverAndDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	f := federate(t, nil)
	f.beta.orchestrate()
	for _, name := range []string{"web", "stays"} {
		f.alpha.create(component(name, object{"infrastructureElement": rel(b1)}))
		f.only(f.beta, f.alpha, name)
	}
	f.alpha.agent.kill()
	f.alpha.do(http.MethodDelete, entityPath(componentID("web")), nil)
	f.alpha.start()
	f.beta.gone(onK8s, "web")
	f.unrecorded("web")
	f.only(f.beta, f.alpha, "stays")
}

// The broker is empty when the agent starts, and restored after that; later it loses a
// record. Nothing is left in the other domain of a component that was deleted meanwhile.
func TestHandOverRecordsAreRestored(t *testing.T) {
	t.Parallel()
	f := federate(t, map[string]string{"RESYNC_INTERVAL": "1s"})
	f.beta.orchestrate()
	for _, name := range []string{"web", "stays"} {
		f.alpha.create(component(name, object{"infrastructureElement": rel(b1)}))
		f.only(f.beta, f.alpha, name)
	}
	f.alpha.agent.kill()
	record := f.alpha.entity(f.recordID("web"))
	delete(record, "@context")
	for _, id := range []string{f.recordID("web"), f.recordID("stays"), componentID("web")} {
		f.alpha.do(http.MethodDelete, entityPath(id), nil)
	}
	f.alpha.start()
	f.alpha.create(record)
	f.beta.gone(onK8s, "web")
	f.unrecorded("web")
	recorded := func() {
		t.Helper()
		eventually(t, "what stays is recorded", func() error {
			return differ("record", f.alpha.entity(f.recordID("stays")) != nil, true)
		})
	}
	recorded()
	f.alpha.do(http.MethodDelete, entityPath(f.recordID("stays")), nil)
	recorded()
	f.only(f.beta, f.alpha, "stays")
}

// The clock of a move to another domain goes on over a restart. Here it began an
// hour ago, by the record.
func TestMoveToAnotherDomainIsTakenBackAfterARestart(t *testing.T) {
	t.Parallel()
	f := federate(t, map[string]string{"MOVE_TIMEOUT": "30m"})
	f.alpha.orchestrate()
	f.alpha.create(component("web", nil))
	f.alpha.says(componentID("web"), "Running", "")
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b1)}) // nothing makes it run there
	f.beta.exists("web")
	f.alpha.agent.kill()
	text, _ := at(f.alpha.entity(f.recordID("web")), "handOverCopies", "value").(string)
	since := regexp.MustCompile(`"since":"[^"]*"`)
	if !since.MatchString(text) {
		t.Fatalf("the record says %q", text)
	}
	f.alpha.patch(f.recordID("web"), object{"handOverCopies": prop(since.ReplaceAllString(text, `"since":"2020-01-01T00:00:00Z"`))})
	f.alpha.start()
	f.beta.gone(onK8s, "web")
	f.alpha.says(componentID("web"), "Running", "")
	if on := at(f.alpha.entity(componentID("web")), "infrastructureElement", "object"); on != k1 {
		t.Errorf("it is placed on %v", on)
	}
	f.unrecorded("web")
}

// A component arrives in another domain and moves on within it, where it keeps its
// object, while the agent that handed it over is not running. It has arrived all the same.
func TestMovedOnInTheOtherDomain(t *testing.T) {
	t.Parallel()
	const b2 = "urn:ngsi-ld:InfrastructureElement:Beta:b2"
	f := federate(t, map[string]string{"MOVE_TIMEOUT": "3s"})
	f.alpha.orchestrate()
	f.beta.create(element(b2, "Kubernetes"))
	f.alpha.create(component("web", nil))
	f.alpha.says(componentID("web"), "Running", "")
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b1)})
	uid := f.beta.exists("web").GetUID()
	f.alpha.agent.kill()
	f.beta.orchestrate()
	eventually(t, "it is reported where it runs", func() error {
		return differ("uid", f.alpha.report(componentID("web")).UID, string(uid))
	})
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(b2)})
	f.alpha.start()
	f.only(f.beta, f.alpha, "web")
	if on := at(f.alpha.entity(componentID("web")), "infrastructureElement", "object"); on != b2 || f.beta.exists("web").GetUID() != uid {
		t.Errorf("it is placed on %v, its object was %s and is %s", on, uid, f.beta.exists("web").GetUID())
	}
}

// Moves between two other domains, at each end of which exactly one copy runs: by
// itself, with the agent killed in the middle, and off a domain that does not
// answer and whose element is gone.
func TestMovesBetweenOtherDomains(t *testing.T) {
	t.Parallel()
	f := federateAll(t, nil, "Beta", "Gamma")
	f.beta.orchestrate()
	f.gamma.orchestrate()
	names := []string{"plain", "killed", "unheard"}
	for _, name := range names {
		f.alpha.create(component(name, object{"infrastructureElement": rel(b1)}))
	}
	for _, name := range names {
		f.only(f.beta, f.alpha, name)
	}
	f.alpha.patch(componentID("plain"), object{"infrastructureElement": rel(g1)})
	f.only(f.gamma, f.beta, "plain")

	// Gamma is asked and the component runs there, while the agent that asked is
	// not running: afterwards only its record tells that Beta has it too.
	asking := func(e faults.Exchange) bool {
		return e.Method == http.MethodPost && bytes.Contains(e.Body, []byte(componentID("killed")))
	}
	unanswered := f.toGamma.Inject(faults.Fault{Match: asking, Do: faults.Answer(503, nil, "")})
	f.alpha.patch(componentID("killed"), object{"infrastructureElement": rel(g1)})
	eventually(t, "Gamma is asked", func() error {
		if len(f.toGamma.Seen(asking)) == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	f.alpha.agent.kill()
	unanswered()
	f.gamma.want(200, "POST", service, object{"id": componentID("killed"), "image": image(1), "infrastructure_element": g1})
	f.alpha.says(componentID("killed"), "Running", "")
	f.gamma.runs(onK8s, "killed")
	// And one whose new element nobody heard of.
	f.alpha.patch(componentID("unheard"), object{"infrastructureElement": rel(g1)})
	f.alpha.start()
	for _, name := range []string{"killed", "unheard"} {
		f.only(f.gamma, f.beta, name)
	}

	// Off a domain that is away, and whose element is gone: the component runs
	// elsewhere meanwhile, and the copy goes when the domain is back.
	f.alpha.create(component("lost", object{"infrastructureElement": rel(b1)}))
	f.only(f.beta, f.alpha, "lost")
	f.toBeta.Down()
	f.beta.do(http.MethodDelete, entityPath(b1), nil)
	f.alpha.patch(componentID("lost"), object{"infrastructureElement": rel(g1)})
	f.gamma.exists("lost")
	eventually(t, "it is reported where it runs", func() error {
		return differ("uid", f.alpha.report(componentID("lost")).UID, string(f.gamma.exists("lost").GetUID()))
	})
	f.alpha.agent.kill()
	f.alpha.start()
	f.beta.exists("lost")
	must(t, f.toBeta.Up())
	f.only(f.gamma, f.beta, "lost")

	for _, name := range append(names, "lost") {
		f.alpha.patch(componentID(name), object{"serviceComponentStatus": word("Removing")})
	}
	for _, name := range append(names, "lost") {
		f.alpha.says(componentID(name), "Unplaced", "Removed")
		f.gamma.gone(onK8s, name)
		f.beta.gone(onK8s, name)
		f.unrecorded(name)
	}
}

// A component that another domain removed and reported Finished, while it was on
// its way there from a third one and its agent not running, runs nowhere.
func TestRemovedInTheMiddleOfAMove(t *testing.T) {
	t.Parallel()
	f := federateAll(t, nil, "Beta", "Gamma")
	f.beta.orchestrate()
	f.alpha.create(component("web", object{"infrastructureElement": rel(b1)}))
	f.only(f.beta, f.alpha, "web")
	f.alpha.patch(componentID("web"), object{"infrastructureElement": rel(g1)})
	f.gamma.exists("web")
	f.alpha.agent.kill()
	f.gamma.want(200, "DELETE", componentPath("web"), nil)
	f.gamma.gone(onK8s, "web")
	f.alpha.patch(componentID("web"), object{"serviceComponentStatus": word("Finished"), "infrastructureElement": null()})
	f.alpha.start()
	f.beta.gone(onK8s, "web")
	f.unrecorded("web")
}
