package broker

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// reading collects what the body of a POST or PATCH of a subscription asks for.
// It starts from an empty spec or from a copy of the one there is.
type reading struct {
	spec   *spec
	id     string
	active *bool
	fatal  bool // the real broker would not survive this body
	now    instant
}

// read takes the fields in their order and stops at the first that is wrong.
func (r *reading) read(body value) *problem {
	for _, m := range body.members {
		if p := r.field(m.name, m.value); p != nil {
			return p
		}
	}
	return nil
}

func (r *reading) field(name string, v value) *problem {
	switch name {
	case "id", "@id":
		return r.texts("id", v, &r.id)
	case "type", "@type", "@context", "status", "jsonldContext", "origin", "geoQ":
		return nil
	case "notificationTrigger":
		return notSupported("Not Implemented", name)
	case "scopeQ":
		return notSupported("Not Implemented", "Subscription::scope")
	case "csf":
		return notSupported("Not Implemented", "CSF (Context Source Filter) for Subscriptions")
	case "subscriptionName", "name":
		return r.texts("subscriptionName", v, &r.spec.title)
	case "description":
		return r.texts(name, v, &r.spec.description)
	case "lang":
		return r.texts(name, v, &r.spec.lang)
	case "entities":
		return r.entities(v)
	case "watchedAttributes":
		return r.attributes(name, v, &r.spec.watched)
	case "notification":
		return r.notification(v)
	case "q":
		return r.q(v)
	case "expiresAt":
		return r.expires(v)
	case "isActive":
		return r.isActive(v)
	case "throttling":
		return r.positive(name, v, &r.spec.throttling)
	case "timeInterval":
		return r.positive(name, v, &r.spec.interval)
	}
	return badRequest("Unknown field for subscription", name)
}

func expect(v value, k kind, what, where string) *problem {
	if v.kind == k {
		return nil
	}
	return badRequest("Not a JSON "+what, "Subscription::"+where)
}

func (r *reading) texts(name string, v value, to *string) *problem {
	if p := expect(v, text, "String", name); p != nil {
		return p
	}
	*to = strings.Clone(v.text)
	return nil
}

func (r *reading) isActive(v value) *problem {
	if p := expect(v, boolean, "Boolean", "isActive"); p != nil {
		return p
	}
	active := v.text == "true"
	r.active = &active
	return nil
}

func (r *reading) positive(name string, v value, to *value) *problem {
	if p := expect(v, number, "Number", name); p != nil {
		return p
	}
	if n, err := strconv.ParseFloat(v.text, 64); err != nil || n <= 0 {
		return badRequest("Negative Number not allowed in this position", "Subscription::"+name)
	}
	*to = value{kind: number, text: strings.Clone(v.text)}
	return nil
}

func (r *reading) expires(v value) *problem {
	if p := expect(v, text, "String", "expiresAt"); p != nil {
		return p
	}
	at, ok := instantFrom(v.text)
	if !ok {
		p := badRequest("Invalid ISO8601", "invalid DateTime: '"+v.text+"' (error in 'date' part '"+v.text+"')")
		p.field = "Subscription::expiresAt"
		return p
	}
	if at <= r.now {
		p := badRequest("Invalid Subscription", "/expiresAt/ in the past")
		p.field = "expiresAt"
		return p
	}
	r.spec.expires = at
	return nil
}

func (r *reading) q(v value) *problem {
	if p := expect(v, text, "String", "q"); p != nil {
		return p
	}
	f, p := parseQ(strings.Clone(v.text), r.spec.names)
	if p == nil {
		r.spec.q = f
	}
	return p
}

func (r *reading) attributes(name string, v value, to *[]string) *problem {
	if p := expect(v, list, "Array", name); p != nil {
		return p
	}
	if len(v.members) == 0 {
		return badRequest("Empty Array", "Subscription::"+name)
	}
	out := make([]string, len(v.members))
	for i, m := range v.members {
		if p := expect(m.value, text, "String", name); p != nil {
			return p
		}
		out[i] = strings.Clone(r.spec.names.expand(m.value.text))
	}
	*to = out
	return nil
}

func (r *reading) entities(v value) *problem {
	if p := expect(v, list, "Array", "entities"); p != nil {
		return p
	}
	out := make([]selector, 0, len(v.members))
	for _, m := range v.members {
		if p := expect(m.value, object, "Object", "entities"); p != nil {
			return p
		}
		if !m.value.has("type") {
			return badRequest("Missing mandatory field", "Subscription::entities::type")
		}
		o := selector{id: strings.Clone(m.value.textOf("id")), idPattern: strings.Clone(m.value.textOf("idPattern"))}
		o.typ = strings.Clone(r.spec.names.expand(m.value.textOf("type")))
		if o.idPattern != "" {
			pattern, err := regexp.Compile(o.idPattern)
			if err != nil {
				r.fatal = true
				return badRequest("Invalid Regular Expression", "Subscription::entities::idPattern")
			}
			o.pattern = pattern
		}
		out = append(out, o)
	}
	r.spec.entities = out
	return nil
}

func (r *reading) notification(v value) *problem {
	if p := expect(v, object, "Object", "notification"); p != nil {
		return p
	}
	for _, m := range v.members {
		if p := r.notificationField(m.name, m.value); p != nil {
			return p
		}
	}
	return nil
}

func (r *reading) notificationField(name string, v value) *problem {
	switch name {
	case "attributes":
		return r.attributes("notification::attributes", v, &r.spec.attributes)
	case "format":
		if _, ok := formatOf(v.text); v.kind != text || !ok {
			return badRequest("Invalid value for 'Subscription::notification::format'", v.text)
		}
		r.spec.format = strings.Clone(v.text)
		return nil
	case "sysAttrs":
		r.spec.sysAttrs = v.text == "true"
		return expect(v, boolean, "Boolean", "notification::sysAttrs")
	case "showChanges":
		r.spec.showChanges = v.text == "true"
		return expect(v, boolean, "Boolean", "notification::showChanges")
	case "endpoint":
		return r.endpoint(v)
	}
	return badRequest("Invalid field for Subscription::notification", name)
}

func (r *reading) endpoint(v value) *problem {
	if p := expect(v, object, "Object", "notification::endpoint"); p != nil {
		return p
	}
	for _, m := range v.members {
		if p := r.endpointField(m.name, m.value); p != nil {
			return p
		}
	}
	return nil
}

func (r *reading) endpointField(name string, v value) *problem {
	switch name {
	case "uri":
		if p := expect(v, text, "String", "notification::endpoint::uri"); p != nil {
			return p
		}
		r.spec.uri = strings.Clone(v.text)
		return checkURI(v.text, "endpoint::uri")
	case "accept":
		switch v.text {
		case "application/json", "application/ld+json", "application/geo+json":
			r.spec.accept = strings.Clone(v.text)
			return nil
		}
		return badRequest("Unsupported Mime-type in 'accept'", v.text)
	case "receiverInfo":
		return r.receiver(v)
	case "notifierInfo":
		return expect(v, list, "Array", "notification::endpoint::notifierInfo")
	}
	return badRequest("Invalid field for 'endpoint'", name)
}

// receiver adds to the headers that are there: keys accumulate.
func (r *reading) receiver(v value) *problem {
	if p := expect(v, list, "Array", "notification::endpoint::receiverInfo"); p != nil {
		return p
	}
	headers := slices.Clone(r.spec.receiver)
	for _, m := range v.members {
		h := header{strings.Clone(m.value.textOf("key")), strings.Clone(m.value.textOf("value"))}
		if h.key == "" {
			return badRequest(titleMissing, "Subscription::notification::endpoint::receiverInfo::key")
		}
		headers = slices.DeleteFunc(headers, func(old header) bool { return old.key == h.key })
		headers = append(headers, h)
	}
	slices.SortFunc(headers, func(a, b header) int { return strings.Compare(a.key, b.key) })
	r.spec.receiver = headers
	return nil
}
