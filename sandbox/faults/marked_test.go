package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/sandbox/faults"
	"github.com/hlo-agent/hlo-agent/sandbox/issuer"
)

// marks are secrets by what they are, each a text that is nowhere else.
type marks map[string]string

// in names the marks that a text holds.
func (m marks) in(text string, except ...string) (found []string) {
	for what, secret := range m {
		allowed := false
		for _, e := range except {
			allowed = allowed || e == what
		}
		if !allowed && strings.Contains(text, secret) {
			found = append(found, what)
		}
	}
	return found
}

// echo answers with everything that it was sent: a server that says in its errors
// what it should not.
func echo(status int, kubernetes bool) faults.Effect {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		sent, _ := io.ReadAll(r.Body) // what is there is echoed
		said := fmt.Sprint("no: ", r.Header["Authorization"], " ", string(sent))
		body := object{"type": "https://uri.etsi.org/ngsi-ld/errors/BadRequestData", "title": "no: " + said, "detail": said, "status": status}
		w.Header().Set("Content-Type", "application/json")
		if kubernetes {
			w.Header().Set("Warning", "299 - "+strconv.QuoteToASCII(said))
			body = object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": said, "reason": "Invalid",
				"details": object{"causes": []object{{"reason": "FieldValueInvalid", "message": said, "field": "spec.image"}}}}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the agent went away
	}
}

var events = schema.GroupVersionResource{Version: "v1", Resource: "events"}

// TestMarkedSecrets leads components with marked secrets through their whole life,
// with a broker and an API server that repeat in their errors all that they know, and
// looks for the marks in everything that came out.
func TestMarkedSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := marks{
		"registry password": "MARK-registry-pa55", "env password": "MARK-env-pa55", "argument password": "MARK-argument-pa55", "broker token": "MARK-broker-t0ken-01",
		"webhook secret": "MARK-webhook-secret-0123", "overlay secret": "MARK-overlay-" + strings.Repeat("0123456789", 3),
		"kubeconfig token": "MARK-kubeconfig-t0ken", "plan token": "MARK-plan-t0ken-01", "wrong bearer": "MARK-wrong-bearer",
		"handed password": "MARK-handed-pa55", "handed env": "MARK-handed-env-pa55", "handed key": "TUFSSy1oYW5kZWQta2V5LW9mLXRoZS1vdmVybGF5ISE=",
	}
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	var keys *issuer.Issuer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { keys.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	keys, err := issuer.New(server.URL, time.Now)
	must(t, err)
	bearer, err := keys.Token("HLO", nil)
	must(t, err)
	m["bearer"] = bearer[strings.LastIndexByte(bearer, '.')+1:]
	s := startShim(t)
	r := newRig(t, map[string]string{
		"CB_TOKEN": m["broker token"], "NOTIFICATION_SECRET_FILE": file("webhook", m["webhook secret"]), "PLAN_TOKEN": m["plan token"],
		"API_AUTH": "oidc", "OIDC_ISSUER": server.URL, "OIDC_AUDIENCE": issuer.Audience, "SHIM_URL": s.URL,
		"OVERLAY_SECRET_FILE": file("overlay", m["overlay secret"]), "MAPPINGS": "aeros-k8s,aeros-docker,kubernetes", "HOMING": "auto",
	})
	kubeconfig := plainKubeconfig(r.toKube.URL())
	kubeconfig.AuthInfos["agent"] = &clientcmdapi.AuthInfo{Token: m["kubeconfig token"]}
	kubeconfig.Contexts["proxy"].AuthInfo = "agent"
	must(t, clientcmd.WriteToFile(*kubeconfig, r.kubeconfig))

	out := map[string]string{}
	note := func(where, text string) { out[where] += text + "\n" }

	private := object{"isPrivate": prop(true), "repoUsername": prop("robot"), "repoPassword": prop(m["registry password"]),
		"envVars": prop([]any{object{"key": "DB_PASSWORD", "value": m["env password"]}}),
		"cliArgs": prop([]any{object{"key": "--db-password", "value": m["argument password"]}})}
	with := func(more object) object {
		all := maps.Clone(private)
		maps.Copy(all, more)
		return all
	}
	r.create(world()...)
	r.patch("urn:ngsi-ld:Domain:Alpha", object{"publicKey": prop("1T4Xd+Hr4dkY6irKTHTd2xgoZGc5lWMDBsxgmNlUdWA="), "publicUrl": prop("https://alpha.example.org")})
	r.start()
	r.orchestrate()
	r.patch(service, object{"hasOverlay": prop(true)})
	r.create(component("web", with(nil)), component("plain", with(object{"deployAs": prop("kubernetes")})))
	r.says(componentID("web"), "Running", "")
	eventually(t, "the Secret", func() error { return differ("number", len(r.list(secrets)), 1) })
	m["WireGuard key"] = networkOf(r.objects, "web")["privateKey"]

	// Refused: by the policy, by the mapping, by the API server, and by the broker.
	r.patch(componentID("web"), object{"containerImage": null()})
	eventually(t, "the wrong image is reported", func() error {
		if got := r.report(componentID("web")); got.Phase == "Running" {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	for status := range map[int]bool{403: true, 422: true, 500: true} {
		remove := r.toKube.Inject(faults.Fault{Match: clusterWrites, Times: 6, Do: echo(status, true)})
		r.patch(componentID("web"), object{"containerImage": prop(image(status))})
		r.patch(componentID("plain"), object{"containerImage": prop(image(status))})
		eventually(t, fmt.Sprint("the API server has answered ", status), func() error {
			if n := len(r.toKube.Seen(func(e faults.Exchange) bool { return e.Status == status })); n < 2 {
				return fmt.Errorf("%d times", n)
			}
			return nil
		})
		note("entities while refused", fmt.Sprint(r.entity(componentID("web"))["deploymentStatus"], r.entity(componentID("plain"))["deploymentStatus"]))
		remove()
	}
	r.await(onK8s, "web", "changed after all", func(*unstructured.Unstructured) error { return nil })
	for _, status := range []int{400, 401, 403, 500} {
		remove := r.toBroker.Inject(faults.Fault{Times: 6, Do: echo(status, false)})
		r.patch(componentID("web"), object{"containerImage": prop(image(1000 + status))})
		eventually(t, fmt.Sprint("the broker has answered ", status), func() error {
			if n := len(r.toBroker.Seen(func(e faults.Exchange) bool { return e.Status == status })); n < 1 {
				return fmt.Errorf("%d times", n)
			}
			return nil
		})
		r.askForResync()
		note("answers", get(t, "http://"+r.ops+"/readyz"))
		remove()
	}
	r.says(componentID("web"), "Running", "")

	// Said by who runs it.
	why := "no pull with " + m["registry password"] + ", and no start with " + m["env password"]
	r.mergeNamed(deployments, "service-shop-component-plain", object{"status": object{"conditions": []any{
		object{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": why}}}}, "status")
	eventually(t, "what is said is reported", func() error {
		if got := r.report(componentID("plain")); !strings.Contains(got.Message, "no pull with ") {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})

	// Others: handed over with secrets, refused, changed, shown.
	ask := func(method, path, token string, body any) {
		text, err := json.Marshal(body)
		must(t, err)
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.listen+path, strings.NewReader(string(text)))
		must(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		must(t, err)
		note("answers", fmt.Sprint(method, " ", path, " ", resp.Status, " ", resp.Header, " ", string(said)))
	}
	handed := newer("handed", 1)
	handed["service_component"].(object)["repoPassword"], handed["scomponent_network_conf"].(object)["PrivateKey"] = m["handed password"], m["handed key"]
	handed["service_component"].(object)["envVars"] = []object{{"key": "DB_PASS", "value": m["handed env"]}}
	broken := newer("handed", 1)
	broken["service_component"].(object)["repoPassword"], broken["service_component"].(object)["ports"] = []string{m["handed password"]}, m["handed password"]
	for _, token := range []string{m["wrong bearer"], bearer} {
		ask("POST", "/hlo_al/services/"+service, token, broken)
		ask("POST", "/hlo_al/services/"+service, token, handed)
		ask("PUT", "/hlo_al/services/"+componentPath("handed"), token, handed)
		ask("GET", "/hlo_al/services/"+componentPath("handed"), token, nil)
		ask("POST", "/v1/plans", token, object{"template": "none"})
	}
	eventually(t, "what was handed over is there", func() error {
		if r.find(onK8s, "handed") != nil {
			return nil
		}
		ask("POST", "/hlo_al/services/"+service, bearer, handed) // a machine under load may have answered 503
		return errors.New("not yet")
	})
	ask("DELETE", "/hlo_al/services/"+componentPath("handed"), bearer, nil)
	ask("POST", "/v1/plans", m["plan token"], object{"name": "x", "template": object{"demands": "none"}})

	// Commands, and a start with settings that are wrong.
	entities := file("entities.json", jsonText(t, append(world(), component("web", with(nil)), component("plain", with(object{"deployAs": prop("kubernetes")})))))
	binary, _ := programs.binaries(t)
	// Not render, which prints what would be applied, credentials included.
	for _, args := range [][]string{{"diff"}, {"diff", "-f", entities},
		{"status"}, {"describe", componentID("web")}, {"why", componentID("web")}, {"subscription", "list"}, {"prune"}} {
		p := launch(t, r.env, binary, args...)
		_, err := p.ended(patience)
		must(t, err)
		note("hlo-agent "+args[0], p.said.String())
	}
	wrong := maps.Clone(r.env)
	maps.Copy(wrong, map[string]string{"CB_URL": "http://u:" + m["broker token"] + "@broker", "CB_TOKEN_FILE": file("token", m["broker token"]), "API_RATE": "0", "LOG_LEVEL": "loud",
		"NOTIFICATION_SECRET": m["webhook secret"], "CB_OAUTH_TOKEN_URL": "x", "CB_OAUTH_CLIENT_SECRET": m["broker token"], "HLO_OAUTH_CLIENT_SECRET": m["plan token"],
		"KUBECONFIG": file("kubeconfig", "users: ["+m["kubeconfig token"]), "WORKERS": "many"})
	p := launch(t, wrong, binary, "run")
	if code, err := p.ended(patience); err != nil || code == 0 {
		t.Errorf("wrong settings end with %d, %v", code, err)
	}
	note("wrong settings", p.said.String())
	wrong = maps.Clone(r.env)
	wrong["KUBECONFIG"], wrong["LISTEN_ADDR"], wrong["OPS_ADDR"] = filepath.Join(dir, "kubeconfig"), freeAddress(t), freeAddress(t)
	p = launch(t, wrong, binary, "run")
	if code, err := p.ended(patience); err != nil || code == 0 {
		t.Errorf("a wrong kubeconfig ends with %d, %v", code, err)
	}
	note("wrong kubeconfig", p.said.String())

	note("metrics", get(t, "http://"+r.ops+"/metrics"))
	note("entities", fmt.Sprint(r.entity(componentID("web"))["deploymentStatus"], r.entity(componentID("plain"))["deploymentStatus"]))
	for _, o := range r.objectsWithoutSecrets(t) {
		note("objects", o)
	}
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	r.remove(componentID("plain"))
	r.gone(onK8s, "web")
	eventually(t, "the Deployment is gone", func() error { return differ("number", len(r.list(deployments)), 0) })
	for _, o := range r.objectsWithoutSecrets(t) {
		note("objects", o)
	}

	sent := 0
	for _, e := range r.toBroker.Seen(func(e faults.Exchange) bool { return e.Method != http.MethodGet }) {
		sent++
		text := e.Path + "?" + e.Query + " " + string(e.Body)
		if strings.Contains(e.Path, "/subscriptions") {
			text = strings.ReplaceAll(text, m["webhook secret"], "") // this is where it belongs
		}
		note("writes to the broker", text)
		if held := m.in(fmt.Sprint(e.Header), "broker token"); held != nil {
			t.Errorf("the headers of %s to the broker hold: %v", e.Path, held)
		}
	}
	for _, e := range r.toKube.Seen(nil) {
		note("addresses at the API server", e.Path+"?"+e.Query)
		if held := m.in(fmt.Sprint(e.Header), "kubeconfig token"); held != nil {
			t.Errorf("the headers of %s to the API server hold: %v", e.Path, held)
		}
		if strings.Contains(e.Path, "/events") {
			note("events", string(e.Body))
		}
	}
	note("log", r.agent.said.String())
	for where, text := range out {
		for _, what := range m.in(text) {
			t.Errorf("the %s is in: %s\n%s", what, where, around(text, m[what]))
		}
	}
	// What was looked for was there to be found, and what was searched is not empty.
	bodies := ""
	for _, e := range r.toKube.Seen(clusterWrites) {
		bodies += string(e.Body)
	}
	for _, what := range []string{"registry password", "env password", "argument password", "WireGuard key", "handed password", "handed key", "handed env"} {
		if !strings.Contains(bodies, m[what]) {
			t.Errorf("the %s never reached the cluster", what)
		}
	}
	for _, where := range []string{"log", "answers", "metrics", "objects", "events", "writes to the broker", "hlo-agent diff", "hlo-agent describe", "wrong settings", "wrong kubeconfig"} {
		if len(out[where]) < 50 {
			t.Errorf("there is next to nothing in: %s: %q", where, out[where])
		}
	}
	if sent < 10 {
		t.Errorf("only %d writes to the broker were seen", sent)
	}
}

// around is where a text stands in another.
func around(text, what string) string {
	i := strings.Index(text, what)
	return "…" + text[max(0, i-300):min(len(text), i+len(what)+100)] + "…"
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}

// objectsWithoutSecrets are the namespace's objects and events as text, without the
// fields in which secrets belong, and without what others say in their status.
func (o *objects) objectsWithoutSecrets(t *testing.T) (texts []string) {
	t.Helper()
	for _, kind := range []schema.GroupVersionResource{onK8s, onDock, deployments, secrets, events} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		all, err := o.of(kind).List(ctx, metav1.ListOptions{})
		cancel()
		must(t, err)
		for _, item := range all.Items {
			for _, field := range [][]string{{"spec", "imageRegistry"}, {"spec", "networkOverlay"}, {"data"}, {"stringData"}, {"spec", "envVars"}, {"spec", "cliArgs"},
				{"spec", "template", "spec", "containers"}, {"status"},
				{"metadata", "annotations", llo.AllocationAnnotation}} {
				unstructured.RemoveNestedField(item.Object, field...)
			}
			texts = append(texts, jsonText(t, item.Object))
		}
	}
	return texts
}
