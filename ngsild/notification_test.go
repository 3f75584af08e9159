package ngsild

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeNotification(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 0, 8, 29, 771_000_000, time.UTC)
	deleted := Entity{ID: "urn:x:1", Type: "T", Deleted: true}
	for text, want := range map[string]Notification{
		`{"id":"urn:n:1","type":"Notification","subscriptionId":"urn:s:1","notifiedAt":"2026-11-22T00:08:29.771Z","data":[{"id":"urn:x:1","type":"T","a":"v"}]}`: {
			ID: "urn:n:1", SubscriptionID: "urn:s:1", NotifiedAt: at,
			Entities: []Entity{{ID: "urn:x:1", Type: "T", Attrs: map[string]Attribute{"a": {Value: "v"}}}},
		},
		`{"data":[],"subscriptionId":"urn:s:1","notifiedAt":"2026-11-22T01:08:29.771+01:00"}`: {SubscriptionID: "urn:s:1", NotifiedAt: at},
		`{"data":{"id":"urn:x:1","type":"T","deletedAt":"2026-11-21T23:14:38.850Z"}}`:         {Entities: []Entity{deleted}},
		`{"data":[{"id":"urn:x:1","type":"T"}],"@context":"https://nowhere.invalid"}`:         {Entities: []Entity{deleted}},
		`{"data":[{"id":"urn:x:1","type":"T","createdAt":"x","modifiedAt":"y"}]}`:             {Entities: []Entity{deleted}},
		`{"id":5,"subscriptionId":null,"notifiedAt":"yesterday","data":[]}`:                   {},
	} {
		got, err := DecodeNotification([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		got.NotifiedAt = got.NotifiedAt.UTC()
		want.NotifiedAt = want.NotifiedAt.UTC()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestNotificationErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                   `notification: unexpected end of JSON input`,
		`<html>`:             `notification: invalid character '<' looking for beginning of value`,
		`[]`:                 `notification: want an object, have a list`,
		`"x"`:                `notification: want an object, have text`,
		`{}`:                 `notification: no data`,
		`{"data":null}`:      `notification: no data`,
		`{"data":"x"}`:       `notification: no data`,
		`{"type":"Problem"}`: `notification: no data`,
	} {
		if _, err := DecodeNotification([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// TestOneBadEntity: it never costs the others of its notification.
func TestOneBadEntity(t *testing.T) {
	t.Parallel()
	got, err := DecodeNotification([]byte(`{"subscriptionId":"urn:s:1","data":[
		{"id":"urn:x:1","type":"T","a":1},{"type":"T"},7,{"id":"urn:x:2"},{"id":"urn:x:3","type":"T","a":3}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var ids []EntityID
	for _, e := range got.Entities {
		ids = append(ids, e.ID)
	}
	if diff := cmp.Diff([]EntityID{"urn:x:1", "urn:x:3"}, ids); diff != "" {
		t.Errorf("survivors (-want +got):\n%s", diff)
	}
	var texts []string
	for _, err := range got.Errors {
		texts = append(texts, err.Error())
	}
	want := []string{"entity 1: no id", "entity 2: want an object, have a number", "entity urn:x:2: no type"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// TestLastOfABatch: one id several times keeps the order of the changes.
func TestLastOfABatch(t *testing.T) {
	t.Parallel()
	got, err := DecodeNotification([]byte(`{"data":[{"id":"urn:x:1","type":"T","a":1},{"id":"urn:x:1","type":"T","a":2}]}`))
	if err != nil || len(got.Entities) != 2 || got.Entities[1].Attrs["a"].Value != int64(2) {
		t.Errorf("got %+v, %v", got, err)
	}
}
