package llo_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hlo-agent/hlo-agent/llo"
)

// An Event is made, counted on, made again once the API server forgot it, and found
// by the entity that it is about.
func TestTell(t *testing.T) {
	w := newWorld(t)
	c := w.run()
	first := time.Now().Truncate(time.Second)
	e := llo.Event{
		Name: "a.1", Regarding: llo.Key{GVK: schema.GroupVersionKind{Kind: "ServiceComponent"}, Namespace: w.namespace, Name: "a"},
		Entity: entity, Reason: "NoImage", Message: strings.Repeat("long ", 500), Warning: true, Count: 1, First: first, Last: first,
	}
	told := func(ids ...types.UID) []llo.Event {
		t.Helper()
		all, err := c.Told(t.Context(), w.namespace, entity, ids...)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	tell := func(e llo.Event) {
		t.Helper()
		if err := c.Tell(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	tell(e)
	tell(e) // its answer was lost
	if all := told(); len(all) != 1 || all[0].Count != 1 || !all[0].Warning || len(all[0].Message) > 1024 || !all[0].Last.Equal(first) || all[0].Regarding.GVK.Kind != "ServiceComponent" {
		t.Fatalf("told: %+v", all)
	}
	e.Count, e.Message, e.Last = 7, "again", first.Add(time.Minute)
	tell(e)
	if all := told(); len(all) != 1 || all[0].Count != 7 || all[0].Message != "again" || !all[0].First.Equal(first) || !all[0].Last.Equal(e.Last) {
		t.Errorf("counted: %+v", all)
	}
	events := w.admin.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).Namespace(w.namespace)
	if err := events.Delete(t.Context(), e.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.Count = 8
	tell(e)
	if all := told(); len(all) != 1 || all[0].Count != 8 {
		t.Errorf("made again: %+v", all)
	}

	// Those on its objects by others are found too, those on other entities are not.
	other := e
	other.Name, other.Entity, other.UID, other.Last = "b.1", "urn:other", "u-1", first.Add(-time.Minute)
	tell(other)
	if all := told(); len(all) != 1 {
		t.Errorf("of another entity: %+v", all)
	}
	if all := told("u-1"); len(all) != 2 || all[0].Name != "b.1" {
		t.Errorf("on its object, the oldest first: %+v", all)
	}
}
