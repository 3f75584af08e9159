package faults_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// A broker whose answers lack what is there deletes nothing, however often it
// is listed. Few objects, so that the guard alone would let them go.
func TestAbsenceInAnswersDeletesNothing(t *testing.T) {
	t.Parallel()
	problem := http.Header{"Content-Type": {"application/json"}}
	nothing := func(title string) faults.Effect {
		return faults.Answer(404, problem, `{"type":"https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound","title":"`+title+`","detail":"x"}`)
	}
	counted := func(total string, edit func([]json.RawMessage) []json.RawMessage) faults.Effect {
		return faults.Rewrite(func(status int, header http.Header, body []byte) (int, []byte) {
			var list []json.RawMessage
			if json.Unmarshal(body, &list) != nil {
				return status, body
			}
			list = edit(list)
			if total != "" {
				header.Set("NGSILD-Results-Count", total)
			}
			text, _ := json.Marshal(list) // raw JSON
			return status, text
		})
	}
	none := func([]json.RawMessage) []json.RawMessage { return []json.RawMessage{} }
	half := func(l []json.RawMessage) []json.RawMessage { return l[:len(l)/2] }
	foreign := func([]json.RawMessage) []json.RawMessage {
		return []json.RawMessage{json.RawMessage(`{"id":"urn:ngsi-ld:Service:other:Component:x","type":"ServiceComponent"}`)}
	}
	all := func(faults.Exchange) bool { return true }
	for name, fault := range map[string][]faults.Fault{
		"empty list":                    {{Match: componentLists, Do: counted("0", none)}},
		"empty list, whole count":       {{Match: componentLists, Do: counted("", none)}},
		"short list":                    {{Match: componentLists, Do: counted("2", half)}},
		"short list, whole count":       {{Match: componentLists, Do: counted("", half)}},
		"foreign list":                  {{Match: componentLists, Do: counted("1", foreign)}},
		"every list empty":              {{Match: entityLists, Do: counted("0", none)}},
		"wrong path for everything":     {{Match: all, Do: nothing("Service Not Found")}},
		"404 without a body":            {{Match: all, Do: faults.Answer(404, nil, "")}},
		"a gateway's 404":               {{Match: all, Do: faults.Answer(404, http.Header{"Content-Type": {"text/html"}}, "<h1>404</h1>")}},
		"empty lists, 404 for entities": {{Match: entityLists, Do: counted("0", none)}, {Match: and(entityReads), Do: nothing("Service Not Found")}},
		"entities gone, and our subscriptions": {
			{Match: entityLists, Do: counted("0", none)}, {Match: entityReads, Do: nothing("Entity Not Found")},
			{Match: and(method("GET"), aboutSubscriptions), Do: nothing("Subscription Not Found")},
		},
		"200 with another entity": {{Match: entityLists, Do: counted("0", none)}, {Match: entityReads, Do: faults.Answer(200, problem, `{"id":"urn:x","type":"T"}`)}},
		"200 with nothing":        {{Match: all, Do: faults.Answer(200, problem, `[]`)}},
		"200 with HTML":           {{Match: all, Do: faults.Answer(200, http.Header{"Content-Type": {"text/html"}}, `<p>log in</p>`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, map[string]string{"RESYNC_INTERVAL": "500ms", "DEGRADED_RESYNC_INTERVAL": "500ms"})
			_, entities := components(4)
			r.ready(entities...)
			was := r.uids()
			var remove []func()
			for _, f := range fault {
				remove = append(remove, r.toBroker.Inject(f))
			}
			asked := len(r.toBroker.Seen(entityLists))
			eventually(t, "the broker is listed some more times", func() error {
				if n := len(r.toBroker.Seen(entityLists)) - asked; n < 6 {
					return fmt.Errorf("%d lists", n)
				}
				return nil
			})
			pass(t, time.Second)
			if got := r.uids(); got != was {
				t.Errorf("objects before:\n%s\nafter:\n%s", was, got)
			}
			for _, f := range remove {
				f()
			}
			r.patch(componentID("c00"), object{"containerImage": prop(image(2))})
			r.await(onK8s, "c00", "it goes on", hasImage(2))
		})
	}
}

// While lists are not whole, since entities come and go between their pages, the next
// tries come at ever longer intervals; a resync that is wanted does not wait for them.
func TestShortListsAreTriedLessOften(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ready(component("web", nil))
	r.toBroker.Inject(faults.Fault{Match: componentLists, Do: faults.Rewrite(func(status int, header http.Header, body []byte) (int, []byte) {
		header.Set("NGSILD-Results-Count", "7")
		return status, body
	})})
	first := func(e faults.Exchange) bool { return componentLists(e) && strings.Contains(e.Query, "offset=0") }
	before := len(r.toBroker.Seen(first))
	lists := func(n int) []faults.Exchange {
		t.Helper()
		eventually(t, fmt.Sprint(n, " lists more"), func() error {
			return differ("lists, at least", min(n, len(r.toBroker.Seen(first))-before), n)
		})
		return r.toBroker.Seen(first)[before:]
	}
	r.askForResync()
	asked := lists(3)
	if one, two := asked[1].At.Sub(asked[0].At), asked[2].At.Sub(asked[1].At); one < 4*time.Second || two < 9*time.Second {
		t.Errorf("the second list came after %v, the third after %v more; want 5 s and 10 s", one, two)
	}
	r.askForResync()
	asked = lists(4)
	if wait := asked[3].At.Sub(asked[2].At); wait > 15*time.Second {
		t.Errorf("a list that was wanted came %v after the one before", wait)
	}
}

// uids prints the objects that there are.
func (r *rig) uids() string {
	r.t.Helper()
	var lines []string
	for name, o := range r.list(onK8s) {
		lines = append(lines, fmt.Sprint(name, " ", o.GetUID(), " ", o.GetDeletionTimestamp()))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// An entity that is truly gone takes its object along, told or not; an object
// that another domain asked for is not expected in the broker and stays.
func TestEntityGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"RESYNC_INTERVAL": "1s"})
	r.ready(component("told", nil), component("untold", nil), component("stays", nil))
	r.foreign("asked", map[string]string{ownerLabel: r.id}, map[string]string{entityMark: componentID("asked"), originMark: "hlo_al"})
	r.remove(componentID("told"))
	r.drop(componentID("untold"))
	r.gone(onK8s, "told")
	r.gone(onK8s, "untold")
	r.resyncs(3)
	r.exists("stays")
	r.exists("asked")
}
