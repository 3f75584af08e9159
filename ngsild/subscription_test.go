package ngsild

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const life = "/ngsi-ld/v1/subscriptions/urn:ngsi-ld:Subscription:life"

func TestReadSubscription(t *testing.T) {
	t.Parallel()
	broker := newReplay(t)
	broker.on("GET "+life, answered(t, "b07_sub_lifecycle", "GET", life, 2))
	got, err := broker.client().Subscription(t.Context(), "urn:ngsi-ld:Subscription:life")
	if err != nil {
		t.Fatal(err)
	}
	active := true
	want := Subscription{
		ID: "urn:ngsi-ld:Subscription:life", Type: "Subscription", Name: "n", Description: "d",
		Entities: []EntitySelector{{Type: "ServiceComponent"}}, WatchedAttributes: []string{"status"}, Q: "!",
		Status: "active", IsActive: &active, ExpiresAt: "2031-01-01T00:00:00.000Z", Throttling: 1,
		Notification: NotificationParams{
			Format: "normalized", Endpoint: Endpoint{URI: "http://127.0.0.1:9100/ok/life", Accept: "application/json"},
			Status: "ok", TimesSent: 1, LastNotification: "2026-11-21T22:51:43.994Z", LastSuccess: "2026-11-21T22:51:43.994Z",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !got.Active() {
		t.Error("it is active")
	}
}

func TestActive(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, c := range []struct {
		s    Subscription
		want bool
	}{
		{Subscription{}, true}, {Subscription{Status: "active", IsActive: &yes}, true},
		{Subscription{Status: "active", IsActive: &no}, false}, {Subscription{Status: "paused", IsActive: &yes}, false},
		{Subscription{Status: "expired"}, false}, {Subscription{IsActive: &no}, false},
	} {
		if got := c.s.Active(); got != c.want {
			t.Errorf("%+v: active %v", c.s, got)
		}
	}
}

func TestSubscriptionErrors(t *testing.T) {
	t.Parallel()
	const id = "urn:ngsi-ld:Subscription:life"
	tests := []struct {
		name, request, answer, message string
		kind                           error
		do                             func(*Client) error
	}{
		{"read what is gone", "GET " + life, answered(t, "b07_sub_lifecycle", "GET", life, 4),
			`get subscription ` + id + `: broker answered 404 "subscription not found": ` + id, ErrNotFound,
			func(c *Client) error { _, err := c.Subscription(t.Context(), id); return err }},
		{"patch what is gone", "PATCH " + life, answered(t, "b07_sub_lifecycle", "PATCH", life, 12),
			`patch subscription ` + id + `: broker answered 404 "Subscription not found": ` + id, ErrNotFound,
			func(c *Client) error { return c.PatchSubscription(t.Context(), id, map[string]any{"isActive": true}) }},
		{"delete what is gone", "DELETE " + life, answered(t, "b07_sub_lifecycle", "DELETE", life, 1),
			`delete subscription ` + id + `: broker answered 404 "Subscription not found": ` + id, ErrNotFound,
			func(c *Client) error { return c.DeleteSubscription(t.Context(), id) }},
		{"create twice", "POST /ngsi-ld/v1/subscriptions", answered(t, "b07_sub_lifecycle", "POST", "/ngsi-ld/v1/subscriptions", 1),
			`create subscription ` + id + `: broker answered 409 "Subscription already exists": ` + id, ErrInvalid,
			func(c *Client) error { return c.CreateSubscription(t.Context(), Subscription{ID: id}) }},
		{"patch with null", "PATCH " + life, answered(t, "b07_sub_lifecycle", "PATCH", life, 4),
			`patch subscription ` + id + `: broker answered 400 "Not a JSON Number": Subscription::throttling`, ErrInvalid,
			func(c *Client) error {
				return c.PatchSubscription(t.Context(), id, map[string]any{"throttling": nil})
			}},
		{"trigger refused", "POST /ngsi-ld/v1/subscriptions", answered(t, "b06_sub_errors", "POST", "/ngsi-ld/v1/subscriptions", 0),
			`create subscription ` + id + `: broker answered 501 "Not Implemented": notificationTrigger`, ErrRetry,
			func(c *Client) error { return c.CreateSubscription(t.Context(), Subscription{ID: id}) }},
		{"wrong path", "GET " + life, answered(t, "h03_lists_and_404", "GET", "/ngsi-ld/v1/entitiez", 0),
			`get subscription ` + id + `: broker answered 404 "Service Not Found": /ngsi-ld/v1/entitiez`, ErrRetry,
			func(c *Client) error { _, err := c.Subscription(t.Context(), id); return err }},
		{"another one", "GET " + life, plainAnswer(200, `{"id":"urn:s:2"}`),
			`get subscription ` + id + `: try again: the answer is another subscription`, ErrRetry,
			func(c *Client) error { _, err := c.Subscription(t.Context(), id); return err }},
		{"no JSON", "GET " + life, plainAnswer(200, `<html>`),
			`get subscription ` + id + `: try again: the answer is no subscription: invalid character '<' looking for beginning of value`, ErrRetry,
			func(c *Client) error { _, err := c.Subscription(t.Context(), id); return err }},
		{"list of no JSON", "GET /ngsi-ld/v1/subscriptions?limit=100&offset=0", plainAnswer(200, `{}`),
			`list subscriptions: try again: the answer is no list: json: cannot unmarshal object into Go value of type []ngsild.Subscription`, ErrRetry,
			func(c *Client) error { _, err := c.Subscriptions(t.Context()); return err }},
	}
	for _, c := range tests {
		broker := newReplay(t)
		broker.on(c.request, c.answer)
		err := c.do(broker.client())
		if err == nil || err.Error() != c.message || !errors.Is(err, c.kind) {
			t.Errorf("%s: got  %v\nwant %s", c.name, err, c.message)
		}
	}
}

func TestListSubscriptions(t *testing.T) {
	t.Parallel()
	broker := newReplay(t)
	page := func(from, to int) string {
		var texts []string
		for i := from; i < to; i++ {
			texts = append(texts, fmt.Sprintf(`{"id":"urn:s:%d"}`, i))
		}
		return plainAnswer(200, "["+strings.Join(texts, ",")+"]")
	}
	broker.on("GET /ngsi-ld/v1/subscriptions?limit=100&offset=0", page(0, 100))
	broker.on("GET /ngsi-ld/v1/subscriptions?limit=100&offset=100", page(100, 130))
	got, err := broker.client().Subscriptions(t.Context())
	if err != nil || len(got) != 130 || got[129].ID != "urn:s:129" {
		t.Errorf("%d subscriptions, %v", len(got), err)
	}
	broker = newReplay(t)
	for offset := range 3 {
		broker.on(fmt.Sprintf("GET /ngsi-ld/v1/subscriptions?limit=100&offset=%d", offset*100), page(0, 100))
	}
	if got, err := broker.client().Subscriptions(t.Context()); err != nil || len(got) != 100 {
		t.Errorf("a broker that ignores the offset: %d subscriptions, %v", len(got), err)
	}
}
