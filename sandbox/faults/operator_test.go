package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// people runs a command for people with the agent's settings: what it prints and how
// it ends.
func (r *rig) people(args ...string) (said string, code int) {
	r.t.Helper()
	binary, _ := programs.binaries(r.t)
	p := launch(r.t, r.env, binary, args...)
	code, err := p.ended(patience)
	must(r.t, err)
	return p.said.String(), code
}

// tells checks how a command for people ends, and that it prints all of some texts,
// blanks apart, and no credential.
func (r *rig) tells(wantCode int, args []string, texts ...string) {
	r.t.Helper()
	eventually(r.t, "hlo-agent "+strings.Join(args, " "), func() error {
		said, code := r.people(args...)
		if strings.Contains(said, "hunter") {
			return fmt.Errorf("%w: a credential is printed:\n%s", errNever, said)
		}
		plain := regexp.MustCompile(` +`).ReplaceAllString(said, " ")
		for _, text := range texts {
			if !strings.Contains(plain, text) {
				return fmt.Errorf("no %q in\n%s", text, said)
			}
		}
		return differ("exit code with "+said, code, wantCode)
	})
}

// What people ask is answered from broker and cluster, whether an agent runs or not.
func TestOperatorCommands(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"PROGRESS_DEADLINE": "1h"})
	r.foreign("held", nil, nil)
	r.ready(component("web", object{"isPrivate": prop(true), "repoUsername": prop("u"), "repoPassword": prop("hunter1")}))
	r.create(component("bare", object{"containerImage": nil}), component("held", nil), component("free", object{"infrastructureElement": nil}))
	r.says(componentID("bare"), "Refused", "NoImage")
	r.says(componentID("held"), "Pending", "NameHeld")
	r.says(componentID("free"), "Unplaced", "AwaitingPlacement")

	r.tells(0, []string{"status"}, "agent "+r.id+" of Alpha", "cluster default answers, 1 resource", "notices components last sent at ",
		"COMPONENT PHASE REASON ELEMENT RESOURCE AGE NOTE",
		"shop/web Running ContainerRunning Alpha:k1 ServiceComponentK8s/"+objectName("web"),
		"shop/bare Refused NoImage Alpha:k1 - ", "shop/held Pending NameHeld", "shop/free Unplaced AwaitingPlacement - -")
	r.tells(0, []string{"status", "-o", "wide"}, componentID("web"), "no container image")
	said, _ := r.people("status", "-o", "json")
	var shown struct {
		Components []struct{ Short, Phase, ReportedPhase string }
	}
	must(t, json.Unmarshal([]byte(said), &shown))
	must(t, differ("components", shown.Components, "[{shop/bare Refused Refused} {shop/free Unplaced Unplaced} {shop/held Pending Pending} {shop/web Running Running}]"))

	r.tells(0, []string{"why", "web"}, "shop/web is Running", "as ServiceComponentK8s "+r.namespace+"/"+objectName("web"))
	r.tells(2, []string{"why", "bare"}, "shop/bare is Refused", "it names no container image", "set containerImage of "+componentID("bare"))
	r.tells(1, []string{"why", objectName("held")}, "no ServiceComponent is called")
	r.tells(2, []string{"why", "shop/held"}, "is held by an object that is not ours", "ADOPT")
	r.tells(2, []string{"why", "free"}, "run the agent with HOMING=auto")

	// What no agent of this domain looks after, and why.
	far, lost := rel("urn:ngsi-ld:Service:far"), rel("urn:ngsi-ld:InfrastructureElement:Nowhere:k1")
	r.create(object{"id": "urn:ngsi-ld:Service:far", "type": "Service", "domainHandler": rel("urn:ngsi-ld:Domain:Beta")},
		component("early", object{"service": far, "infrastructureElement": lost}), component("open", object{"service": far, "infrastructureElement": nil}))
	r.tells(2, []string{"why", "early"}, "shop/early is Unknown (ElementMissing): the entity of its element Nowhere:k1 is not in the broker",
		"The agent of the domain Beta, which handles its service, looks after it.")
	r.tells(2, []string{"why", "open"}, "shop/open is Unplaced (Unplaced): it has no infrastructureElement", "The agent of the domain Beta")
	r.create(element("urn:ngsi-ld:InfrastructureElement:Nowhere:k1", "Kubernetes"))
	r.tells(2, []string{"why", "early"}, "shop/early is Unknown (Elsewhere): it is another domain's: its element Nowhere:k1 belongs to Nowhere")
	r.patch("urn:ngsi-ld:InfrastructureElement:Nowhere:k1", object{"domain": null()})
	r.tells(2, []string{"why", "early"}, "(DomainUnnamed): its element Nowhere:k1 names no domain")
	r.tells(1, []string{"why", "nobody"}, `no ServiceComponent is called "nobody"; there are shop/bare, shop/early, shop/free`)
	r.tells(1, []string{"why", "shop"}, "it is a service, and its components are shop/bare")
	r.tells(1, []string{"describe", "Alpha:k1"}, "urn:ngsi-ld:InfrastructureElement:Alpha:k1 is of the type InfrastructureElement, and no ServiceComponent; on it or of it are shop/bare")
	r.tells(1, []string{"pause", "we"}, "perhaps one of these is meant: shop/web")
	r.tells(1, []string{"why"}, "hlo-agent why ID", "`hlo-agent status` lists the components")
	r.tells(0, []string{"describe", "web"}, "Component: "+componentID("web"), "Mapping: aeros-k8s", "aeros-docker does not hold",
		"hostname Alpha-k1", "orchestrator urn:ngsi-ld:LowLevelOrchestrator:Alpha:Kubernetes", "says Running ContainerRunning", "Reported: Running")
	r.tells(0, []string{"describe", "held", "-o", "yaml"}, "phase: Pending", "reason: NameHeld", "mapping: aeros-k8s")

	// Paused, nothing of it changes, and resumed it does.
	r.tells(0, []string{"pause", "web", "bare"}, "shop/web paused", "shop/bare paused")
	r.says(componentID("web"), "Running", "Paused")
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	r.tells(2, []string{"why", "bare"}, "paused")
	r.rest(500 * time.Millisecond)
	r.await(onK8s, "web", "unchanged", hasImage(1))
	r.tells(0, []string{"resume", "web"}, "shop/web resumed")
	r.await(onK8s, "web", "changed", hasImage(2))
	r.says(componentID("web"), "Running", "ContainerRunning")

	// The same as a plugin of kubectl.
	binary, _ := programs.binaries(t)
	folder := t.TempDir()
	must(t, os.Symlink(binary, filepath.Join(folder, "kubectl-hlo")))
	env := maps.Clone(r.env)
	env["PATH"], env["NAMESPACE"] = folder, "elsewhere"
	plugin := launch(t, env, cluster.Server(t).KubectlPath(), "hlo", "why", "bare", "-n", r.namespace)
	code, err := plugin.ended(patience)
	must(t, err)
	if said := plugin.said.String(); !strings.Contains(said, "`kubectl hlo resume shop/bare`") || code != 2 && code != 1 {
		t.Errorf("kubectl hlo: exit %d: %s", code, said)
	}

	// A running agent looks when it is told to.
	before := r.count("reconciles_total", `result="done"`)
	r.tells(0, []string{"reconcile", "free"}, "shop/free asked for: a running agent looks at it now")
	eventually(t, "a pass", func() error {
		if n := r.count("reconciles_total", `result="done"`); n <= before {
			return fmt.Errorf("%v passes, as before", n)
		}
		return nil
	})

	// Without an agent the truth is still told: what is there, and what is not carried out.
	r.agent.kill()
	r.create(component("new", nil))
	r.delete(onK8s, "web")
	r.tells(2, []string{"why", "new"}, "shop/new is Pending (NotTakenUp)", "look whether an agent runs")
	r.tells(0, []string{"status"}, "shop/web Pending NotTakenUp Alpha:k1 - ", "reported as Running", "shop/new Pending NotTakenUp")
	r.tells(1, []string{"reconcile", "new", "nobody"}, `no ServiceComponent is called "nobody"`)
	r.env["NAMESPACE"] = "elsewhere"
	r.tells(0, []string{"status", "-n", r.namespace}, "shop/new")

	// Nor without a broker, as far as the cluster knows.
	r.process.kill()
	r.tells(1, []string{"status", "-n", r.namespace}, "(CB_URL)")
	r.tells(1, []string{"why", objectName("free"), "-n", r.namespace}, "(CB_URL)")
}
