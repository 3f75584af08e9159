package llo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

var testKind = schema.GroupVersionKind{Group: "g", Version: "v1", Kind: "K"}

const ownObject = `{"apiVersion":"g/v1","kind":"K","metadata":{
 "annotations":{"hlo-agent.github.io/entity":"urn:\"a\"","other":"x","hlo-agent.github.io/input-hash":"h"},
 "creationTimestamp":"2026-05-04T03:02:01Z","deletionTimestamp":"2026-05-04T03:02:02Z","generation":7,
 "labels":{"hlo-agent.github.io/owner":"me","x":"y"},
 "managedFields":[
  {"manager":"mine","operation":"Apply","fieldsV1":{"f:spec":{}}},
  {"manager":"mine","operation":"Update","subresource":"status","fieldsV1":{"f:status":{}}},
  {"manager":"other","operation":"Update","fieldsV1":{"f:x":{}}}],
 "name":"n","namespace":"ns","resourceVersion":"12","uid":"u"},
 "spec":{"n":12345678901234567,"f":1.5,"managedFields":[1],"resourceVersion":"kept"},"status":{"phase":"Running"}}`

func TestSight(t *testing.T) {
	t.Parallel()
	c := &Cluster{owner: "me", manager: "mine"}
	s, err := c.sight(testKind, ownObject)
	if err != nil {
		t.Fatal(err)
	}
	want := Live{
		Key: Key{testKind, "ns", "n"}, UID: "u", Generation: 7, ResourceVersion: "12", Deleting: true,
		Created:     time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		Annotations: map[string]string{EntityAnnotation: `urn:"a"`, InputHash: "h"},
	}
	got := s.Live
	got.raw = ""
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Live{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`{"f:spec":{}}`}, s.fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if !s.ours || s.owner != "me" || s.entity != `urn:"a"` {
		t.Errorf("ours %v owner %q entity %q", s.ours, s.owner, s.entity)
	}
	object := s.Object()
	if object.GetManagedFields() != nil || object.GetResourceVersion() != "12" || object.GetLabels()["x"] != "y" {
		t.Errorf("object %v", object)
	}
	wantSpec := map[string]any{"n": int64(12345678901234567), "f": 1.5, "managedFields": []any{int64(1)}, "resourceVersion": "kept"}
	if diff := cmp.Diff(wantSpec, object.Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	object.SetName("changed")
	if s.Object().GetName() != "n" {
		t.Errorf("the object that was handed out is shared")
	}
	if strings.Contains(s.raw, "managedFields\":[\n") || strings.Contains(s.raw, `"12"`) {
		t.Errorf("kept: %s", s.raw)
	}
}

func TestSightOfAForeignObjectKeepsLittle(t *testing.T) {
	t.Parallel()
	c := &Cluster{owner: "me", manager: "mine"}
	for _, owner := range []string{`"other"`, `null`, `""`} {
		s, err := c.sight(testKind, strings.Replace(ownObject, `"me"`, owner, 1))
		if err != nil {
			t.Fatal(err)
		}
		want := Live{Key: Key{testKind, "ns", "n"}, UID: "u", ResourceVersion: "12"}
		if diff := cmp.Diff(want, s.Live, cmp.AllowUnexported(Live{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if s.ours || s.owner != plain(owner) || s.entity != `urn:"a"` || s.fields != nil {
			t.Errorf("%+v", s)
		}
	}
}

func TestSightOfWhatIsNoObject(t *testing.T) {
	t.Parallel()
	c := &Cluster{owner: "me", manager: "mine"}
	for _, text := range []string{
		``, `[]`, `{}`, `null`, `{"metadata":{}}`, `{"metadata":null}`, `{"metadata":{"name":"n"}}`,
		`{"metadata":{"resourceVersion":"1"}}`, `{"metadata":{"name":"n","resourceVersion":"1","generation":"x"}}`,
		`{"metadata":{"name":"n","resourceVersion":"1","creationTimestamp":"yesterday"}}`,
		`{"metadata":{"name":"n","resourceVersion":"1","labels":[]}}`,
		`{"metadata":{"name":"n","resourceVersion":"1","annotations":"x"}}`,
		`{"metadata":{"name":"n","resourceVersion":"1","managedFields":{}}}`,
		`{"metadata":{"name":"n","resourceVersion":"1","labels":{"hlo-agent.github.io/owner":"me"}},"spec":{"a":tru}}`,
	} {
		if s, err := c.sight(testKind, text); err == nil {
			t.Errorf("%s: %+v", text, s)
		}
	}
	for _, text := range []string{
		`{"metadata":{"name":"n","resourceVersion":"1","labels":null,"annotations":null,"managedFields":null,"creationTimestamp":null}}`,
	} {
		if _, err := c.sight(testKind, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	c := &Cluster{owner: "me", manager: "mine"}
	s := &stream{sight: func(text string) (*sighting, error) { return c.sight(testKind, text) }}
	event, err := s.event(`{"type":"MODIFIED","object":` + ownObject + `}`)
	if seen, ok := event.Object.(*sighting); err != nil || !ok || event.Type != watch.Modified || seen.Name != "n" {
		t.Errorf("%v %v", event, err)
	}
	event, err = s.event(`{"object":{"kind":"K","metadata":{"resourceVersion":"9","creationTimestamp":null,
		"annotations":{"k8s.io/initial-events-end":"true"}},"spec":{}},"type":"BOOKMARK"}`)
	seen, ok := event.Object.(*sighting)
	if err != nil || !ok || seen.GetObjectMeta().GetResourceVersion() != "9" ||
		seen.GetObjectMeta().GetAnnotations()[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("%v %v", event, err)
	}
	event, err = s.event(`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}`)
	if err != nil || event.Object.(*sighting).complete {
		t.Errorf("%v %v", event, err)
	}
	event, err = s.event(`{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}`)
	if status, ok := event.Object.(*metav1.Status); err != nil || !ok || status.Code != 410 {
		t.Errorf("%v %v", event, err)
	}
	for _, text := range []string{`{}`, `[]`, `{"type":"ADDED"}`, `{"type":"ADDED","object":{}}`, `{"type":"NEW","object":{}}`,
		`{"type":"BOOKMARK","object":{}}`, `{"type":"BOOKMARK","object":{"metadata":{}}}`, `{"type":"ERROR","object":7}`} {
		if _, err := s.event(text); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestSightList(t *testing.T) {
	t.Parallel()
	c := &Cluster{owner: "me", manager: "mine"}
	page, err := c.sightList(testKind, `{"kind":"KList","metadata":{"resourceVersion":"20","continue":"c","x":{}},"items":[`+ownObject+`]}`)
	if err != nil || page.ResourceVersion != "20" || page.Continue != "c" || len(page.Items) != 1 || page.Items[0].Name != "n" {
		t.Errorf("%+v %v", page, err)
	}
	for _, text := range []string{`{"metadata":{"resourceVersion":"20"},"items":[]}`, `{"metadata":{"resourceVersion":"20"},"items":null}`} {
		if page, err := c.sightList(testKind, text); err != nil || len(page.Items) > 0 {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{``, `{}`, `{"items":[]}`, `{"metadata":{"resourceVersion":"1"},"items":[{}]}`, `{"metadata":{"resourceVersion":"1"},"items":{}}`} {
		if _, err := c.sightList(testKind, text); !errors.Is(err, errNotJSON) && err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
