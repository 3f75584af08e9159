package ngsild

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	componentsID = "urn:ngsi-ld:Subscription:hlo-agent:a1:components"
	elementsID   = "urn:ngsi-ld:Subscription:hlo-agent:a1:elements"
	randomSecret = "4242424242424242424242424242424242424242424242424242424242424242"
)

// kept is a keeper of two subscriptions with a broker and a clock to move.
type kept struct {
	*Keeper
	broker *orion
	now    time.Time
	secret string
}

func wantedSubscriptions() []Subscription {
	endpoint := NotificationParams{Format: "normalized", Endpoint: Endpoint{URI: "http://agent:8082/notify"}}
	components := Subscription{ID: componentsID, Entities: []EntitySelector{{Type: "ServiceComponent"}}, Notification: endpoint}
	elements := Subscription{
		ID: elementsID, Entities: []EntitySelector{{Type: "InfrastructureElement"}, {Type: "Domain"}}, Notification: endpoint,
		WatchedAttributes: []string{"hostname", "domain"}, Q: `hostname!="x"`, Throttling: 1,
	}
	elements.Notification.Attributes = []string{"hostname", "domain"}
	return []Subscription{components, elements}
}

func newKept(t *testing.T) *kept {
	t.Helper()
	k := &kept{broker: newOrion(t), now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	k.Keeper = k.another(bytes.NewReader(bytes.Repeat([]byte("\x42"), 32)))
	return k
}

// another returns a keeper of the same subscriptions that remembers nothing, as
// after a restart.
func (k *kept) another(random *bytes.Reader) *Keeper {
	return NewKeeper(KeeperConfig{
		Client: k.broker.client(), Want: wantedSubscriptions(), Rand: random,
		Clock:  func() time.Time { return k.now },
		Secret: func(context.Context) (string, error) { return k.secret, nil },
	})
}

func (k *kept) check(t *testing.T) Report {
	t.Helper()
	report, err := k.Check(t.Context())
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	return report
}

// settled returns a keeper after its first check.
func settled(t *testing.T) *kept {
	t.Helper()
	k := newKept(t)
	k.check(t)
	k.broker.did()
	return k
}

func states(report Report) []string {
	var all []string
	for _, d := range report.Details {
		all = append(all, strings.TrimSuffix(d.State+": "+d.Reason, ": "))
	}
	return all
}

func expect(t *testing.T, report Report, changed, healthy bool, want ...string) {
	t.Helper()
	if report.Changed != changed || report.Healthy != healthy {
		t.Errorf("changed %v, healthy %v; want %v, %v", report.Changed, report.Healthy, changed, healthy)
	}
	if diff := cmp.Diff(want, states(report)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func (k *kept) expectWrites(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, k.broker.did()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	expect(t, k.check(t), true, true, "created: gone", "created: gone")
	k.expectWrites(t, "POST", "POST")
	want := wantedSubscriptions()[1]
	got := *k.broker.get(elementsID)
	yes := true
	want.Type, want.Status, want.IsActive, want.Notification.Status = "Subscription", "active", &yes, "ok"
	want.Notification.Endpoint.ReceiverInfo = []KeyValue{{"X-Hlo-Agent-Secret", randomSecret}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	expect(t, k.check(t), false, true, "active", "active")
	k.expectWrites(t)
}

// TestRestart: what is right is left alone, whatever `q` reads back as, and the
// secret is taken from it.
func TestRestart(t *testing.T) {
	t.Parallel()
	k := settled(t)
	k.broker.change(elementsID, func(s *Subscription) {
		s.Q = "!"
		s.Entities = []EntitySelector{{Type: "Domain"}, {Type: "https://uri.etsi.org/ngsi-ld/default-context/InfrastructureElement"}}
		s.WatchedAttributes = []string{"domain", "hostname"}
		s.Notification.Endpoint.Accept = "application/json"
		s.Notification.Endpoint.ReceiverInfo = append([]KeyValue{{"X-Other", "1"}}, s.Notification.Endpoint.ReceiverInfo...)
		s.Notification.TimesFailed, s.Notification.LastFailure = 7, "2026-11-21T22:55:26.667Z"
	})
	k.Keeper = k.another(bytes.NewReader(nil))
	expect(t, k.check(t), false, true, "active", "active")
	k.expectWrites(t)
	if diff := cmp.Diff([]string{randomSecret}, k.Secrets()); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
}

// TestRepairs: each difference, what is sent for it, and that nothing is left
// to do afterwards.
func TestRepairs(t *testing.T) {
	t.Parallel()
	no := false
	for name, c := range map[string]struct {
		id     string
		edit   func(*Subscription)
		state  string
		writes []string
	}{
		"paused":           {componentsID, func(s *Subscription) { s.IsActive, s.Status = &no, "paused" }, "paused", []string{`PATCH {"isActive":true}`}},
		"inactive":         {componentsID, func(s *Subscription) { s.IsActive = &no }, "paused", []string{`PATCH {"isActive":true}`}},
		"expires":          {componentsID, func(s *Subscription) { s.ExpiresAt = "2031-01-01T00:00:00.000Z" }, "expires", []string{"DELETE", "POST"}},
		"expired":          {componentsID, func(s *Subscription) { s.Status, s.IsActive = "expired", &no }, "expires", []string{"DELETE", "POST"}},
		"points elsewhere": {componentsID, func(s *Subscription) { s.Notification.Endpoint.URI = "http://other/notify" }, "points elsewhere", []string{`PATCH {"notification":{"endpoint":{"uri":"http://agent:8082/notify"}}}`}},
		"other format":     {componentsID, func(s *Subscription) { s.Notification.Format = "keyValues" }, "format", []string{`PATCH {"notification":{"format":"normalized"}}`}},
		"other media type": {componentsID, func(s *Subscription) { s.Notification.Endpoint.Accept = "application/geo+json" }, "accept", []string{`PATCH {"notification":{"endpoint":{"accept":"application/json"}}}`}},
		"other types":      {componentsID, func(s *Subscription) { s.Entities[0].Type = "Service" }, "entities", []string{`PATCH {"entities":[{"type":"ServiceComponent"}]}`}},
		"one type missing": {elementsID, func(s *Subscription) { s.Entities = s.Entities[:1] }, "entities", []string{`PATCH {"entities":[{"type":"InfrastructureElement"},{"type":"Domain"}]}`}},
		"one entity only":  {componentsID, func(s *Subscription) { s.Entities[0].ID = "urn:x:1" }, "entities", []string{`PATCH {"entities":[{"type":"ServiceComponent"}]}`}},
		"watched":          {componentsID, func(s *Subscription) { s.WatchedAttributes = []string{"a"} }, "watchedAttributes", []string{"DELETE", "POST"}},
		"watches all":      {elementsID, func(s *Subscription) { s.WatchedAttributes = nil }, "watchedAttributes", []string{`PATCH {"watchedAttributes":["hostname","domain"]}`}},
		"watches other":    {elementsID, func(s *Subscription) { s.WatchedAttributes[0] = "a" }, "watchedAttributes", []string{`PATCH {"watchedAttributes":["hostname","domain"]}`}},
		"narrowed":         {componentsID, func(s *Subscription) { s.Notification.Attributes = []string{"a"} }, "attributes", []string{"DELETE", "POST"}},
		"other attributes": {elementsID, func(s *Subscription) { s.Notification.Attributes = []string{"a"} }, "attributes", []string{`PATCH {"notification":{"attributes":["hostname","domain"]}}`}},
		"throttled":        {componentsID, func(s *Subscription) { s.Throttling = 60 }, "throttling", []string{"DELETE", "POST"}},
		"throttled more":   {elementsID, func(s *Subscription) { s.Throttling = 60 }, "throttling", []string{`PATCH {"throttling":1}`}},
		"timed":            {componentsID, func(s *Subscription) { s.TimeInterval = 5 }, "timeInterval", []string{"DELETE", "POST"}},
		"other secret": {componentsID, func(s *Subscription) {
			s.Notification.Endpoint.ReceiverInfo = []KeyValue{{"x-hlo-agent-secret", "0123456789abcdef"}}
		}, "header X-Hlo-Agent-Secret", []string{
			`PATCH {"notification":{"endpoint":{"receiverInfo":[{"key":"X-Hlo-Agent-Secret","value":"` + randomSecret + `"}]}}}`, "DELETE", "POST"}},
		"no secret":         {componentsID, func(s *Subscription) { s.Notification.Endpoint.ReceiverInfo = nil }, "header X-Hlo-Agent-Secret", []string{"DELETE", "POST"}},
		"older header name": {componentsID, func(s *Subscription) { s.Notification.Endpoint.ReceiverInfo[0].Key = "X-Older" }, "header X-Hlo-Agent-Secret", []string{"DELETE", "POST"}},
		"several": {elementsID, func(s *Subscription) {
			s.IsActive, s.Status = &no, "paused"
			s.Throttling, s.Notification.Endpoint.URI, s.Notification.Format = 9, "x:y", "concise"
		}, "paused, throttling, format, points elsewhere", []string{
			`PATCH {"isActive":true,"notification":{"endpoint":{"uri":"http://agent:8082/notify"},"format":"normalized"},"throttling":1}`}},
	} {
		k := settled(t)
		k.broker.change(c.id, c.edit)
		want := []string{"repaired: " + c.state, "active"}
		if c.id == elementsID {
			want[0], want[1] = want[1], want[0]
		}
		expect(t, k.check(t), true, true, want...)
		k.expectWrites(t, c.writes...)
		expect(t, k.check(t), false, true, "active", "active")
		k.expectWrites(t)
		if t.Failed() {
			t.Fatalf("in case %q", name)
		}
	}
}

// TestPatchWithoutEffect: a patch that is refused, or answered and ignored,
// leads to a new subscription.
func TestPatchWithoutEffect(t *testing.T) {
	t.Parallel()
	k := settled(t)
	k.broker.numb = true
	k.broker.change(componentsID, func(s *Subscription) { s.Notification.Format = "concise" })
	expect(t, k.check(t), true, true, "repaired: format", "active")
	k.expectWrites(t, `PATCH {"notification":{"format":"normalized"}}`, "DELETE", "POST")

	k = settled(t)
	k.broker.refuse["PATCH"] = "400 never heard of it"
	k.broker.change(componentsID, func(s *Subscription) { s.Notification.Format = "concise" })
	expect(t, k.check(t), true, true, "repaired: format", "active")
	k.expectWrites(t, `PATCH {"notification":{"format":"normalized"}}`, "DELETE", "POST")
}

// TestGoneAgain: broker restarts lose subscriptions.
func TestGoneAgain(t *testing.T) {
	t.Parallel()
	k := settled(t)
	k.broker.drop(componentsID)
	expect(t, k.check(t), true, true, "created: gone", "active")
	k.expectWrites(t, "POST")
	if got := k.broker.get(componentsID).Notification.Endpoint.ReceiverInfo[0].Value; got != randomSecret {
		t.Errorf("secret %s, want the one in use", got)
	}
}

// TestCreatedMeanwhile: 409 means that somebody was faster; what is there is
// compared.
func TestCreatedMeanwhile(t *testing.T) {
	t.Parallel()
	k := settled(t)
	other := *k.broker.get(componentsID)
	other.Notification.Format = "concise"
	k.broker.drop(componentsID)
	k.broker.before = func(method string) {
		if method == "POST" {
			k.broker.stored[componentsID] = &other
			k.broker.before = nil
		}
	}
	expect(t, k.check(t), true, true, "created: gone", "active")
	k.expectWrites(t, "POST", `PATCH {"notification":{"format":"normalized"}}`)
	expect(t, k.check(t), false, true, "active", "active")
}

// TestFailures: one change for each new failure, none for old ones, for
// counters that start anew, or for successes.
func TestFailures(t *testing.T) {
	t.Parallel()
	k := settled(t)
	for i, step := range []struct {
		failed  int64
		last    string
		status  string
		changed bool
	}{
		{1, "2026-11-21T22:55:26.667Z", "failed", true},
		{1, "2026-11-21T22:55:26.667Z", "failed", false},
		{3, "2026-11-21T22:56:00.000Z", "failed", true},
		{3, "2026-11-21T22:56:00.000Z", "ok", false},
		{0, "", "ok", false}, // the broker started anew
		{0, "", "ok", false},
		{1, "2026-11-21T22:57:00.000Z", "failed", true},
		{1, "2026-11-21T22:57:01.000Z", "failed", true}, // the counter is written late
		{0, "2026-11-21T22:55:26.667Z", "ok", false},    // an older store came back
	} {
		k.broker.change(componentsID, func(s *Subscription) {
			n := &s.Notification
			n.TimesFailed, n.LastFailure, n.Status, n.TimesSent, n.LastErrorReason = step.failed, step.last, step.status, int64(i), "line\nbreak"
		})
		report := k.check(t)
		state := map[string]string{"ok": "active", "failed": "failing"}[step.status]
		expect(t, report, step.changed, true, state, "active")
		want := Detail{ID: componentsID, State: state, TimesSent: int64(i), TimesFailed: step.failed, LastFailure: step.last, LastErrorReason: "line break"}
		if diff := cmp.Diff(want, report.Details[0]); diff != "" {
			t.Errorf("step %d, detail (-want +got):\n%s", i, diff)
		}
		if t.Failed() {
			t.Fatalf("in step %d", i)
		}
	}
	k.expectWrites(t)
}

// TestBackOff: a repair that does not last is made at longer and longer
// intervals, and nothing is healthy meanwhile.
func TestBackOff(t *testing.T) {
	t.Parallel()
	k := settled(t)
	no := false
	pause := func(s *Subscription) { s.IsActive, s.Status = &no, "paused" }
	var waits []time.Duration
	last := k.now
	for len(waits) < 11 {
		k.broker.change(componentsID, pause)
		report := k.check(t)
		repaired := len(k.broker.did()) > 0
		if repaired != report.Changed || repaired != (report.Details[0].State == "repaired") {
			t.Fatalf("repaired %v, reported %+v", repaired, report)
		}
		if healthy := repaired && len(waits) < 2; report.Healthy != healthy {
			t.Fatalf("after %v: healthy %v", waits, report.Healthy)
		}
		if repaired {
			waits = append(waits, k.now.Sub(last))
			last = k.now
		}
		k.now = k.now.Add(time.Second)
	}
	want := []time.Duration{0, 1, 5, 10, 20, 40, 80, 160, 320, 600, 600}
	for i := range want {
		want[i] *= time.Second
	}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}

// TestProof: being active for a while is no proof for a subscription that was
// paused for failing. A notification that arrived is, and so is a long time.
func TestProof(t *testing.T) {
	t.Parallel()
	no := false
	for name, prove := range map[string]func(k *kept){
		"delivered": func(k *kept) {
			k.broker.change(componentsID, func(s *Subscription) { s.Notification.LastSuccess = "2026-11-22T03:00:00.000Z" })
		},
		"ten minutes": func(k *kept) { k.now = k.now.Add(10 * time.Minute) },
	} {
		k := settled(t)
		for range manyRepairs {
			k.broker.change(componentsID, func(s *Subscription) { s.IsActive, s.Status = &no, "paused" })
			k.now = k.now.Add(20 * time.Second)
			k.check(t)
		}
		k.now = k.now.Add(5 * time.Minute)
		expect(t, k.check(t), false, false, "active", "active")
		prove(k)
		expect(t, k.check(t), false, true, "active", "active")
		if t.Failed() {
			t.Fatalf("in case %q", name)
		}
	}
}

// TestAnotherReason starts a new count, and so does a repair that lasted.
func TestAnotherReason(t *testing.T) {
	t.Parallel()
	k := settled(t)
	for range 5 {
		k.broker.change(componentsID, func(s *Subscription) { s.Notification.Format = "concise" })
		k.check(t)
	}
	k.broker.did()
	expect(t, k.check(t), false, false, "waiting: format", "active")
	k.broker.drop(componentsID)
	expect(t, k.check(t), true, true, "created: gone", "active")
	k.broker.did()
	for range 3 {
		k.now = k.now.Add(11 * time.Second)
		k.check(t)
		k.broker.drop(componentsID)
		expect(t, k.check(t), true, true, "created: gone", "active")
	}
}

func TestBrokerAway(t *testing.T) {
	t.Parallel()
	k := settled(t)
	k.broker.refuse["GET"] = "503 starting"
	report, err := k.Check(t.Context())
	if !errors.Is(err, ErrRetry) || err.Error() != `get subscription `+componentsID+`: broker answered 503 "starting": `+componentsID {
		t.Errorf("got %v", err)
	}
	expect(t, report, false, false, "unknown", "unknown")
	k.broker.refuse = nil
	expect(t, k.check(t), false, true, "active", "active")
}

// TestRefused: a broker that will not have a subscription is asked less and
// less often, and the error says why.
func TestRefused(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.broker.refuse["POST"] = "400 Invalid URI"
	const want = `repair subscription (gone): create subscription ` + componentsID + `: broker answered 400 "Invalid URI"`
	for attempt := range 3 {
		report, err := k.Check(t.Context())
		if attempt < 2 {
			if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("attempt %d: got %v, want %s", attempt, err, want)
			}
			expect(t, report, false, false, "refused: gone", "refused: gone")
			continue
		}
		if err != nil {
			t.Errorf("while waiting: %v", err)
		}
		expect(t, report, false, false, "waiting: gone", "waiting: gone")
	}
	k.broker.refuse["POST"] = "403 not you"
	k.now = k.now.Add(5 * time.Second)
	for range 5 {
		report, err := k.Check(t.Context())
		if !errors.Is(err, ErrRetry) || !strings.Contains(err.Error(), `broker answered 403 "not you"`) {
			t.Errorf("forbidden: %v", err)
		}
		expect(t, report, false, false, "unknown: gone", "unknown: gone")
	}
	k.broker.refuse = nil
	expect(t, k.check(t), true, true, "created: gone", "created: gone")
}

// TestChangeIsOwed: a change that was reported beside an error comes once more.
func TestChangeIsOwed(t *testing.T) {
	t.Parallel()
	k := settled(t)
	k.broker.drop(componentsID)
	k.broker.refuse["PATCH"] = "503 busy"
	k.broker.change(elementsID, func(s *Subscription) { s.Notification.Format = "concise" })
	report, err := k.Check(t.Context())
	if !errors.Is(err, ErrRetry) {
		t.Errorf("got %v", err)
	}
	expect(t, report, true, false, "created: gone", "unknown: format")
	k.broker.refuse = nil
	k.broker.change(elementsID, func(s *Subscription) { s.Notification.Format = "normalized" })
	expect(t, k.check(t), true, true, "active", "active")
	expect(t, k.check(t), false, true, "active", "active")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	k := settled(t)
	k.broker.drop(componentsID)
	if err := k.Delete(t.Context()); err != nil || k.broker.get(elementsID) != nil {
		t.Errorf("got %v, elements %v", err, k.broker.get(elementsID))
	}
	k.broker.refuse["DELETE"] = "503 busy"
	if err := k.Delete(t.Context()); !errors.Is(err, ErrRetry) {
		t.Errorf("got %v", err)
	}
}
