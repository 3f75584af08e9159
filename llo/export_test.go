package llo

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Hurry shortens the pauses between attempts to list.
func (c *Cluster) Hurry() {
	c.pauses = pauses{10 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond}
}

// FirstFollower tells one goroutine of Run from those of other tests.
func (c *Cluster) FirstFollower() any { return (*c.kinds.Load())[0].all()[0] }

// Bench is a Cluster of one kind without an API server.
type Bench struct{ *Cluster }

func NewBench(t testing.TB, gvk schema.GroupVersionKind, owner, manager string) *Bench {
	c, err := New(Config{
		REST: &rest.Config{Host: "http://127.0.0.1:1"}, Owner: owner, Manager: manager, Scope: Scope{gvk: nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	(*c.kinds.Load())[0].keep(&resource{plural: "things", namespaced: true})
	(*c.kinds.Load())[0].all()[0].follows()
	return &Bench{c}
}

// Sight reads one object as a watch does.
func (b *Bench) Sight(t testing.TB, text string) any {
	s, err := b.sight((*b.kinds.Load())[0].gvk, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Take reads one object and puts it into the cache.
func (b *Bench) Take(t testing.TB, text string) {
	if err := (*b.kinds.Load())[0].all()[0].store.Update(b.Sight(t, text)); err != nil {
		t.Fatal(err)
	}
}

// Unsettle makes the next comparison a full one.
func (b *Bench) Unsettle() {
	store := (*b.kinds.Load())[0].all()[0].store
	store.mu.Lock()
	defer store.mu.Unlock()
	for _, o := range store.objects {
		o.settled = false
	}
}

// Hash is the input hash of a rendered object.
func (b *Bench) Hash(t testing.TB, o *unstructured.Unstructured) string {
	w, err := b.want(o)
	if err != nil {
		t.Fatal(err)
	}
	return w.hash
}
