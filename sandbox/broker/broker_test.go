package broker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bench is a broker without a port, a receiver and a clock that stands still.
type bench struct {
	t        *testing.T
	broker   *Broker
	receiver *receiver
	clock    atomic.Int64
}

func newBench(t *testing.T, o Options) *bench {
	b := &bench{t: t, receiver: newReceiver(t, 1)}
	b.clock.Store(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixNano())
	o.Now = func() time.Time { return time.Unix(0, b.clock.Load()) }
	b.broker = New(o)
	t.Cleanup(b.broker.Close)
	return b
}

// do sends a request and checks its status; the result is the body.
func (b *bench) do(status int, method, path, body string, headers ...string) string {
	b.t.Helper()
	r := jsonRequest(method, path, body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.broker.ServeHTTP(w, r)
	if w.Code != status {
		b.t.Fatalf("%s %s: got %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	return w.Body.String()
}

func (b *bench) endpoint(path string) string {
	return "http://" + b.receiver.listener.Addr().String() + path
}

// subscribe makes a subscription; extra are more members.
func (b *bench) subscribe(id, path, extra string) {
	b.t.Helper()
	b.do(201, "POST", "/subscriptions", `{"id":"urn:ngsi-ld:Subscription:`+id+`","type":"Subscription","entities":[{"type":"T"}],`+
		`"notification":{"endpoint":{"uri":"`+b.endpoint(path)+`"}}`+extra+`}`)
}

func (b *bench) create(id, attrs string) {
	b.t.Helper()
	b.do(201, "POST", "/entities", `{"id":"urn:x:`+id+`","type":"T",`+attrs+`}`)
}

func (b *bench) set(id string, n int) {
	b.t.Helper()
	b.do(204, "PATCH", "/entities/urn:x:"+id, fmt.Sprintf(`{"n":{"type":"Property","value":%d}}`, n))
}

// shown is a subscription's member as JSON.
func (b *bench) shown(id string, path ...string) string {
	b.t.Helper()
	v := stored(b.do(200, "GET", "/subscriptions/urn:ngsi-ld:Subscription:"+id, ""))
	for _, name := range path {
		var ok bool
		if v, ok = v.get(name); !ok {
			return ""
		}
	}
	return string(appendValue(nil, v))
}

func (b *bench) expect(what, want, got string) {
	b.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRestartAndWipe(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.subscribe("s", "/ok/s", "")
	b.create("1", `"n":1`)
	b.expect("counter", "1", b.shown("s", "notification", "timesSent"))
	b.broker.Restart(true)
	b.expect("counter after a restart", "", b.shown("s", "notification", "timesSent"))
	b.set("1", 2)
	b.expect("notifications", "2", fmt.Sprint(len(b.receiver.take(2, patience))))
	b.broker.Restart(false)
	b.do(404, "GET", "/subscriptions/urn:ngsi-ld:Subscription:s", "")
	b.do(200, "GET", "/entities/urn:x:1", "")
	b.broker.Wipe()
	b.do(404, "GET", "/entities/urn:x:1", "")
	b.create("1", `"n":1`)
	if s := b.broker.Stats(); s.NotificationsSent != 2 || s.EntityWrites != 3 || s.EntityReads != 2 || s.EntitiesStored != 1 {
		t.Errorf("stats: %+v", s)
	}
}

// TestCountersAreSaved has the counters of a restart: what was written at every
// twentieth notification.
func TestCountersAreSaved(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.subscribe("s", "/ok/s", "")
	b.create("1", `"n":0`)
	for i := range 24 {
		b.set("1", i+1)
	}
	b.expect("timesSent", "25", b.shown("s", "notification", "timesSent"))
	b.broker.Restart(true)
	b.expect("timesSent after a restart", "20", b.shown("s", "notification", "timesSent"))
}

func TestPauseAndRevival(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.subscribe("s", "/s500/s", "")
	b.create("1", `"n":0`)
	b.set("1", 1)
	b.expect("status after two", `"active"`, b.shown("s", "status"))
	b.set("1", 2)
	b.expect("status after three", `"paused"`, b.shown("s", "status"))
	b.set("1", 3)
	b.expect("timesSent", "3", b.shown("s", "notification", "timesSent"))
	b.do(204, "PATCH", "/subscriptions/urn:ngsi-ld:Subscription:s", `{"isActive":true}`)
	b.set("1", 4)
	b.expect("status after one more", `"paused"`, b.shown("s", "status"))
	b.do(204, "PATCH", "/subscriptions/urn:ngsi-ld:Subscription:s", `{"isActive":true,"notification":{"endpoint":{"uri":"`+b.endpoint("/ok/s")+`"}}}`)
	b.set("1", 5)
	b.expect("errors after a success", "", b.shown("s", "notification", "consecutiveErrors"))
	b.expect("reason after a success", `"`+reasonNot2xx+`"`, b.shown("s", "notification", "lastErrorReason"))
	b.do(204, "PATCH", "/subscriptions/urn:ngsi-ld:Subscription:s", `{"notification":{"endpoint":{"uri":"`+b.endpoint("/s500/s")+`"}}}`)
	b.set("1", 6)
	b.expect("status after a first failure", `"active"`, b.shown("s", "status"))
}

func TestThrottlingDrops(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.subscribe("s", "/ok/s", `,"throttling":5`)
	b.create("1", `"n":0`)
	b.clock.Add(int64(4900 * time.Millisecond))
	b.set("1", 1)
	b.clock.Add(int64(100 * time.Millisecond))
	b.set("1", 2)
	got := b.receiver.take(2, patience)
	if len(got) != 2 || !strings.Contains(got[1].body, `"n":{"type":"Property","value":2}`) {
		t.Errorf("got %+v", got)
	}
}

// TestNewestFirst has the order in which subscriptions are served, and that a
// batch is one notification for each.
func TestNewestFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	for _, id := range []string{"a", "b", "c"} {
		b.subscribe(id, "/ok/"+id, "")
	}
	b.do(201, "POST", "/entityOperations/create", `[{"id":"urn:x:2","type":"T"},{"id":"urn:x:1","type":"T"},{"id":"urn:x:3","type":"U"}]`)
	var tags []string
	for _, g := range b.receiver.take(3, patience) {
		data, _ := stored(g.body).get("data")
		tags = append(tags, g.tag()+":"+data.members[0].value.textOf("id")+","+data.members[1].value.textOf("id"))
		if len(data.members) != 2 {
			t.Errorf("%d entities in %s", len(data.members), g.body)
		}
	}
	want := []string{"c:urn:x:2,urn:x:1", "b:urn:x:2,urn:x:1", "a:urn:x:2,urn:x:1"}
	if diff := cmp.Diff(want, tags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSlowReceiverHoldsConnection has the rule that a client has its answer at
// once, but waits for its next one on the same connection.
func TestSlowReceiverHoldsConnection(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.subscribe("s", "/gate/s", "")
	url := "http://" + serve(t, b.broker) + "/ngsi-ld/v1"
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	res, err := client.Post(url+"/entities", "application/json", strings.NewReader(`{"id":"urn:x:1","type":"T"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if s := b.broker.Stats(); s.NotificationsSent+s.NotificationsFailed != 0 {
		t.Errorf("the answer waited for the receiver: %+v", s)
	}
	next := make(chan error, 1)
	go func() {
		res, err := client.Get(url + "/entities/urn:x:1")
		if err == nil {
			err = res.Body.Close()
		}
		next <- err
	}()
	select {
	case err := <-next:
		t.Errorf("the next answer came before the receiver's: %v", err)
	case <-time.After(150 * time.Millisecond):
		close(b.receiver.gate)
		if err := <-next; err != nil {
			t.Error(err)
		}
	}
}

// TestSlowReceiverHoldsNoOther has the notifications of one request side by side.
func TestSlowReceiverHoldsNoOther(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	for _, id := range []string{"a", "b", "c"} {
		b.subscribe(id, "/gate/"+id, "")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.broker.ServeHTTP(httptest.NewRecorder(), jsonRequest("POST", "/entities", `{"id":"urn:x:1","type":"T"}`))
	}()
	if got := b.receiver.take(3, 3*time.Second); len(got) != 3 {
		t.Errorf("got %d of 3 notifications while none was answered", len(got))
	}
	close(b.receiver.gate)
	<-ended
	if got := b.broker.Stats().NotificationsSent; got != 3 {
		t.Errorf("%d sent", got)
	}
}

// TestDeletedWhilePending has the crash that deleting a subscription with an
// unanswered notification leads to: everybody's counters are lost.
func TestDeletedWhilePending(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.broker.notify = timing{inTime: 900 * time.Millisecond, giveUp: time.Second, next: 100 * time.Millisecond}
	b.subscribe("other", "/ok/other", "")
	b.subscribe("s", "/hang/s", "")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.broker.ServeHTTP(httptest.NewRecorder(), jsonRequest("POST", "/entities", `{"id":"urn:x:1","type":"T"}`))
	}()
	if got := b.receiver.take(2, patience); len(got) != 2 {
		t.Fatalf("got %d notifications", len(got))
	}
	b.do(204, "DELETE", "/subscriptions/urn:ngsi-ld:Subscription:s", "")
	<-ended
	b.expect("counter of the other", "", b.shown("other", "notification", "timesSent"))
}

func TestCrashesLoseTheConnection(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{Distributed: true})
	address := serve(t, b.broker)
	for path, body := range map[string]string{
		"/entities/urn:x:none/attrs": `{"a":1}`,
		"/subscriptions":             `{"type":"Subscription","entities":[{"type":"T","idPattern":"["}],"notification":{"endpoint":{"uri":"http://x:1/y"}}}`,
	} {
		m := &message{first: "POST /ngsi-ld/v1" + path + " HTTP/1.1", body: body,
			headers: []header{{"Content-Type", "application/json"}, {"Content-Length", fmt.Sprint(len(body))}}}
		if answer, err := wire(address, m, false); answer != nil || err != nil {
			t.Errorf("POST %s: got %+v, %v, want the connection closed", path, answer, err)
		}
	}
}

func TestTenants(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{MultiTenant: true})
	b.do(404, "GET", "/entities?type=T", "", "NGSILD-Tenant", "one")
	b.do(201, "POST", "/entities", `{"id":"urn:x:1","type":"T"}`, "NGSILD-Tenant", "one")
	b.do(201, "POST", "/entities", `{"id":"urn:x:1","type":"U"}`, "NGSILD-Tenant", "two")
	b.do(404, "GET", "/entities/urn:x:1", "")
	b.expect("entity", `{"id":"urn:x:1","type":"U"}`, b.do(200, "GET", "/entities/urn:x:1", "", "Fiware-Service", "two"))
	b.expect("entity", `{"id":"urn:x:1","type":"T"}`, b.do(200, "GET", "/entities/urn:x:1", "", "NGSILD-Tenant", "One"))
	b.do(400, "GET", "/entities/urn:x:1", "", "NGSILD-Tenant", "../two")
	w := httptest.NewRecorder()
	b.broker.ServeHTTP(w, httptest.NewRequest("GET", "/ngsi-ld/ex/v1/tenants", nil))
	b.expect("tenants", `["one","two"]`, w.Body.String())
}

// TestOrderOfCreation deletes and makes many entities, so that the list is
// squeezed, and reads them back in pages.
func TestOrderOfCreation(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	var want []string
	for i := range 300 {
		b.create(fmt.Sprint(i), `"n":1`)
	}
	for i := range 300 {
		if i%3 != 0 {
			b.do(204, "DELETE", fmt.Sprintf("/entities/urn:x:%d", i), "")
			continue
		}
		want = append(want, fmt.Sprintf("urn:x:%d", i))
	}
	b.create("1", `"n":1`)
	want = append(want, "urn:x:1")
	var got []string
	for offset := 0; ; offset += 7 {
		page := stored(b.do(200, "GET", fmt.Sprintf("/entities?local=true&limit=7&offset=%d", offset), ""))
		for _, m := range page.members {
			got = append(got, m.value.textOf("id"))
		}
		if len(page.members) < 7 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
