package llo_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/hlo-agent/hlo-agent/llo"
)

// gadget is a kind of its own for one test, which comes and goes.
type gadget struct {
	w    *world
	gvk  schema.GroupVersionKind
	name string
}

func newGadget(w *world, group string) *gadget {
	return &gadget{w, schema.GroupVersionKind{Group: group, Version: "v1", Kind: "Gadget"}, "gadgets." + group}
}

func (g *gadget) definitions() dynamic.ResourceInterface {
	return g.w.admin.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
}

func (g *gadget) install(scope string) {
	g.w.t.Helper()
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": g.name},
		"spec": map[string]any{
			"group": g.gvk.Group, "scope": scope,
			"names": map[string]any{"kind": "Gadget", "plural": "gadgets", "listKind": "GadgetList", "singular": "gadget"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type": "object", "x-kubernetes-preserve-unknown-fields": true,
				}},
			}},
		},
	}}
	if _, err := g.definitions().Create(g.w.t.Context(), definition, metav1.CreateOptions{}); err != nil {
		g.w.t.Fatal(err)
	}
	g.w.t.Cleanup(g.uninstall)
}

func (g *gadget) uninstall() {
	// A second one finds nothing.
	_ = g.definitions().Delete(g.w.t.Context(), g.name, metav1.DeleteOptions{})
}

func (g *gadget) object(name string) *unstructured.Unstructured {
	return g.w.component(name, func(o map[string]any) {
		o["apiVersion"], o["kind"] = g.gvk.GroupVersion().String(), g.gvk.Kind
	})
}

func TestKindThatComesLaterAndGoes(t *testing.T) {
	w := newWorld(t)
	g := newGadget(w, "later.example.org")
	c := w.run(func(cfg *llo.Config) { cfg.Scope = in(kinds(k8sKind, g.gvk), w.namespace) })

	// It holds up nothing, and is said once.
	w.apply(c, w.component("a"), llo.ActionCreated)
	if err := c.KindState(g.gvk); !errors.Is(err, llo.ErrNoKind) {
		t.Fatalf("state %v, want ErrNoKind", err)
	}
	w.wire.reset()
	if _, err := c.Apply(t.Context(), g.object("g")); !errors.Is(err, llo.ErrNoKind) {
		t.Errorf("apply: %v, want ErrNoKind", err)
	}
	w.wire.wantWrites(t, 0)
	eventually(t, "asked again", func() bool { return len(w.wire.requests()) > 2 })
	if said := w.log.count("not following"); said != 1 {
		t.Errorf("said %d times:\n%s", said, w.log.text.String())
	}

	g.install("Namespaced")
	eventually(t, "followed", func() bool { return c.KindState(g.gvk) == nil })
	w.apply(c, g.object("g"), llo.ActionCreated)
	key := llo.Key{GVK: g.gvk, Namespace: w.namespace, Name: "g"}
	if _, ok := c.Get(key); !ok {
		t.Errorf("not in the cache")
	}
	c.forget()

	w.wire.cutWatches()
	g.uninstall()
	eventually(t, "known to be gone", func() bool { return errors.Is(c.KindState(g.gvk), llo.ErrNoKind) })
	eventually(t, "its objects are gone", func() bool { _, ok := c.Get(key); return !ok })
	c.waitTold(t, entity)
	if _, ok := c.Get(w.key("a")); !ok {
		t.Errorf("the objects of another kind went, too")
	}
}

func TestKindWithoutNamespaces(t *testing.T) {
	w := newWorld(t)
	g := newGadget(w, "wide.example.org")
	g.install("Cluster")
	c := w.run(func(cfg *llo.Config) {
		cfg.Scope = in(kinds(g.gvk), w.namespace, "default")
	})
	eventually(t, "followed", func() bool { return c.KindState(g.gvk) == nil })
	w.apply(c, g.object("g"), llo.ActionCreated)
	live, ok := c.Get(llo.Key{GVK: g.gvk, Name: "g"})
	if !ok || len(c.All()) != 1 {
		t.Fatalf("not in the cache: %v", c.All())
	}
	w.apply(c, g.object("g"), llo.ActionNone)
	if err := c.Delete(t.Context(), live); err != nil {
		t.Error(err)
	}
	eventually(t, "gone", func() bool { return len(c.All()) == 0 })
}

// TestAnswersThatProveNothing: neither a gateway that answers 404 for everything nor
// one that answers something else may make objects look gone.
func TestAnswersThatProveNothing(t *testing.T) {
	for name, answer := range map[string]string{
		"404":             "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n404 page not found",
		"404 with status": "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n" + `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"no"}`,
		"200 with a page": "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html></html>",
		"200 with {}":     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
		"empty list":      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + `{"items":[]}`,
		"401":             "HTTP/1.1 401 Unauthorized\r\n\r\n",
		"403":             "HTTP/1.1 403 Forbidden\r\n\r\n",
		"503":             "HTTP/1.1 503 Service Unavailable\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.run()
			w.apply(c, w.component("a"), llo.ActionCreated)
			w.wire.answerWith(answer)
			w.wire.reset()
			w.wire.cutWatches()
			eventually(t, "tried", func() bool { return len(w.wire.requests()) >= 6 })
			if err := c.KindState(k8sKind); !errors.Is(err, llo.ErrRetry) {
				t.Errorf("state %v, want ErrRetry", err)
			}
			if _, ok := c.Get(w.key("a")); !ok {
				t.Errorf("the object is taken for gone")
			}
			w.wire.answerWith("")
			eventually(t, "followed", func() bool { return c.KindState(k8sKind) == nil })
		})
	}
}

func TestKindsAndNamespacesThatAreNotConfigured(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	if err := c.KindState(dockerKind); !errors.Is(err, llo.ErrNoKind) {
		t.Errorf("state %v, want ErrNoKind", err)
	}
	other := w.component("a", set("ServiceComponentDocker", "kind"))
	if _, err := c.Apply(t.Context(), other); !errors.Is(err, llo.ErrNoKind) {
		t.Errorf("apply: %v, want ErrNoKind", err)
	}
	other = w.component("a", set("default", "metadata", "namespace"))
	if _, err := c.Apply(t.Context(), other); !errors.Is(err, llo.ErrInvalid) {
		t.Errorf("apply: %v, want ErrInvalid", err)
	}
	if _, _, ok := c.Holder(llo.Key{GVK: dockerKind, Namespace: "default", Name: "a"}); ok {
		t.Errorf("holder of a name that is not looked at")
	}
}

func TestAllNamespaces(t *testing.T) {
	w := newWorld(t)
	c := w.run(func(cfg *llo.Config) { cfg.Scope, cfg.Owner = in(kinds(k8sKind)), "agent-everywhere" })
	w.apply(c, w.component("a"), llo.ActionCreated)
	if live, ok := c.Get(w.key("a")); !ok || live.Namespace != w.namespace {
		t.Errorf("not in the cache")
	}
	w.apply(c, w.component("a"), llo.ActionNone)
}

// answerWith answers everything with that text instead of the API server's answer.
func (w *wire) answerWith(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.canned = text
}

func cannedAnswer(text string, r *http.Request) (*http.Response, error) {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	answer := &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r,
		Body: io.NopCloser(bytes.NewBufferString(body)), ContentLength: int64(len(body)),
	}
	lines := strings.Split(head, "\r\n")
	if _, err := fmt.Sscanf(lines[0], "HTTP/1.1 %d", &answer.StatusCode); err != nil {
		return nil, err
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		answer.Header.Set(name, value)
	}
	return answer, nil
}
