package faults_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// diff runs hlo-agent diff: what it prints, notes and errors included, and how it ends.
func (r *rig) diff(args ...string) (said string, code int) {
	r.t.Helper()
	binary, _ := programs.binaries(r.t)
	p := launch(r.t, r.env, binary, append([]string{"diff"}, args...)...)
	code, err := p.ended(patience)
	must(r.t, err)
	return p.said.String(), code
}

// differs checks what diff prints: all of some lines, in any order, and no secret.
func (r *rig) differs(wantCode int, args []string, lines ...string) {
	r.t.Helper()
	said, code := r.diff(args...)
	if code != wantCode {
		r.t.Errorf("exit %d, want %d:\n%s", code, wantCode, said)
	}
	for _, want := range lines {
		if !strings.Contains(said, want) {
			r.t.Errorf("no %q in\n%s", want, said)
		}
	}
	if len(lines) == 0 && said != "" {
		r.t.Errorf("at rest, and all the same:\n%s", said)
	}
	if strings.Contains(said, "hunter") {
		r.t.Errorf("a credential is printed:\n%s", said)
	}
}

// What would be applied is compared with what is there, field by field, and nothing is changed by it.
func TestDiff(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"MAPPINGS": "aeros-k8s,aeros-docker,kubernetes"})
	private := object{"isPrivate": prop(true), "repoUsername": prop("u"), "repoPassword": prop("hunter1"),
		"envVars": prop([]any{object{"key": "DB_PASSWORD", "value": "hunter2"}, object{"key": "MODE", "value": "fast"}})}
	plain := object{"deployAs": prop("kubernetes")}
	for name, value := range private {
		plain[name] = value
	}
	r.ready(component("web", private), component("idle", nil))
	r.create(component("plain", plain))
	eventually(t, "the Deployment", func() error { return differ("number", len(r.list(deployments)), 1) })
	eventually(t, "the Secret", func() error { return differ("number", len(r.list(secrets)), 1) })
	r.rest(time.Second)
	r.differs(0, nil)

	// Nothing is carried out any more, so that there is something to see.
	r.agent.kill()
	before := r.versions()
	r.patch(componentID("web"), object{"containerImage": prop(image(2)), "repoPassword": prop("hunter3"),
		"envVars": prop([]any{object{"key": "DB_PASSWORD", "value": "hunter4"}, object{"key": "MODE", "value": "slow"}})})
	r.patch(componentID("plain"), object{"repoPassword": prop("hunter5")})
	r.create(component("new", nil), component("bad", object{"containerImage": nil}), component("later", object{"infrastructureElement": nil}))
	r.patch(componentID("idle"), object{"infrastructureElement": rel(d1)})
	r.differs(1, nil,
		"changed: ServiceComponentK8s "+r.namespace+"/"+objectName("web")+" ("+componentID("web")+")",
		`  spec.image: "registry.example.org/shop/web:1" -> "registry.example.org/shop/web:2"`,
		`  spec.envVars[0].value: "[redacted]" -> another "[redacted]"`, `  spec.envVars[1].value: "fast" -> "slow"`,
		`  spec.imageRegistry.password: "[redacted]" -> another "[redacted]"`,
		"changed: Secret "+r.namespace+"/", `data[".dockerconfigjson"]: "[redacted]" -> another "[redacted]"`,
		"created: ServiceComponentK8s "+r.namespace+"/"+objectName("new"), `  spec.selectedIE.hostname: + "Alpha-k1"`,
		"created: ServiceComponentDocker "+r.namespace+"/"+objectName("idle"), `["hlo-agent.github.io/moved-from"]: + "`+k1+`"`,
		"deleted: ServiceComponentK8s "+r.namespace+"/"+objectName("idle"),
		componentID("bad")+": NoImage", componentID("later")+": note: has no infrastructureElement",
	)
	r.differs(2, []string{"--id", componentID("web")}, "changed: ServiceComponentK8s")
	r.patch(componentID("web"), object{"orchestrationPaused": prop(true)})
	r.differs(0, []string{"--id", componentID("web")}, "note: is paused")
	r.drop(componentID("bad"), componentID("web"))
	r.patch(componentID("plain"), object{"serviceComponentStatus": word("Removing")})
	r.differs(2, nil, "deleted: ServiceComponentK8s "+r.namespace+"/"+objectName("web"), "its entity is not in the broker",
		"deleted: Deployment ", "deleted: Secret ", "ordered away (Removing)")
	if after := r.versions(); after != before {
		t.Errorf("diff changed something: %s before, %s after", before, after)
	}
}

// With files no broker is asked.
func TestDiffOfFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	r.agent.kill()
	r.process.kill()
	file := filepath.Join(t.TempDir(), "world.json")
	write := func(entities ...object) {
		text, err := json.Marshal(append(world(), entities...))
		must(t, err)
		must(t, os.WriteFile(file, text, 0o600))
	}
	args := []string{"-f", file}
	write(component("web", nil))
	r.differs(0, args)
	write(component("web", object{"containerImage": prop(image(3))}), component("new", object{"networkPorts": rel("urn:ngsi-ld:NetworkPort:no")}))
	r.differs(1, args, `spec.image: "registry.example.org/shop/web:1" -> "registry.example.org/shop/web:3"`, "PortMissing")
	r.foreign("new", nil, nil)
	write(component("web", nil), component("new", nil))
	r.differs(1, args, "NameHeld")
}

// versions are those of everything in the namespace that the agent may make.
func (r *rig) versions() string {
	r.t.Helper()
	var all []string
	for _, kind := range []schema.GroupVersionResource{onK8s, onDock, deployments, secrets} {
		for name, o := range r.list(kind) {
			all = append(all, kind.Resource+" "+name+" "+o.GetResourceVersion())
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// What another domain asked for is compared with what it asked for, not with its entity alone.
func TestDiffOfAllocated(t *testing.T) {
	t.Parallel()
	r := openRig(t, nil)
	r.create(append(world(), component("web", object{"infrastructureElement": nil, "containerImage": prop(image(9))}))...)
	r.start()
	r.orchestrate()
	r.want(200, "POST", service, flat("web", 1))
	r.says(componentID("web"), "Running", "")
	r.rest(time.Second)
	r.differs(0, nil)
	file := filepath.Join(t.TempDir(), "world.json")
	text, err := json.Marshal(append(world(), component("web", nil)))
	must(t, err)
	must(t, os.WriteFile(file, text, 0o600))
	r.differs(0, []string{"-f", file}, "was asked for by another domain")
}
