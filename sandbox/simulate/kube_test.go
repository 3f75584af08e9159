package simulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

var server kubetest.Shared

const resourceK8s = "servicecomponentk8s"

// stage is an API server, real or model, with somebody who is no agent.
type stage interface {
	rest() *rest.Config
	put(name, image string) error
	edit(name string, patch map[string]any) error
	status(name string, status map[string]any) error
}

// TestModelBehavesLikeTheAPIServer plays the same scene on the model and on a real
// API server, and compares what everybody saw.
func TestModelBehavesLikeTheAPIServer(t *testing.T) {
	real := server.Server(t)
	namespace := kubetest.Namespace(t, real)
	client, err := dynamic.NewForConfig(real.REST())
	if err != nil {
		t.Fatal(err)
	}
	want := scene(t, namespace, &realStage{real.REST(), client.Resource(version.WithResource(resourceK8s)).Namespace(namespace)})
	got := scene(t, namespace, &modelStage{newKube(), namespace})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the API server (-) and the model (+) differ:\n%s", diff)
	}
	if len(want) < 25 {
		t.Errorf("only %d lines were compared", len(want))
	}
}

type realStage struct {
	config *rest.Config
	client dynamic.ResourceInterface
}

func (s *realStage) rest() *rest.Config { return s.config }

func (s *realStage) put(name, image string) error {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"image": image}}}
	o.SetGroupVersionKind(version.WithKind(kinds[resourceK8s]))
	o.SetName(name)
	_, err := s.client.Create(context.Background(), o, metav1.CreateOptions{FieldManager: "helm"})
	return err
}

func (s *realStage) edit(name string, patch map[string]any) error {
	_, err := s.client.Patch(context.Background(), name, types.MergePatchType, []byte(textOf(patch)), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	return err
}

func (s *realStage) status(name string, status map[string]any) error {
	_, err := s.client.Patch(context.Background(), name, types.MergePatchType, []byte(textOf(map[string]any{"status": status})), metav1.PatchOptions{FieldManager: "operator"}, "status")
	return err
}

type modelStage struct {
	kube      *kube
	namespace string
}

func (s *modelStage) rest() *rest.Config {
	return &rest.Config{Host: "http://kube", Transport: s}
}

// RoundTrip implements http.RoundTripper.
func (s *modelStage) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Query().Get("watch") == "true" {
		return s.kube.watch(nil, req, newDice(1).Rand), nil
	}
	return s.kube.serve(req), nil
}

// CloseIdleConnections is asked for by client-go.
func (s *modelStage) CloseIdleConnections() {}

func (s *modelStage) at(name string) place { return place{resourceK8s, s.namespace, name} }

func (s *modelStage) put(name, image string) error {
	return s.kube.put("helm", s.at(name), func(o *unstructured.Unstructured) { o.Object["spec"] = map[string]any{"image": image} })
}

func (s *modelStage) edit(name string, patch map[string]any) error {
	return s.kube.edit("kubectl-edit", s.at(name), func(o *unstructured.Unstructured) { merge(o.Object, patch) })
}

func (s *modelStage) status(name string, status map[string]any) error {
	s.kube.setStatus("operator", s.at(name), s.kube.get(s.at(name)).GetUID(), status)
	return nil
}

// merge is a JSON merge patch.
func merge(into, patch map[string]any) {
	for key, value := range patch {
		below, isMap := value.(map[string]any)
		there, wasMap := into[key].(map[string]any)
		switch {
		case value == nil:
			delete(into, key)
		case isMap && wasMap:
			merge(there, below)
		default:
			into[key] = value
		}
	}
}

// script is what was seen, in words that are the same on both stages.
type script struct {
	t         *testing.T
	stage     stage
	namespace string
	lines     []string
	uids      []string
}

func (s *script) say(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), s.namespace, "NS")
	text = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllStringFunc(text, func(uid string) string {
		if !slices.Contains(s.uids, uid) {
			s.uids = append(s.uids, uid)
		}
		return fmt.Sprintf("uid-%d", slices.Index(s.uids, uid))
	})
	s.lines = append(s.lines, text)
}

func (s *script) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%v; so far:\n%s", err, strings.Join(s.lines, "\n"))
	}
}

// until waits for what a watch brings.
func (s *script) until(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within 30 s; so far:\n%s", what, strings.Join(s.lines, "\n"))
		}
		<-time.After(5 * time.Millisecond)
	}
}

// component is what an agent renders.
func componentObject(namespace, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(version.WithKind(kinds[resourceK8s]))
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetAnnotations(map[string]string{llo.EntityAnnotation: "urn:" + name})
	return o
}

func (s *script) cluster(owner string) *llo.Cluster {
	s.t.Helper()
	c, err := llo.New(llo.Config{REST: s.stage.rest(), Owner: owner, Manager: "hlo-agent/" + owner,
		Scope: llo.Scope{version.WithKind(kinds[resourceK8s]): {s.namespace}, version.WithKind("Unheard"): {s.namespace}}})
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.say2(c.Run(ctx)) }()
	s.t.Cleanup(func() { cancel(); <-ended })
	s.until("ready", c.Ready)
	return c
}

func (s *script) say2(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

func (s *script) apply(c *llo.Cluster, name string, spec map[string]any) {
	s.t.Helper()
	r, err := c.Apply(context.Background(), componentObject(s.namespace, name, spec))
	var foreign *llo.ForeignError
	switch {
	case errors.As(err, &foreign):
		s.say("apply %s: held by owner %q, entity %q", name, foreign.Owner, foreign.Entity)
	case err != nil:
		s.say("apply %s: invalid %v, retry %v, no kind %v", name, errors.Is(err, llo.ErrInvalid), errors.Is(err, llo.ErrRetry), errors.Is(err, llo.ErrNoKind))
	default:
		s.say("apply %s: %s, generation %d, %s, taken over %v", name, r.Action, r.Generation, r.UID, r.TakenOver)
	}
}

func (s *script) key(name string) llo.Key {
	return llo.Key{GVK: version.WithKind(kinds[resourceK8s]), Namespace: s.namespace, Name: name}
}

// show says what the cache has of an object.
func (s *script) show(c *llo.Cluster, name string) {
	live, ok := c.Get(s.key(name))
	if !ok {
		owner, entity, exists := c.Holder(s.key(name))
		s.say("%s: not ours; there %v, owner %q, entity %q", name, exists, owner, entity)
		return
	}
	o := live.Object()
	s.say("%s: generation %d, deleting %v, labels %v, spec %s, status %s, finalizers %v", name, live.Generation, live.Deleting,
		o.GetLabels(), textOf(o.Object["spec"]), textOf(o.Object["status"]), o.GetFinalizers())
}

// raw sends a request as it is, and says what was answered.
func (s *script) raw(method, path, contentType string, body any) {
	s.t.Helper()
	client, err := rest.HTTPClientFor(s.stage.rest())
	s.must(err)
	var text []byte
	if body != nil {
		text = []byte(textOf(body))
	}
	req, err := http.NewRequest(method, s.stage.rest().Host+path, bytes.NewReader(text))
	s.must(err)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	r, err := client.Do(req)
	s.must(err)
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	s.must(err)
	var status metav1.Status
	if json.Unmarshal(answer, &status) != nil || status.Kind != "Status" {
		s.say("%s %s: %d", method, path, r.StatusCode)
		return
	}
	var causes []string
	if status.Details != nil {
		for _, c := range status.Details.Causes {
			causes = append(causes, string(c.Type)+" "+c.Field)
		}
		s.say("%s %s: %d %s, %s %s %v", method, path, r.StatusCode, status.Reason, status.Details.Kind, status.Details.Name, causes)
		return
	}
	s.say("%s %s: %d %s", method, path, r.StatusCode, status.Reason)
}

// stream opens a watch with a streamed list and says what comes up to its end.
func (s *script) stream(path string) {
	s.t.Helper()
	client, err := rest.HTTPClientFor(s.stage.rest())
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.stage.rest().Host+path, nil)
	s.must(err)
	r, err := client.Do(req)
	s.must(err)
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Type   string
			Object unstructured.Unstructured
		}
		s.must(json.Unmarshal(lines.Bytes(), &e))
		s.say("watch: %s %s %s %v", e.Type, e.Object.GetKind(), e.Object.GetName(), e.Object.GetAnnotations()[metav1.InitialEventsAnnotationKey])
		if e.Type == "BOOKMARK" {
			return
		}
	}
	s.t.Fatalf("the watch ended: %v", lines.Err())
}

// leases writes a Lease as copies that elect one do: each from what it has read.
func (s *script) leases() {
	s.t.Helper()
	const json = "application/json"
	base := "/apis/coordination.k8s.io/v1/namespaces/" + s.namespace + "/leases"
	lease := func(holder string, version string) map[string]any {
		return map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": map[string]any{"name": "a", "resourceVersion": version},
			"spec": map[string]any{"holderIdentity": holder, "leaseDurationSeconds": 10}}
	}
	s.raw("GET", base+"/a", "", nil)
	s.raw("POST", base, json, lease("one", ""))
	s.raw("POST", base, json, lease("two", ""))
	client, err := coordination.NewForConfig(s.stage.rest())
	s.must(err)
	read, err := client.Leases(s.namespace).Get(s.t.Context(), "a", metav1.GetOptions{})
	s.must(err)
	s.say("%s %s: held by %s for %d s, with a UID %v and a time %v", read.Namespace, read.Name, *read.Spec.HolderIdentity, *read.Spec.LeaseDurationSeconds,
		read.UID != "", !read.CreationTimestamp.IsZero())
	s.raw("PUT", base+"/a", json, lease("two", "1"))
	s.raw("PUT", base+"/a", json, lease("two", read.ResourceVersion))
	s.raw("PUT", base+"/a", json, lease("one", read.ResourceVersion))
	now, err := client.Leases(s.namespace).Get(s.t.Context(), "a", metav1.GetOptions{})
	s.must(err)
	s.say("held by %s, another version %v, the same UID %v", *now.Spec.HolderIdentity, now.ResourceVersion != read.ResourceVersion, now.UID == read.UID)
}

func scene(t *testing.T, namespace string, on stage) []string {
	t.Helper()
	s := &script{t: t, stage: on, namespace: namespace}
	one, two := s.cluster("one"), s.cluster("two")
	env := []any{map[string]any{"key": "A", "value": "1"}}
	first, second := map[string]any{"image": "x:1", "envVars": env}, map[string]any{"image": "x:2"}
	generation := func(c *llo.Cluster, name string, n int64) func() bool {
		return func() bool { live, ok := c.Get(s.key(name)); return ok && live.Generation == n }
	}

	s.apply(one, "a", first)
	s.apply(one, "a", first)
	s.show(one, "a")
	s.apply(one, "a", second) // the variables go
	s.show(one, "a")
	s.must(on.edit("a", map[string]any{"spec": map[string]any{"image": "edited", "exposePorts": true}}))
	s.until("the edit is seen", generation(one, "a", 3))
	s.apply(one, "a", second)
	s.show(one, "a")
	s.apply(one, "a", second)
	s.must(on.status("a", map[string]any{"phase": "Running", "observedGeneration": int64(4)}))
	s.until("the status is seen", func() bool {
		live, ok := one.Get(s.key("a"))
		return ok && live.Object().Object["status"] != nil
	})
	s.show(one, "a")
	s.apply(one, "a", second)
	s.until("the other sees it", func() bool { _, _, there := two.Holder(s.key("a")); return there })
	s.apply(two, "a", second)
	s.show(two, "a")

	s.must(on.put("b", "theirs"))
	s.apply(one, "b", second)
	s.show(one, "b")
	_, err := one.Apply(t.Context(), func() *unstructured.Unstructured {
		o := componentObject(namespace, "a", second)
		o.SetGroupVersionKind(version.WithKind("Unheard"))
		return o
	}())
	s.say("a kind that is not there: %v", errors.Is(err, llo.ErrNoKind))

	s.must(on.edit("a", map[string]any{"metadata": map[string]any{"finalizers": []any{"example.org/hold"}}}))
	s.until("the finalizer is seen", func() bool {
		live, ok := one.Get(s.key("a"))
		return ok && len(live.Object().GetFinalizers()) == 1
	})
	s.show(one, "a")
	live, _ := one.Get(s.key("a"))
	s.say("delete: %v", one.Delete(t.Context(), live))
	s.until("the deletion is seen", func() bool { live, ok := one.Get(s.key("a")); return ok && live.Deleting })
	s.show(one, "a")
	s.apply(one, "a", second)
	s.must(on.edit("a", map[string]any{"metadata": map[string]any{"finalizers": nil}}))
	s.until("it is gone", func() bool { _, ok := one.Get(s.key("a")); return !ok })
	s.say("delete again: %v", one.Delete(t.Context(), live))
	s.apply(one, "a", first)

	base := "/apis/" + version.String() + "/namespaces/" + namespace + "/" + resourceK8s
	patch := func(metadata map[string]any) map[string]any {
		return map[string]any{"apiVersion": version.String(), "kind": kinds[resourceK8s], "metadata": metadata, "spec": map[string]any{"exposePorts": false}}
	}
	const applied, other = "application/apply-patch+yaml", "99999999-0000-4000-8000-000000000000"
	s.raw("GET", base+"/none", "", nil)
	s.raw("GET", "/apis/example.org/v1", "", nil)
	s.raw("GET", "/apis/"+version.String(), "", nil)
	s.raw("PATCH", base+"/a?fieldManager=x&force=true", applied, patch(map[string]any{"name": "a", "resourceVersion": "1"}))
	s.raw("PATCH", base+"/a?fieldManager=x&force=true", applied, patch(map[string]any{"name": "a", "uid": other}))
	s.raw("PATCH", base+"/none?fieldManager=x&force=true", applied, patch(map[string]any{"name": "none", "uid": other}))
	s.raw("PATCH", base+"/new?fieldManager=x", applied, patch(map[string]any{"name": "new", "resourceVersion": "1"}))
	conflict := patch(map[string]any{"name": "a"})
	conflict["spec"] = map[string]any{"image": "y"}
	s.raw("PATCH", base+"/a?fieldManager=x", applied, conflict)
	options := map[string]any{"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": map[string]any{"uid": other}}
	s.raw("DELETE", base+"/a", "application/json", options)
	s.raw("DELETE", base+"/none", "application/json", options)
	s.raw("DELETE", base+"/new", "application/json", map[string]any{"kind": "DeleteOptions", "apiVersion": "v1"})
	s.leases()
	s.stream(base + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
	return s.lines
}
