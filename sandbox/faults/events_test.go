package faults_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var kubeEvents = schema.GroupVersionResource{Version: "v1", Resource: "events"}

// events are those that the agent told of a component, as "Type Reason Kind/name: message".
func (r *rig) events(name string) []string {
	r.t.Helper()
	list, err := r.client.Resource(kubeEvents).Namespace(r.namespace).List(r.t.Context(), metav1.ListOptions{LabelSelector: "hlo-agent.github.io/owner=" + r.id})
	must(r.t, err)
	slices.SortFunc(list.Items, func(a, b unstructured.Unstructured) int {
		return strings.Compare(fmt.Sprint(a.Object["firstTimestamp"]), fmt.Sprint(b.Object["firstTimestamp"]))
	})
	var all []string
	for _, e := range list.Items {
		if e.GetAnnotations()["hlo-agent.github.io/entity"] == componentID(name) {
			all = append(all, fmt.Sprintf("%v %v %v/%v: %v", e.Object["type"], e.Object["reason"], at(e.Object, "involvedObject", "kind"), at(e.Object, "involvedObject", "name"), e.Object["message"]))
		}
	}
	return all
}

// happens waits for an Event that begins with a text.
func (r *rig) happens(name, begin string) {
	r.t.Helper()
	eventually(r.t, "an Event of "+name, func() error {
		all := r.events(name)
		if strings.Contains(strings.Join(all, ""), "hunter") {
			return fmt.Errorf("%w: a credential in %q", errNever, all)
		}
		if !slices.ContainsFunc(all, func(e string) bool { return strings.HasPrefix(e, begin) }) {
			return fmt.Errorf("no %q in %q", begin, all)
		}
		return nil
	})
}

// Refusals, failures, moves and ends are told where people look; what goes well is not.
func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.foreign("held", nil, nil)
	r.ready(component("web", nil), component("idle", nil))
	secret := object{"isPrivate": prop(true), "repoUsername": prop("u"), "repoPassword": prop("hunter1")}
	bare := object{"containerImage": nil}
	for key, value := range secret {
		bare[key] = value
	}
	r.create(component("bare", bare), component("held", secret))
	r.happens("bare", "Warning NoImage ServiceComponent/service-shop-component-bare: the component has no container image")
	r.happens("held", "Warning NameHeld ServiceComponent/service-shop-component-held: ServiceComponentK8s "+r.namespace+"/")

	// Edited by somebody, moved to another kind, stopped and gone.
	r.merge(onK8s, "web", object{"spec": object{"image": "somebody/else:1"}})
	r.await(onK8s, "web", "put right", hasImage(1))
	r.happens("web", "Warning FieldsTakenBack ServiceComponentK8s/"+objectName("web")+": set by somebody else, and put back: .spec.image")
	r.tells(0, []string{"describe", "web"}, "History: 1 event", "Warning FieldsTakenBack: set by somebody else", "[hlo-agent on ServiceComponentK8s/"+objectName("web")+"]")
	r.patch(componentID("web"), object{"infrastructureElement": rel(d1)})
	r.happens("web", "Normal Moved ServiceComponentDocker/"+objectName("web")+": runs on "+d1)
	r.patch(componentID("web"), object{"serviceComponentStatus": word("Removing")})
	r.happens("web", "Normal Removed ServiceComponent/service-shop-component-web: ordered away; the object is gone")
	r.patch(componentID("bare"), object{"containerImage": prop(image(1))})
	r.says(componentID("bare"), "Running", "")
	r.happens("bare", "Normal Recovered ServiceComponentK8s/"+objectName("bare")+": runs again, after Refused: NoImage")
	r.tells(0, []string{"describe", "bare"}, "History: 2 events", "NoImage: the component has no container image", "Recovered: runs again")

	if all := r.events("idle"); len(all) > 0 {
		t.Errorf("nothing happened to idle, and told is %q", all)
	}
	told := len(r.toKube.Seen(aboutEvents))
	always(t, 2*time.Second, "at rest", func() error {
		return differ("requests about Events", len(r.toKube.Seen(aboutEvents)), told)
	})
	if told > 14 {
		t.Errorf("%d requests for %d Events", told, 6)
	}
}
