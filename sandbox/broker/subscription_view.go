package broker

import "strconv"

// appendSubscription appends a subscription as a GET shows it, in the names of
// the request; what is not set is left out, counters of zero too.
func appendSubscription(dst []byte, s *subscription, n *names, now instant, sysAttrs bool) []byte {
	o := s.spec
	dst = appendText(append(dst, `{"id":`...), s.id)
	dst = append(dst, `,"type":"Subscription"`...)
	dst = appendSet(dst, "subscriptionName", o.title)
	dst = appendSet(dst, "description", o.description)
	if o.entities != nil {
		dst = appendValue(append(dst, `,"entities":`...), o.selectors(n))
	}
	if o.watched != nil {
		dst = appendValue(append(dst, `,"watchedAttributes":`...), compacted(o.watched, n))
	}
	if o.q != nil {
		dst = appendText(append(dst, `,"q":`...), o.q.String())
	}
	active := s.active && (o.expires == 0 || now < o.expires)
	dst = append(dst, `,"status":"`+s.state+`","isActive":`+strconv.FormatBool(active)...)
	dst = appendNotification(append(dst, `,"notification":`...), s, n)
	dst = appendInstant(dst, "expiresAt", o.expires)
	dst = appendNumber(dst, "throttling", o.throttling)
	dst = appendNumber(dst, "timeInterval", o.interval)
	dst = appendSet(dst, "lang", o.lang)
	if sysAttrs {
		dst = appendTimes(dst, o.created, o.modified)
	}
	dst = append(dst, `,"origin":"cache","jsonldContext":`...)
	return append(appendText(dst, o.names.url()), '}')
}

func appendNotification(dst []byte, s *subscription, n *names) []byte {
	o := s.spec
	dst = append(dst, '{')
	if o.attributes != nil {
		dst = append(appendValue(append(dst, `"attributes":`...), compacted(o.attributes, n)), ',')
	}
	dst = appendText(append(dst, `"format":`...), o.format)
	if o.sysAttrs {
		dst = append(dst, `,"sysAttrs":true`...)
	}
	if o.showChanges {
		dst = append(dst, `,"showChanges":true`...)
	}
	dst = appendText(append(dst, `,"endpoint":{"uri":`...), o.uri)
	dst = appendText(append(dst, `,"accept":`...), o.accept)
	if o.receiver != nil {
		infos := value{kind: list}
		for _, h := range o.receiver {
			infos.members = append(infos.members, member{value: value{kind: object, members: []member{
				{"key", textValue(h.key)}, {"value", textValue(h.value)}}}})
		}
		dst = appendValue(append(dst, `,"receiverInfo":`...), infos)
	}
	dst = append(dst, `},"status":"`...)
	if s.failed {
		dst = append(dst, `failed"`...)
	} else {
		dst = append(dst, `ok"`...)
	}
	return append(appendCounters(dst, s), '}')
}

func appendCounters(dst []byte, s *subscription) []byte {
	c := s.counters
	dst = appendCount(dst, "timesSent", c.Sent)
	dst = appendInstant(dst, "lastNotification", c.LastSent)
	dst = appendInstant(dst, "lastFailure", c.LastFailure)
	dst = appendInstant(dst, "lastSuccess", c.LastSuccess)
	dst = appendCount(dst, "consecutiveErrors", s.errors)
	dst = appendSet(dst, "lastErrorReason", s.reason)
	return appendCount(dst, "timesFailed", c.Failed)
}

func (s *spec) selectors(n *names) value {
	out := value{kind: list}
	for _, o := range s.entities {
		v := value{kind: object}
		if o.id != "" {
			v.members = append(v.members, member{"id", textValue(o.id)})
		}
		if o.idPattern != "" {
			v.members = append(v.members, member{"idPattern", textValue(o.idPattern)})
		}
		v.members = append(v.members, member{"type", textValue(n.compact(o.typ))})
		out.members = append(out.members, member{value: v})
	}
	return out
}

func compacted(kept []string, n *names) value {
	out := make([]string, len(kept))
	for i, name := range kept {
		out[i] = n.compact(name)
	}
	return textList(out)
}

func appendSet(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return appendText(appendName(append(dst, ','), name), s)
}

func appendNumber(dst []byte, name string, v value) []byte {
	if v.kind != number {
		return dst
	}
	return appendValue(appendName(append(dst, ','), name), v)
}

func appendCount(dst []byte, name string, n int) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(appendName(append(dst, ','), name), int64(n), 10)
}

func appendInstant(dst []byte, name string, t instant) []byte {
	if t == 0 {
		return dst
	}
	dst = appendName(append(dst, ','), name)
	return append(t.append(append(dst, '"')), '"')
}
