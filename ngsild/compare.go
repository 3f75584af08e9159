package ngsild

import (
	"slices"
	"strings"
)

type action string

const (
	actionNone     action = "none"
	actionCreate   action = "create"
	actionPatch    action = "patch"
	actionRecreate action = "recreate"
)

// fix is what makes a subscription true. Orion-LD refuses null in a patch, so
// whatever is there and not wanted needs the subscription made anew.
type fix struct {
	action action
	patch  map[string]any
	reason string // what differs, in a fixed order
}

// compare returns what has to be done to turn got into want, in what matters
// for notifications to arrive. `q` is left out, since Orion-LD answers it
// distorted.
func compare(want Subscription, got *Subscription) fix {
	if got == nil {
		return fix{action: actionCreate, reason: "gone"}
	}
	d := differences{patch: map[string]any{}, notification: map[string]any{}, endpoint: map[string]any{}}
	d.activity(*got)
	d.selection(want, *got)
	d.pace(want, *got)
	d.delivery(want.Notification, got.Notification)
	d.headers(want.Notification.Endpoint.ReceiverInfo, got.Notification.Endpoint.ReceiverInfo)
	return d.fix()
}

type differences struct {
	patch, notification, endpoint map[string]any
	anew                          bool
	reasons                       []string
}

func (d *differences) fix() fix {
	if len(d.endpoint) > 0 {
		d.notification["endpoint"] = d.endpoint
	}
	if len(d.notification) > 0 {
		d.patch["notification"] = d.notification
	}
	reason := strings.Join(d.reasons, ", ")
	switch {
	case d.anew:
		return fix{action: actionRecreate, reason: reason}
	case len(d.patch) > 0:
		return fix{action: actionPatch, patch: d.patch, reason: reason}
	default:
		return fix{action: actionNone}
	}
}

// change notes a field that a patch can set.
func (d *differences) change(in map[string]any, field string, value any, reason string) {
	in[field] = value
	d.reasons = append(d.reasons, reason)
}

// renew notes what only a new subscription can put right.
func (d *differences) renew(reason string) {
	d.anew = true
	d.reasons = append(d.reasons, reason)
}

// activity: an expiry is never ours, and moving it ahead does not revive; a
// paused subscription stays so for good unless it is re-activated.
func (d *differences) activity(got Subscription) {
	switch {
	case got.ExpiresAt != "" || got.Status == "expired":
		d.renew("expires")
	case !got.Active():
		d.change(d.patch, "isActive", true, "paused")
	}
}

func (d *differences) selection(want, got Subscription) {
	if !slices.Equal(selectors(want.Entities), selectors(got.Entities)) {
		d.change(d.patch, "entities", want.Entities, "entities")
	}
	d.names(d.patch, "watchedAttributes", want.WatchedAttributes, got.WatchedAttributes)
}

// selectors returns what selects, sorted and without repetition.
func selectors(entities []EntitySelector) []string {
	texts := make([]string, len(entities))
	for i, e := range entities {
		texts[i] = strings.Join([]string{shorten(e.Type), e.ID, e.IDPattern}, "\n")
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// names compares two lists of attributes as sets; no list means all.
func (d *differences) names(in map[string]any, field string, want, got []string) {
	switch {
	case slices.Equal(nameSet(want), nameSet(got)):
	case len(want) == 0:
		d.renew(field)
	default:
		d.change(in, field, want, field)
	}
}

func nameSet(names []string) []string {
	short := make([]string, len(names))
	for i, name := range names {
		short[i] = shorten(name)
	}
	slices.Sort(short)
	return slices.Compact(short)
}

func (d *differences) pace(want, got Subscription) {
	switch {
	case want.Throttling == got.Throttling:
	case want.Throttling == 0:
		d.renew("throttling")
	default:
		d.change(d.patch, "throttling", want.Throttling, "throttling")
	}
	if want.TimeInterval != got.TimeInterval {
		d.renew("timeInterval")
	}
}

func (d *differences) delivery(want, got NotificationParams) {
	d.names(d.notification, "attributes", want.Attributes, got.Attributes)
	if format := formatOf(want.Format); format != formatOf(got.Format) {
		d.change(d.notification, "format", format, "format")
	}
	if want.Endpoint.URI != got.Endpoint.URI {
		d.change(d.endpoint, "uri", want.Endpoint.URI, "points elsewhere")
	}
	if accept := acceptOf(want.Endpoint.Accept); accept != acceptOf(got.Endpoint.Accept) {
		d.change(d.endpoint, "accept", accept, "accept")
	}
}

func formatOf(format string) string {
	switch format {
	case "":
		return "normalized"
	case "keyValues":
		return "simplified"
	default:
		return format
	}
}

func acceptOf(accept string) string {
	if accept == "" {
		return "application/json"
	}
	return accept
}

// headers: a header that is missing means that the subscription was made for
// another name of it, which a patch would only add to. Foreign ones do no harm.
func (d *differences) headers(want, got []KeyValue) {
	for _, header := range want {
		present, right := false, true
		for _, other := range got {
			if strings.EqualFold(header.Key, other.Key) {
				present, right = true, right && header.Value == other.Value
			}
		}
		switch {
		case !present:
			d.renew("header " + header.Key)
			return
		case !right:
			d.change(d.endpoint, "receiverInfo", want, "header "+header.Key)
			return
		}
	}
}
