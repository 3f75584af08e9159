package ngsild

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Subscription is a subscription as Orion-LD takes and answers it (NGSI-LD
// 1.6.1, 5.2.12). Counters are absent from an answer while they are 0.
type Subscription struct {
	ID                string             `json:"id"`
	Type              string             `json:"type"`
	Name              string             `json:"subscriptionName,omitempty"`
	Description       string             `json:"description,omitempty"`
	Entities          []EntitySelector   `json:"entities,omitempty"`
	WatchedAttributes []string           `json:"watchedAttributes,omitempty"`
	Q                 string             `json:"q,omitempty"` // distorted when read back
	Notification      NotificationParams `json:"notification"`
	ExpiresAt         string             `json:"expiresAt,omitempty"`
	Throttling        float64            `json:"throttling,omitempty"`   // seconds; drops, not delays
	TimeInterval      float64            `json:"timeInterval,omitempty"` // seconds; then changes are not notified

	Status   string `json:"status,omitempty"`   // active, paused, expired; set by the broker
	IsActive *bool  `json:"isActive,omitempty"` // nil counts as true
}

// EntitySelector selects entities by type.
type EntitySelector struct {
	Type      string `json:"type"`
	ID        string `json:"id,omitempty"`
	IDPattern string `json:"idPattern,omitempty"` // an invalid one crashes Orion-LD
}

// NotificationParams says what is sent where, and how that went.
type NotificationParams struct {
	Attributes []string `json:"attributes,omitempty"`
	Format     string   `json:"format,omitempty"` // normalized, concise, keyValues, simplified
	Endpoint   Endpoint `json:"endpoint"`

	// Set by the broker. The counters start anew when it does.
	Status            string `json:"status,omitempty"` // ok, failed: of the last notification
	TimesSent         int64  `json:"timesSent,omitempty"`
	TimesFailed       int64  `json:"timesFailed,omitempty"`
	ConsecutiveErrors int64  `json:"consecutiveErrors,omitempty"` // the third pauses for good
	LastNotification  string `json:"lastNotification,omitempty"`
	LastFailure       string `json:"lastFailure,omitempty"`
	LastSuccess       string `json:"lastSuccess,omitempty"`
	LastErrorReason   string `json:"lastErrorReason,omitempty"`
}

// Endpoint is where notifications go.
type Endpoint struct {
	URI          string     `json:"uri"`
	Accept       string     `json:"accept,omitempty"`
	ReceiverInfo []KeyValue `json:"receiverInfo,omitempty"` // headers of every notification; may hold secrets
}

// KeyValue is one header.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Active reports whether the broker sends notifications for s.
func (s *Subscription) Active() bool {
	return (s.IsActive == nil || *s.IsActive) && (s.Status == "" || s.Status == "active")
}

// secrets are the values in s that no error may show.
func (s *Subscription) secrets() []string {
	var values []string
	for _, header := range s.Notification.Endpoint.ReceiverInfo {
		values = append(values, header.Value)
	}
	return values
}

func subscriptionPath(id string) string { return "/subscriptions/" + segment(id) }

// Subscription reads a subscription; ErrNotFound if the broker has none such.
func (c *Client) Subscription(ctx context.Context, id string) (Subscription, error) {
	doing := "get subscription " + id
	got, err := c.call(ctx, request{
		verb: "get_subscription", doing: doing, method: http.MethodGet, path: subscriptionPath(id),
	})
	if err != nil {
		return Subscription{}, noSubscription(err)
	}
	var s Subscription
	if err := json.Unmarshal(got.body, &s); err != nil {
		return Subscription{}, fmt.Errorf("%s: %w: the answer is no subscription: %w", doing, ErrRetry, err)
	}
	if s.ID != id {
		return Subscription{}, fmt.Errorf("%s: %w: the answer is another subscription", doing, ErrRetry)
	}
	return s, nil
}

// noSubscription turns the answers by which Orion-LD says that it has no such
// subscription into ErrNotFound; reads spell the title in lower case.
func noSubscription(err error) error {
	return notFound(err, "subscription not found", "Subscription not found", "Subscription Not Found")
}

// Subscriptions reads all subscriptions of the tenant, others' included.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	const doing = "list subscriptions"
	var all []Subscription
	seen := map[string]struct{}{}
	for range maxPages {
		got, err := c.call(ctx, request{
			verb: "list_subscriptions", doing: doing, method: http.MethodGet, limit: maxListAnswer,
			path: "/subscriptions?limit=" + strconv.Itoa(smallPageSize) + "&offset=" + strconv.Itoa(len(all)),
		})
		if err != nil {
			return nil, err
		}
		var page []Subscription
		if err := json.Unmarshal(got.body, &page); err != nil {
			return nil, fmt.Errorf("%s: %w: the answer is no list: %w", doing, ErrRetry, err)
		}
		before := len(seen)
		for _, s := range page {
			seen[s.ID] = struct{}{}
		}
		if len(seen) == before {
			return all, nil
		}
		all = append(all, page...)
		if len(page) < smallPageSize {
			return all, nil
		}
	}
	return nil, fmt.Errorf("%s: %w: no end after %d pages", doing, ErrShortList, maxPages)
}

// CreateSubscription makes s. ErrInvalid with status 409 means that its id is
// in use. No notification is sent for what is there already.
func (c *Client) CreateSubscription(ctx context.Context, s Subscription) error {
	s.Type = "Subscription"
	_, err := c.call(ctx, request{
		verb: "create_subscription", doing: "create subscription " + s.ID, method: http.MethodPost,
		path: "/subscriptions", body: s, secrets: s.secrets(),
	})
	return err
}

// PatchSubscription changes the given fields. Orion-LD refuses null, so no
// field can be removed; receiverInfo only ever gains keys.
func (c *Client) PatchSubscription(ctx context.Context, id string, patch map[string]any) error {
	_, err := c.call(ctx, request{
		verb: "patch_subscription", doing: "patch subscription " + id, method: http.MethodPatch,
		path: subscriptionPath(id), body: patch, secrets: patchSecrets(patch),
	})
	return noSubscription(err)
}

func patchSecrets(patch map[string]any) []string {
	var s Subscription
	encoded, err := json.Marshal(patch)
	if err == nil {
		err = json.Unmarshal(encoded, &s)
	}
	if err != nil {
		// Not a subscription's fields, so it holds no receiverInfo either.
		return nil
	}
	return s.secrets()
}

// DeleteSubscription removes a subscription; ErrNotFound if there is none.
// Orion-LD crashes if a notification of it is unanswered then, so the webhook
// must go on answering.
func (c *Client) DeleteSubscription(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{
		verb: "delete_subscription", doing: "delete subscription " + id, method: http.MethodDelete,
		path: subscriptionPath(id),
	})
	return noSubscription(err)
}
