package ngsild

import (
	"errors"
	"fmt"
	"time"
)

// Notification is what the broker sends to an endpoint (NGSI-LD 1.6.1, 5.3.1).
type Notification struct {
	ID             string
	SubscriptionID string
	// NotifiedAt orders notifications; modifiedAt inside them lags. It is zero
	// if the broker sent none that can be read.
	NotifiedAt time.Time
	// Entities may hold one id several times, as after a batch, in the order of
	// the changes. Each is the whole entity, not a change.
	Entities []Entity
	// Errors are the EntityErrors of entities that could not be read.
	Errors []error
}

// DecodeNotification reads the body of a notification in any format. A body
// that is not a notification is an error; entities in it that cannot be read
// are only listed in Errors. The result shares no memory with body.
func DecodeNotification(body []byte) (Notification, error) {
	text, err := validJSON(body)
	if err != nil {
		return Notification{}, fmt.Errorf("notification: %w", err)
	}
	if text[0] != '{' {
		return Notification{}, fmt.Errorf("notification: want an object, have %s", shapeOf(text))
	}
	var n Notification
	var data []byte
	for m := membersOf(text); ; {
		key, value, ok := m.next()
		if !ok {
			break
		}
		if string(key) == `"data"` {
			data = value
			continue
		}
		n.set(key, value)
	}
	if data == nil || data[0] != '[' && data[0] != '{' {
		return Notification{}, errors.New("notification: no data")
	}
	n.Entities, n.Errors = decodeEntities(data, true)
	return n, nil
}

func (n *Notification) set(key, value []byte) {
	if value[0] != '"' {
		return
	}
	switch string(key) {
	case `"id"`:
		n.ID = unquote(value)
	case `"subscriptionId"`:
		n.SubscriptionID = unquote(value)
	case `"notifiedAt"`:
		// An unreadable time is no time; see NotifiedAt.
		n.NotifiedAt, _ = time.Parse(time.RFC3339Nano, unquote(value))
	}
}
