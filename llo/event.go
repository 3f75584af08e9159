package llo

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Event is something that happened to an object, told where people look at the
// object: as a Kubernetes Event (v1). It is kept for an hour by default.
type Event struct {
	// Name of the Event itself, in the namespace of the object.
	Name string
	// Regarding is the object. It need not be there, nor be of a kind that is.
	Regarding Key
	UID       types.UID // of the object; empty if it is not there
	// Entity goes into an annotation, Message is at most 1 KiB.
	Entity, Reason, Message string
	Warning                 bool
	Count                   int
	First, Last             time.Time
	// Source is who told it, empty of those that Tell makes.
	Source string
}

// maxEventMessage is what the API server takes, in bytes.
const maxEventMessage = 1024

// Tell makes an Event or, if it was told before, changes its count, its message and
// the time when it was last so. Errors are those of the API server, unclassified:
// nothing depends on an Event. ctx and 30 s bound each of at most two requests.
func (c *Cluster) Tell(ctx context.Context, e Event) error {
	if len(e.Message) > maxEventMessage {
		e.Message = strings.ToValidUTF8(e.Message[:maxEventMessage-3], "") + "…"
	}
	if e.Count > 1 {
		body, err := json.Marshal(map[string]any{"count": e.Count, "message": e.Message, "lastTimestamp": stamp(e.Last)})
		if err != nil {
			return err
		}
		_, err = c.conn().do(ctx, request{verb: "patch", kind: "Event", patch: types.MergePatchType, method: http.MethodPatch,
			path: append(eventPath(e.namespace()), e.Name), body: body})
		if !apierrors.IsNotFound(err) {
			return err
		}
	}
	body, err := json.Marshal(c.eventBody(&e))
	if err != nil {
		return err
	}
	_, err = c.conn().do(ctx, request{verb: "create", kind: "Event", method: http.MethodPost, path: eventPath(e.namespace()), body: body})
	if apierrors.IsAlreadyExists(err) {
		return nil // the answer to an earlier try was lost
	}
	return err
}

func (c *Cluster) eventBody(e *Event) map[string]any {
	typ := "Normal"
	if e.Warning {
		typ = "Warning"
	}
	apiVersion, kind := e.Regarding.GVK.ToAPIVersionAndKind()
	return map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{
			"name": e.Name, "namespace": e.namespace(),
			"labels": map[string]any{Owner: c.owner}, "annotations": map[string]any{EntityAnnotation: e.Entity},
		},
		"involvedObject": map[string]any{
			"apiVersion": apiVersion, "kind": kind, "namespace": e.Regarding.Namespace, "name": e.Regarding.Name, "uid": string(e.UID),
		},
		"type": typ, "reason": e.Reason, "message": e.Message, "count": e.Count,
		"firstTimestamp": stamp(e.First), "lastTimestamp": stamp(e.Last),
		"source":             map[string]any{"component": "hlo-agent"},
		"reportingComponent": "hlo-agent", "reportingInstance": c.owner,
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// namespace is that of the Event: of the object or, where that has none, default.
func (e *Event) namespace() string {
	if e.Regarding.Namespace == "" {
		return metav1.NamespaceDefault
	}
	return e.Regarding.Namespace
}

func eventPath(namespace string) []string {
	return []string{"api", "v1", "namespaces", namespace, "events"}
}

// Told gives the Events on an entity in a namespace that the agent with our owner
// label has told, and those of anybody on the objects with the given UIDs, the
// oldest first.
func (c *Cluster) Told(ctx context.Context, namespace, entity string, objects ...types.UID) ([]Event, error) {
	selectors := []url.Values{{"labelSelector": {Owner + "=" + c.owner}}}
	for _, uid := range objects {
		selectors = append(selectors, url.Values{"fieldSelector": {"involvedObject.uid=" + string(uid)}})
	}
	var found []Event
	for _, selector := range selectors {
		ours := selector.Has("labelSelector")
		list, err := c.events(ctx, namespace, selector)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if ours != (e.Entity == entity && e.Source == "hlo-agent") {
				continue // another component's, or seen already
			}
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b Event) int { return a.Last.Compare(b.Last) })
	return found, nil
}

// eventItem is what is read of an Event.
type eventItem struct {
	Metadata struct {
		Name              string            `json:"name"`
		Annotations       map[string]string `json:"annotations"`
		CreationTimestamp time.Time         `json:"creationTimestamp"`
	} `json:"metadata"`
	InvolvedObject struct {
		Kind, Namespace, Name string
		UID                   types.UID
	} `json:"involvedObject"`
	Type, Reason, Message string
	Count                 int
	FirstTimestamp        *time.Time
	LastTimestamp         *time.Time
	EventTime             *time.Time
	ReportingComponent    string
	Source                struct{ Component string }
}

// events lists page by page.
func (c *Cluster) events(ctx context.Context, namespace string, selector url.Values) ([]Event, error) {
	var found []Event
	for next := ""; ; {
		options := &metav1.ListOptions{Limit: 500, Continue: next, LabelSelector: selector.Get("labelSelector"), FieldSelector: selector.Get("fieldSelector")}
		text, err := c.conn().do(ctx, request{verb: "list", kind: "Event", path: eventPath(namespace), options: options})
		if err != nil {
			return nil, err
		}
		var list struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []eventItem `json:"items"`
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, err
		}
		for i := range list.Items {
			found = append(found, list.Items[i].event())
		}
		if next = list.Metadata.Continue; next == "" {
			return found, nil
		}
	}
}

func (i *eventItem) event() Event {
	e := Event{
		Name: i.Metadata.Name, Entity: i.Metadata.Annotations[EntityAnnotation], Reason: i.Reason, Message: i.Message,
		Regarding: Key{Namespace: i.InvolvedObject.Namespace, Name: i.InvolvedObject.Name}, UID: i.InvolvedObject.UID,
		Warning: i.Type == "Warning", Count: max(i.Count, 1), First: i.Metadata.CreationTimestamp, Source: i.ReportingComponent,
	}
	e.Regarding.GVK.Kind = i.InvolvedObject.Kind
	if e.Source == "" {
		e.Source = i.Source.Component
	}
	for _, at := range []*time.Time{i.FirstTimestamp, i.EventTime} {
		if at != nil {
			e.First = *at
			break
		}
	}
	if e.Last = e.First; i.LastTimestamp != nil {
		e.Last = *i.LastTimestamp
	}
	return e
}
