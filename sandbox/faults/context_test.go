package faults_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// No @context is ever fetched, wherever one is named: in an entity that the broker is
// given, in a notification, in what another domain asks for, in a file of entities.
func TestContextsAreNeverFetched(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int32
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_, _ = w.Write([]byte(`{"@context":{}}`))
	}))
	t.Cleanup(away.Close)
	r := openRig(t, nil)
	r.ready(component("web", nil))
	with := func(o object) object {
		o["@context"] = []any{away.URL + "/c.jsonld", object{"image": away.URL}}
		return o
	}

	// As application/ld+json, at the broker: it holds no such document.
	text, err := json.Marshal(with(component("other", nil)))
	must(t, err)
	resp, err := http.Post(r.url()+"/ngsi-ld/v1/entities", "application/ld+json", bytes.NewReader(text))
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the broker answers %s", resp.Status)
	}

	// At the agent, which reads it as if it were not there.
	link := http.Header{"Link": {"<" + away.URL + `/l.jsonld>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"`}}
	changed := component("web", object{"containerImage": prop(image(2))})
	r.patch(componentID("web"), object{"containerImage": prop(image(2))})
	var body object
	must(t, json.Unmarshal(r.notification(now(0), with(changed)), &body))
	text, err = json.Marshal(with(body))
	must(t, err)
	link.Set("Content-Type", "application/ld+json")
	if got := r.notify(text, link); got != http.StatusNoContent {
		t.Errorf("the webhook answers %d", got)
	}
	r.await(onK8s, "web", "changed", hasImage(2))
	if _, err := r.call("POST", service, with(flat("handed", 1))); err != nil {
		t.Error(err)
	}
	file, err := json.Marshal(append(world(), with(component("web", nil))))
	must(t, err)
	entities := t.TempDir() + "/entities.json"
	must(t, os.WriteFile(entities, file, 0o600))
	if said, err := r.command("render", "-f", entities); err != nil || !strings.Contains(said, objectName("web")) {
		t.Errorf("render: %v\n%s", err, said)
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("contexts were fetched %d times", n)
	}
}
